"""What a broken CREATE INDEX CONCURRENTLY left behind, and how the next run gets past it."""

from __future__ import annotations

import re
from functools import partial

from schemakit.catalog import read
from schemakit.catalog.model import IndexName
from schemakit.sql import Name

from .flow import Fetch, Flow, Notify, Run
from .results import Command, Event

_CONCURRENTLY = re.compile(r"\bindex\s+concurrently\b", re.IGNORECASE)


def may_build_concurrently(sql: str) -> bool:
    """Whether it is worth parsing *sql* for a CREATE INDEX CONCURRENTLY."""
    return _CONCURRENTLY.search(sql) is not None


def clear_the_way(index: Name, command: Command) -> Flow[IndexName | None]:
    """A flow that drops *index* if an earlier build left it INVALID.

    Such an index is not used by any query, holds no data, and makes the next CREATE INDEX fail,
    or with IF NOT EXISTS makes it succeed without an index. One that is being built is let be.

    Returns:
        The index that was dropped.
    """
    wreck: IndexName | None = yield Fetch(partial(read.invalid_index, name=index))
    if wreck is not None:
        message = f"index {wreck} was left INVALID by an earlier run: dropping it to build it again"
        yield Notify(Event("notice", command, message=message))
        yield Run(f"DROP INDEX CONCURRENTLY {Name(wreck.name, wreck.schema)}")
    return wreck
