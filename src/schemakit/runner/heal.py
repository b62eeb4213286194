"""What an interrupted statement left behind, and how the next run gets past it.

Only statements that run outside a transaction leave anything. Sent a second time they would fail,
or pass over a wreck; what the catalog shows decides what is sent instead. Nothing is guessed: a
statement counts as done only where the catalog shows exactly what it would have made.
"""

from __future__ import annotations

import re
from functools import partial

from schemakit.catalog import read
from schemakit.catalog.model import IndexName
from schemakit.sql import Name, parser
from schemakit.sql.resumable import (
    AddValue,
    BuildIndex,
    Detach,
    DropIndex,
    Reindex,
    Repeatable,
    Resumable,
    add_if_absent,
)

from .flow import Fetch, Flow, Notify, Run
from .orphans import build_is_over
from .results import Event

_IF_NOT_EXISTS = re.compile(r"\bindex\s+concurrently\b(?!\s+if\b)", re.IGNORECASE)
_NOTHING = ""


def resumed(step: Resumable, sql: str, command: str) -> Flow[str]:
    """A flow that gets *sql*, which is *step*, past what an earlier run left.

    Returns:
        What to send instead of *sql*; nothing, if there is nothing left to do.
    """
    match step:
        case BuildIndex(index):
            return clear_the_way(index, sql, command)
        case DropIndex(index):
            return _drop(index, sql, command)
        case AddValue():
            return _add_value(step, sql, command)
        case Detach():
            return _detach(step, sql, command)
        case Reindex():
            return _reindex(step, sql, command)
        case Repeatable():
            return _as_it_is(sql)


def clear_the_way(index: Name, sql: str, command: str) -> Flow[str]:
    """A flow that gets *sql*, which builds *index* CONCURRENTLY, past what an earlier run left.

    A build that was broken off leaves the index INVALID: that one is dropped.

    Such an index is used by no query and makes the next CREATE INDEX fail, or with IF NOT EXISTS
    makes it succeed without an index. One that is being built is let be.

    A run that was broken off after the build, and before its revision was recorded, leaves the
    index as it should be: that one is kept.

    Returns:
        What to send instead of *sql*.
    """
    yield from build_is_over(index, command)
    wreck: IndexName | None = yield Fetch(partial(read.invalid_index, name=index))
    if wreck is not None:
        yield _notice(
            command,
            f"index {wreck} was left INVALID by an earlier run: dropping it to build it again",
        )
        yield Run(f"DROP INDEX CONCURRENTLY {Name(wreck.name, wreck.schema)}", long=True)
        return sql
    definition: str | None = yield Fetch(partial(read.index_definition, name=index))
    if definition is not None and parser.same_index(sql, definition):
        yield _notice(
            command, f"index {index} is there already, as the revision builds it: keeping it"
        )
        return _IF_NOT_EXISTS.sub(r"\g<0> IF NOT EXISTS", sql, count=1)
    return sql


def _as_it_is(sql: str) -> Flow[str]:
    yield from ()
    return sql


def _drop(index: Name, sql: str, command: str) -> Flow[str]:
    # One that was left INVALID half way is dropped by sending the statement again.
    if (yield Fetch(partial(read.relation_exists, name=index))):
        return sql
    yield _notice(command, f"index {index} is gone already, as the revision leaves it")
    return _NOTHING


def _add_value(step: AddValue, sql: str, command: str) -> Flow[str]:
    neighbours: tuple[str | None, str | None] | None
    neighbours = yield Fetch(partial(read.enum_neighbours, name=step.type, label=step.value))
    if neighbours is None:
        return sql
    before, after = neighbours
    if step.after is not None:
        as_made = before == step.after
    elif step.before is not None:
        as_made = after == step.before
    else:
        as_made = after is None
    if not as_made:
        return sql
    yield _notice(
        command,
        f"type {step.type} has the value {step.value!r} already, where the revision puts it: "
        "keeping it",
    )
    return add_if_absent(sql)


def _detach(step: Detach, sql: str, command: str) -> Flow[str]:
    state: str = yield Fetch(
        partial(read.partition_state, parent=step.parent, partition=step.partition)
    )
    if state == "pending":
        yield _notice(
            command, f"{step.partition} was being detached by an earlier run: finishing that"
        )
        return f"ALTER TABLE {step.parent} DETACH PARTITION {step.partition} FINALIZE"
    if state == "detached":
        yield _notice(
            command, f"{step.partition} is detached already, as the revision leaves it: keeping it"
        )
        return _NOTHING
    return sql


def _reindex(step: Reindex, sql: str, command: str) -> Flow[str]:
    leftovers: tuple[IndexName, ...] = yield Fetch(
        partial(read.reindex_leftovers, index=step.index, table=step.table, schema=step.schema)
    )
    for left in leftovers:
        yield _notice(command, f"index {left} was left INVALID by an earlier REINDEX: dropping it")
        yield Run(f"DROP INDEX CONCURRENTLY {Name(left.name, left.schema)}", long=True)
    return sql


def _notice(command: str, message: str) -> Notify:
    return Notify(Event("notice", command, message=message))
