"""Indexes and constraints from a portrait: each under its name, put together across a tree."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from schemakit.catalog.table import Constraint, Index, Table
from schemakit.sql.literal import literal
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from .saying import alter, comment, on


def built(table: Table) -> Iterator[Statement]:
    """What builds the indexes of *table*, and its keys and exclusion constraints behind them.

    An index that a concurrent build left INVALID is not made again.
    """
    behind = {each.index: each for each in table.constraints if each.index}
    for index in table.indexes:
        if not index.valid and table.kind != "p":
            continue
        constraint = behind.get(index.name)
        yield from _in_its_space(index, list(_one(table, index, constraint)))
        yield from _details(table, index)


def _one(table: Table, index: Index, constraint: Constraint | None) -> Iterator[Statement]:
    ready = constraint is not None and table.kind == "r" and _can_take(index, constraint)
    if constraint is None or ready:
        yield on(table.full_name, created(table, index), mode=LockMode.SHARE)
    if constraint is not None:
        definition = _using(index, constraint) if ready else constraint.definition
        yield alter(table, f"ADD CONSTRAINT {quote(constraint.name)} {definition}", only=True)
        if index.options and not ready:
            yield Statement(f"ALTER INDEX {_named(table, index)} SET ({_options(index)})")


def created(table: Table, index: Index) -> str:
    """Return the CREATE INDEX of *index* on *table*, whatever that was called."""
    unique = "UNIQUE " if index.unique else ""
    only = "ONLY " if table.kind == "p" else ""
    name = quote(index.name)
    return f"CREATE {unique}INDEX {name} ON {only}{table.full_name} {index.tail}"


def _can_take(index: Index, constraint: Constraint) -> bool:
    return constraint.kind in ("p", "u") and index.tail.startswith("USING btree")


def _using(index: Index, constraint: Constraint) -> str:
    """As the index was built first, with its storage parameters."""
    kind = "PRIMARY KEY" if constraint.kind == "p" else "UNIQUE"
    deferrable = " DEFERRABLE" if constraint.deferrable else ""
    deferred = " INITIALLY DEFERRED" if constraint.deferred else ""
    return f"{kind} USING INDEX {quote(index.name)}{deferrable}{deferred}"


def _options(index: Index) -> str:
    return ", ".join(
        f"{quote(name)}={literal(value)}"
        for name, _, value in (each.partition("=") for each in index.options)
    )


def _in_its_space(index: Index, statements: list[Statement]) -> Iterator[Statement]:
    if index.tablespace is None:
        yield from statements
        return
    yield _space(index.tablespace)
    yield from statements
    yield _space("")


def _space(name: str) -> Statement:
    text = f"SELECT pg_catalog.set_config('default_tablespace', {literal(name)}, true)"
    return Statement(text, why="where the index lies")


def _details(table: Table, index: Index) -> Iterator[Statement]:
    name = _named(table, index)
    for number, target in index.statistics.items():
        yield Statement(f"ALTER INDEX {name} ALTER COLUMN {int(number)} SET STATISTICS {target}")
    if index.clustered:
        yield alter(table, f"CLUSTER ON {quote(index.name)}")
    yield from comment(f"INDEX {name}", index.comment)


def replica_identity(table: Table) -> Iterator[Statement]:
    """What says by what replicas know the rows of *table*."""
    for index in table.indexes:
        if index.replica_identity and table.replica_identity == "i":
            action = f"REPLICA IDENTITY USING INDEX {quote(index.name)}"
            yield alter(table, action, only=True)
    if table.replica_identity in ("f", "n") and table.kind in ("r", "p"):
        which = "FULL" if table.replica_identity == "f" else "NOTHING"
        yield alter(table, f"REPLICA IDENTITY {which}", only=True)


def put_together(table: Table, parents: Collection[Name] | None = None) -> Iterator[Statement]:
    """What makes the indexes of a partition a part of those of its parent.

    Args:
        table: the partition.
        parents: those whose indexes have to be told of it, by default all: ATTACH PARTITION does
            it for a parent that had its indexes before.
    """
    told = parents is None or set(table.parents) & set(parents)
    for index in table.indexes:
        if index.parent is not None and told:
            part = _named(table, index)
            yield Statement(f"ALTER INDEX {index.parent} ATTACH PARTITION {part}")


def _named(table: Table, index: Index) -> Name:
    return Name(index.name, table.schema)


def checked_later(table: Table) -> Iterator[Statement]:
    """What adds the checks that were NOT VALID or NOT ENFORCED; partitions get their parent's."""
    for each in table.constraints:
        if each.kind in ("c", "n") and not each.validated and each.local:
            yield alter(table, f"ADD CONSTRAINT {quote(each.name)} {each.definition}")


def validated(table: Table, unproven: Collection[str]) -> Iterator[Statement]:
    """What proves the checks of *table* that are NOT VALID as its parents' are, and were valid."""
    for each in table.constraints:
        if each.kind in ("c", "n") and each.validated and not each.local and each.name in unproven:
            yield alter(table, f"VALIDATE CONSTRAINT {quote(each.name)}")


def commented(table: Table) -> Iterator[Statement]:
    """What gives the constraints of *table* their comments, foreign keys apart."""
    for each in table.constraints:
        if each.kind != "f":
            what = f"CONSTRAINT {quote(each.name)} ON {table.full_name}"
            yield from comment(what, each.comment)
