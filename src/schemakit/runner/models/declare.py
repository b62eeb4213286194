"""`partitioned` and `declare`: a layout on a `Table` or on a mapped class."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, ColumnDefault, Table

from schemakit.errors import LayoutRefused
from schemakit.partitioning.layout import Layout
from schemakit.partitioning.strategies.hash_key import HashKeyLayout
from schemakit.sql.name import MAX_IDENTIFIER_BYTES, Name

from . import mapped, statements, trees
from .fits import check
from .keys import KeyDefault, column_named
from .known import PartitionBy, layout_of, name_of, note, said_of

if TYPE_CHECKING:
    from sqlalchemy import MetaData
    from sqlalchemy.sql import FromClause


def partitioned(layout: Layout, **options: Any) -> dict[str, Any]:
    """Return the options of a `Table` that is laid out by *layout*.

    ::

        class Event(Base):
            __tablename__ = "events"
            __table_args__ = partitioned(layout)  # or (Index(…), partitioned(layout))

        Table("events", metadata, Column(…), **partitioned(layout))

    Args:
        layout: its parent is the table; without a schema, that of the table is taken.
        options: others of the table: ``schema``, ``comment``, …

    Raises:
        LayoutRefused: *layout* is none; or, when the table is made: it does not fit the table. The
            remedy says why.
    """
    _check_is_one(layout)

    def made(table: Table, _: MetaData) -> None:
        declare(table, layout)

    listeners = [*options.pop("listeners", ()), ("after_parent_attach", made)]
    return {**options, "listeners": listeners}


def declare(table: FromClause, layout: Layout) -> Table:
    """Lay *table* out by *layout*: ``create_all`` makes the whole tree of it.

    Of a table with a key column (`HashKeyLayout`) inserts and updates compute the key, and unless
    the layout is not ``checked``, a CHECK has the server refuse a wrong one, whoever writes it.

    Args:
        table: a `Table`, or the ``__table__`` of a mapped class.
        layout: as for `partitioned`.

    Returns:
        The table.

    Raises:
        LayoutRefused: the layout does not fit the table; the remedy says why.
    """
    if not isinstance(table, Table):
        detail = f"{table!r} is no Table."
        raise LayoutRefused(detail, remedy="give a Table, or the __table__ of a mapped class.")
    _check_is_one(layout)
    layout = _placed(table, layout)
    known = layout_of(table)
    if known == layout:
        return table
    _refuse_another(table, known, layout)
    check(table, layout)
    note(table, layout)
    if isinstance(layout, HashKeyLayout):
        _compute(table, layout)
    trees.watch(table)
    return table


def _check_is_one(layout: object) -> None:
    if not isinstance(layout, Layout):
        raise LayoutRefused(
            f"{layout!r} is no layout.",
            remedy='give one: HashLayout(Name("events"), ("id",), types=("int8",), modulus=8).',
        )


def _placed(table: Table, layout: Layout) -> Layout:
    if layout.parent.schema is None:
        layout = replace(layout, parent=Name(layout.parent.name, table.schema))
    if layout.parent != name_of(table):
        detail = f"The layout is one of {layout.parent}, and the table is {name_of(table)}."
        raise LayoutRefused(detail, remedy="give the layout the table's name as its parent.")
    return layout


def _refuse_another(table: Table, known: Layout | None, layout: Layout) -> None:
    by = said_of(table)
    if known is not None:
        detail = f"{name_of(table)} has another layout already."
        raise LayoutRefused(detail, remedy="declare one of them.")
    if by and by != PartitionBy.of(layout):
        detail = f"{name_of(table)} has postgresql_partition_by={by!r} beside the layout."
        raise LayoutRefused(detail, remedy="leave it out: the layout says it.")


def _compute(table: Table, layout: HashKeyLayout) -> None:
    key, source = column_named(table, layout.key), column_named(table, layout.source)
    default = ColumnDefault(KeyDefault(layout, source))
    default._set_parent_with_dispatch(key)  # noqa: SLF001 - how Column(default=…) does it
    name = f"{table.name}_{layout.key}_check"
    fits = len(name.encode()) <= MAX_IDENTIFIER_BYTES
    for condition in layout.checks:
        table.append_constraint(CheckConstraint(condition, name=name if fits else None))
    statements.install()
    mapped.watch()
