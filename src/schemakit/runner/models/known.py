"""Which layout was declared on a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from schemakit.sql.name import Name

if TYPE_CHECKING:
    from sqlalchemy.sql import FromClause

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


def layout_of(table: FromClause) -> Layout | None:
    """Return the layout that was declared on *table*, None if none was.

    Of a copy of the table (``to_metadata``) it is that of the copy.
    """
    options: Any = getattr(table, "dialect_options", None)
    if options is None or not isinstance(table, Table):
        return None
    found: Layout | None = getattr(options[_DIALECT].get(_OPTION), "layout", None)
    if found is None or found.parent == name_of(table):
        return found
    return replace(found, parent=name_of(table))


def name_of(table: Table) -> Name:
    """Return the name of *table*."""
    return Name(table.name, table.schema)
