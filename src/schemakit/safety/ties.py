"""What ties a table to the living besides foreign keys: publications, inheritance, its tree.

Each is taken down and put back as it was.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.portrait import Portrait
from schemakit.catalog.table import Constraint, Publication, Table
from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from . import behaviour, columns
from .saying import alter, comment, listed, on


def unpublished(portrait: Portrait) -> Iterator[Statement]:
    """What takes the tables out of the publications that name them."""
    for table in portrait.tables:
        for publication in _naming(table):
            sql = f"ALTER PUBLICATION {quote(publication.name)} DROP TABLE ONLY {table.full_name}"
            why = "what is done to a backup is nobody's news"
            yield on(table.full_name, sql, why, LockMode.SHARE_UPDATE_EXCLUSIVE)


def published(portrait: Portrait) -> Iterator[Statement]:
    """What takes the tables into the publications that named them."""
    for table in portrait.tables:
        for publication in _naming(table):
            columns = "" if publication.columns is None else f" ({listed(publication.columns)})"
            where = "" if publication.where is None else f" WHERE ({publication.where})"
            sql = (
                f"ALTER PUBLICATION {quote(publication.name)} ADD TABLE ONLY"
                f" {table.full_name}{columns}{where}"
            )
            yield on(table.full_name, sql, mode=LockMode.SHARE_UPDATE_EXCLUSIVE)


def _naming(table: Table) -> tuple[Publication, ...]:
    return tuple(each for each in table.publications if each.scope == "table")


def disinherited(portrait: Portrait) -> Iterator[Statement]:
    """What makes the tables nobody's partition and nobody's heirs, outside the portrait."""
    for table, parent in _parents_outside(portrait):
        if table.bound is None:
            yield _with_parent(table, parent, f"NO INHERIT {parent}")
        else:
            sql = f"ALTER TABLE {parent} DETACH PARTITION {table.full_name}"
            lock = TableLock(LockMode.ACCESS_EXCLUSIVE, table.full_name)
            yield on(parent, sql, "its rows would stay visible through its parent", also=(lock,))
            yield from _own_keys_dropped(table)


def _own_keys_dropped(table: Table) -> Iterator[Statement]:
    """What drops the foreign keys that a partition keeps of its parent's when it is detached."""
    for key in cloned_keys(table):
        # PostgreSQL 14 drops it by itself where it refers to the parent.
        sql = f"ALTER TABLE {table.full_name} DROP CONSTRAINT IF EXISTS {quote(key.name)}"
        also = (TableLock(LockMode.ACCESS_EXCLUSIVE, key.references),)
        yield on(table.full_name, sql, "a partition that is detached keeps it", also=also)


def inherited(portrait: Portrait, *, anew: bool = False) -> Iterator[Statement]:
    """What makes them partitions and heirs again.

    Args:
        portrait: of the tables.
        anew: they were made anew, and so as heirs of what they inherit columns from.
    """
    for table, parent in _parents_outside(portrait):
        if table.bound is not None:
            yield from _attached(table, parent)
        elif not (anew and columns.inherits(table)):
            yield _with_parent(table, parent, f"INHERIT {parent}")


def _parents_outside(portrait: Portrait) -> Iterator[tuple[Table, Name]]:
    own = {table.full_name for table in portrait.tables}
    for table in portrait.tables:
        for parent in table.parents:
            if parent not in own:
                yield table, parent


def _with_parent(table: Table, parent: Name, action: str) -> Statement:
    lock = TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, parent)
    sql = f"ALTER TABLE {table.full_name} {action}"
    return on(table.full_name, sql, "its rows are its parent's, too", also=(lock,))


def _attached(table: Table, parent: Name) -> Iterator[Statement]:
    # A foreign key that is there already is taken for the parent's, and keeps its own name.
    for key in cloned_keys(table):
        sql = f"ADD CONSTRAINT {quote(key.name)} {key.definition}"
        yield alter(table, sql, "so that it is not checked twice, nor gets another name")
    sql = f"ALTER TABLE {parent} ATTACH PARTITION {table.full_name} {table.bound}"
    lock = TableLock(LockMode.ACCESS_EXCLUSIVE, table.full_name)
    yield on(parent, sql, mode=LockMode.SHARE_UPDATE_EXCLUSIVE, also=(lock,))
    for key in cloned_keys(table):
        yield from comment(f"CONSTRAINT {quote(key.name)} ON {table.full_name}", key.comment)
    for trigger in table.triggers:
        if trigger.cloned:
            yield from behaviour.trigger_state(table, trigger)


def cloned_keys(table: Table) -> tuple[Constraint, ...]:
    """Return the foreign keys that a partition has of its parent's."""
    return tuple(each for each in table.constraints if each.cloned and each.kind == "f")
