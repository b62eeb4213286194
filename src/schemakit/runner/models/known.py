"""Which layout was declared on a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from schemakit.sql.name import Name

if TYPE_CHECKING:
    from sqlalchemy.sql import FromClause

    from schemakit.partitioning.layout import Layout

#: Where it stands in ``Table.info``, which copies of the table have as well.
INFO = "schemakit.layout"


def layout_of(table: FromClause) -> Layout | None:
    """Return the layout that was declared on *table*, None if none was.

    Of a copy of the table (``to_metadata``) it is that of the copy.
    """
    info: Any = getattr(table, "info", {})  # a table without a name has none
    found: Layout | None = info.get(INFO)
    if found is None or not isinstance(table, Table) or found.parent == name_of(table):
        return found
    return replace(found, parent=name_of(table))


def name_of(table: Table) -> Name:
    """Return the name of *table*."""
    return Name(table.name, table.schema)
