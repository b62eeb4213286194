"""What tells one content of a table from another, whatever the order of its rows: as SQL.

Each row is hashed by the server, and the hashes are summed up; with the number of rows that is the
digest. Three decisions:

- A hash of a row is hashed once more before it is summed. ``hash_record`` is linear in the hashes
  of the columns (src/backend/utils/adt/rowtypes.c), and so is a sum: two rows that swap their
  values of a column would not show (measured).
- What is equal to the server may differ as text: 1.0 and 1.00, 0 and -0, ``1 day`` and
  ``24 hours``, whatever a collation takes for equal. Values of such a type are hashed as text, so
  that an edit shows; only types whose equal values are the same bytes are hashed as they are, and
  jsonb, in which only the trailing zeros of a number do not show: as text it took a third longer.
- A sum, and no exclusive or: that would cancel two equal rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemakit.catalog.backup import SourceColumn
from schemakit.sql.name import Name, quote


def digest(table: Name, columns: Iterable[SourceColumn], *, only: bool, seal: str = "") -> str:
    """Return the SELECT for the number of rows, the sum of their hashes, and the strangers.

    Args:
        table: whose content.
        columns: which ones, in the order in which they count.
        only: not that of its heirs and partitions.
        seal: the transaction that wrote all rows; those that another one wrote are strangers.
    """
    row = ", ".join(map(hashed, columns))
    strange = f"count(*) FILTER (WHERE xmin <> '{int(seal)}'::xid)" if seal else "0"
    one = f"hash_record_extended(ROW({row}), 0)"
    return (
        f"SELECT count(*), coalesce(sum(hashint8extended({one}, 0)::numeric), 0)::text, {strange}"  # noqa: S608 - quoted names
        f" FROM {'ONLY ' if only else ''}{table}"
    )


def hashed(column: SourceColumn) -> str:
    """Return what stands for a value of *column* in the hash of its row."""
    name = quote(column.name)
    if column.exact and not column.own_type:
        return name
    return f'CAST({name} AS text) COLLATE pg_catalog."C"'
