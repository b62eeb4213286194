"""`metadata.create_all` makes the tree of a declared table, in its one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import DDL, Connection, PrimaryKeyConstraint, UniqueConstraint, event
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from schemakit.catalog import read
from schemakit.ddl.leaf import parameters
from schemakit.errors import LayoutRefused
from schemakit.runner.driver import run_simple
from schemakit.sql.name import Name, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import MetaData, Table
    from sqlalchemy.engine.mock import MockConnection

    from schemakit.ddl.leaf import Leaf
    from schemakit.partitioning.layout import Layout


def watch(table: Table) -> None:
    """Have the leaves of *table* made with it."""
    # Propagated: to a copy of the table, by to_metadata.
    event.listen(table, "after_create", _created, propagate=True)
    for moment in ("before_create", "before_drop"):
        event.listen(table, moment, _refuse_too_many_of, propagate=True)
        if not event.contains(table.metadata, moment, _refuse_too_many):
            event.listen(table.metadata, moment, _refuse_too_many)


def _created(table: Table, connection: Connection | MockConnection, **_: Any) -> None:
    from .declare import layout_of  # noqa: PLC0415 - which installs this

    layout = layout_of(table)
    if layout is not None:
        send(connection, tree(translated(layout, connection)))


def send(connection: Connection | MockConnection, statements: Iterable[str]) -> None:
    """Send *statements* on *connection*: at once, where it is one of asyncpg."""
    if isinstance(connection, Connection) and connection.dialect.driver == "asyncpg":
        run_simple(connection, ";\n".join(statements))
        return
    for sql in statements:
        connection.execute(DDL(sql.replace("%", "%%")))


def translated(layout: Layout, connection: Connection | MockConnection) -> Layout:
    """Return *layout* where the ``schema_translate_map`` of *connection* has it lie."""
    if not isinstance(connection, Connection):
        return layout
    schemas = connection.get_execution_options().get("schema_translate_map") or {}
    parent = layout.parent
    there = Name(parent.name, schemas.get(parent.schema, parent.schema))
    leaves = layout.schema if layout.schema is None else schemas.get(layout.schema, layout.schema)
    return replace(layout, parent=there, schema=leaves)


def tree(layout: Layout) -> Iterator[str]:
    """Yield what makes of a parent the tree of *layout*."""
    carries = layout.carries
    for leaf in layout.leaves():
        yield _leaf(layout, leaf)
        for index in carries.indexes:
            yield index.create(leaf.name)
        for grant in carries.grants:
            yield grant.on(leaf.name)
        if carries.replica_identity != "default":
            yield _identity(layout, leaf)
    for index in carries.on_parent:  # last: it takes in those of the leaves, which have their names
        yield index.create(layout.parent)


def _leaf(layout: Layout, leaf: Leaf) -> str:
    words = [
        f"CREATE TABLE {leaf.name} PARTITION OF {layout.parent} {leaf.bound}",
        parameters(layout.carries.storage),
        f"TABLESPACE {quote(layout.carries.tablespace)}" if layout.carries.tablespace else "",
    ]
    return " ".join(word for word in words if word)


def _identity(layout: Layout, leaf: Leaf) -> str:
    said = layout.carries.replica_identity
    named = {index.name: index for index in layout.carries.indexes}
    kind = f"USING INDEX {quote(named[said].named(leaf.name).name)}" if said in named else said
    return f"ALTER TABLE {leaf.name} REPLICA IDENTITY {kind}"


def locks_of(table: Table, layout: Layout) -> int:
    """Return how many locks making or dropping the tree of *table* takes, at the most.

    Measured on PostgreSQL 14 and 18: of a leaf its table, its TOAST table with the index of that, and
    its own indexes.
    """
    constraints = sum(isinstance(each, _KEYS) for each in table.constraints)
    indexes = constraints + len(table.indexes) + len(layout.carries.indexes)
    return (len(layout.leaves()) + 1) * (3 + indexes) + _OF_THE_CATALOG


def _refuse_too_many_of(table: Table, connection: Connection | MockConnection, **_: Any) -> None:
    _refuse_too_many(table.metadata, connection, [table])


def _refuse_too_many(
    _: MetaData, connection: Connection | MockConnection, tables: Sequence[Table], **__: Any
) -> None:
    from .declare import layout_of  # noqa: PLC0415 - which installs this

    laid_out = [(table, layout) for table in tables if (layout := layout_of(table)) is not None]
    if not laid_out or not isinstance(connection, Connection):
        return
    needed = sum(locks_of(table, layout) for table, layout in laid_out)
    there = read.lock_room(connection)
    if needed > there:
        names = ", ".join(str(layout.parent) for _, layout in laid_out)
        detail = f"One transaction would take {needed:,} locks for {names}, and the server has room for {there:,}."
        raise LayoutRefused(detail, remedy=_TOO_MANY)


_OF_THE_CATALOG = 20
_KEYS = (PrimaryKeyConstraint, UniqueConstraint, ExcludeConstraint)
_TOO_MANY = (
    "make the tree in a migration, where op.create_partitions() commits in between; or raise "
    "max_locks_per_transaction."
)
