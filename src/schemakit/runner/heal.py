"""What a broken CREATE INDEX CONCURRENTLY left behind, and how the next run gets past it."""

from __future__ import annotations

import re
from functools import partial

from schemakit.catalog import read
from schemakit.catalog.model import IndexName
from schemakit.sql import Name, parser

from .flow import Fetch, Flow, Notify, Run
from .results import Command, Event

_IF_NOT_EXISTS = re.compile(r"\bindex\s+concurrently\b(?!\s+if\b)", re.IGNORECASE)
_CONCURRENTLY = re.compile(r"\bindex\s+concurrently\b", re.IGNORECASE)


def may_build_concurrently(sql: str) -> bool:
    """Whether it is worth parsing *sql* for a CREATE INDEX CONCURRENTLY."""
    return _CONCURRENTLY.search(sql) is not None


def clear_the_way(index: Name, sql: str, command: Command) -> Flow[str]:
    """A flow that gets *sql*, which builds *index* CONCURRENTLY, past what an earlier run left.

    A build that was broken off leaves the index INVALID: that one is dropped.

    Such an index is used by no query and makes the next CREATE INDEX fail, or with IF NOT EXISTS
    makes it succeed without an index. One that is being built is let be.

    A run that was broken off after the build, and before its revision was recorded, leaves the
    index as it should be: that one is kept.

    Returns:
        What to send instead of *sql*.
    """
    wreck: IndexName | None = yield Fetch(partial(read.invalid_index, name=index))
    if wreck is not None:
        message = f"index {wreck} was left INVALID by an earlier run: dropping it to build it again"
        yield Notify(Event("notice", command, message=message))
        yield Run(f"DROP INDEX CONCURRENTLY {Name(wreck.name, wreck.schema)}")
        return sql
    definition: str | None = yield Fetch(partial(read.index_definition, name=index))
    if definition is not None and parser.same_index(sql, definition):
        message = f"index {index} is there already, as the revision builds it: keeping it"
        yield Notify(Event("notice", command, message=message))
        return _IF_NOT_EXISTS.sub(r"\g<0> IF NOT EXISTS", sql, count=1)
    return sql
