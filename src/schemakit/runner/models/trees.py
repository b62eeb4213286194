"""`metadata.create_all` makes the tree of a declared table, in its one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import DDL, Connection, PrimaryKeyConstraint, UniqueConstraint, event
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from schemakit.catalog import read_trees
from schemakit.ddl.preflight import locks_needed
from schemakit.ddl.trees import leaves_plan
from schemakit.errors import TreeRefused
from schemakit.runner.driver import run_simple
from schemakit.sql.name import Name

from .known import layout_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import MetaData, Table
    from sqlalchemy.engine.mock import MockConnection

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
    layout = layout_of(table)
    if layout is not None:
        send(connection, tree(translated(layout, connection)))


def send(connection: Connection | MockConnection, statements: Iterable[str]) -> None:
    """Send *statements* on *connection*: at once, where it is one of asyncpg."""
    if isinstance(connection, Connection) and connection.dialect.driver == "asyncpg":
        run_simple(connection, ";\n".join(statements))
        return
    for sql in statements:
        connection.execute(DDL(sql.replace("%", "%%")))  # type: ignore[no-untyped-call]  # SQLAlchemy's own


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
    """Yield what makes of a parent without leaves the tree of *layout*."""
    for index in layout.carries.on_parent:
        yield index.create(layout.parent)
    for statement in leaves_plan(layout.parent, layout.leaves(), layout.carries, live=False):
        yield statement.sql


def locks_of(table: Table, layout: Layout) -> int:
    """Return how many locks making or dropping the tree of *table* takes, at the most."""
    constraints = sum(isinstance(each, _KEYS) for each in table.constraints)
    indexes = constraints + len(table.indexes) + len(layout.carries.indexes)
    return locks_needed(len(layout.leaves()) + 1, indexes)


def _refuse_too_many_of(table: Table, connection: Connection | MockConnection, **_: Any) -> None:
    _refuse_too_many(table.metadata, connection, [table])


def _refuse_too_many(
    _: MetaData, connection: Connection | MockConnection, tables: Sequence[Table], **__: Any
) -> None:
    laid_out = [(table, layout) for table in tables if (layout := layout_of(table)) is not None]
    if not laid_out or not isinstance(connection, Connection):
        return
    needed = sum(locks_of(table, layout) for table, layout in laid_out)
    room = read_trees.tree(connection, laid_out[0][1].parent).lock_room
    if needed > room:
        raise TreeRefused(
            f"One transaction would take {needed:,} locks for "
            f"{', '.join(str(layout.parent) for _, layout in laid_out)}, and the server has room "
            f"for {room:,}: max_locks_per_transaction * (max_connections + "
            "max_prepared_transactions).",
            remedy=_TOO_MANY,
        )


_KEYS = (PrimaryKeyConstraint, UniqueConstraint, ExcludeConstraint)
_TOO_MANY = (
    "call create_tree (drop_leaves) instead, which commits every few leaves; or raise "
    "max_locks_per_transaction, which needs a restart."
)
