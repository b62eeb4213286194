"""Which layout was declared on a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import FromClause

from schemakit.errors import LayoutRefused
from schemakit.sql.name import Name

if TYPE_CHECKING:
    from schemakit.partitioning.layout import Layout

_DIALECT, _OPTION = "postgresql", "partition_by"
_BY = "PARTITION BY "


class PartitionBy(str):  # noqa: SLOT000 - it has an attribute, and there are few of them
    """The table's ``postgresql_partition_by``, which knows the layout that it is of.

    Not in ``Table.info``: Alembic would write that into revisions.
    """

    layout: Layout

    @classmethod
    def of(cls, layout: Layout) -> PartitionBy:
        """Return that of *layout*."""
        made = cls(layout.partition_by.removeprefix(_BY))
        made.layout = layout
        return made


def note(table: Table, layout: Layout) -> None:
    """Have *table* laid out by *layout*."""
    table.dialect_options[_DIALECT][_OPTION] = PartitionBy.of(layout)


def said_of(table: Table) -> str | None:
    """Return the ``postgresql_partition_by`` of *table*."""
    found: str | None = table.dialect_options[_DIALECT].get(_OPTION)
    return found


def layout_of(table: FromClause | type) -> Layout | None:
    """Return the layout that was declared on *table*, None if none was.

    Of a copy of the table (``to_metadata``) it is that of the copy.

    Args:
        table: a `Table` or a mapped class; what else is selected from has no layout.

    Raises:
        LayoutRefused: it is neither.
    """
    given = table if isinstance(table, FromClause) else table_of(table)
    if given is None:
        detail = f"{table!r} is no Table, and no mapped class."
        raise LayoutRefused(detail, remedy="give one of the two: layout_of(Event).")
    if not isinstance(given, Table):
        return None
    found: Layout | None = getattr(said_of(given), "layout", None)
    if found is None or found.parent == name_of(given):
        return found
    return replace(found, parent=name_of(given))


def table_of(given: object) -> FromClause | None:
    """Return the `Table` that *given* is, or that it is mapped to; None if it is neither."""
    if isinstance(given, Table):
        return given
    if not isinstance(given, type):
        return None
    table: Any = getattr(given, "__table__", None)
    if table is None:
        mapper: Any = inspect(given, raiseerr=False)
        table = mapper.local_table if isinstance(mapper, Mapper) else None  # mapped imperatively
    return table if isinstance(table, FromClause) else None


def name_of(table: Table) -> Name:
    """Return the name of *table*."""
    return Name(table.name, table.schema)
