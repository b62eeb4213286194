"""What tells one content of a table from another, whatever the order of its rows: as SQL.

The values of a row are hashed by the server, each with its column's place as the seed; their
exclusive or is hashed once more, and those hashes are summed up. With the number of rows that is
the digest. The decisions:

- A hash of a row is hashed once more before it is summed. ``hash_record`` is linear in the hashes
  of the columns (src/backend/utils/adt/rowtypes.c), and so is a sum: two rows that swap their
  values of a column would not show (measured).
- What is equal to the server may differ as text: 1.0 and 1.00, 0 and -0, ``1 day`` and
  ``24 hours``, whatever a collation takes for equal. Values of such a type are hashed as text, so
  that an edit shows; only types whose equal values are the same bytes are hashed as they are. The
  hash of a jsonb tells neither trailing zeros nor where its arrays and objects end, and is a third
  cheaper than its text: it does where a seal tells besides whether any row was written.
- That text is the output function's, by format(): a CAST may be one that users have made, and of a
  char(n) it leaves out the blanks.
- The hash of a bigint folds it to 32 bits: 1 is 4294967296. With itself in the seed all 64 count.
  (That of a row is folded, too: an edit of one is missed in one of four billion.)
- Where SQL can call a type's hash function, it is called: to make a record of the values first
  took a tenth longer. PostgreSQL 17 and older have none that takes a timestamptz, a date or a
  boolean; a record of that one value has the same hash, so that a digest survives pg_upgrade.
- A sum over the rows, and no exclusive or: that would cancel two equal rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemakit.catalog.backup import SourceColumn
from schemakit.sql.name import Name, quote

from .textual import as_text


def digest(
    table: Name,
    columns: Iterable[SourceColumn],
    *,
    only: bool,
    seal: str = "",
    sealed: bool = False,
) -> str:
    """Return the SELECT for the number of rows, the sum of their hashes, and the strangers.

    Args:
        table: whose content.
        columns: which ones, in the order in which they count.
        only: not that of its heirs and partitions.
        seal: the transaction that wrote all rows; those that another one wrote are strangers.
        sealed: whether the content had a seal when it was written.
    """
    hashes = [hashed(each, place, sealed=sealed) for place, each in enumerate(columns, 1)]
    row = " OPERATOR(pg_catalog.#) ".join(hashes) or "0"
    strange = f"count(*) FILTER (WHERE xmin <> '{int(seal)}'::xid)" if seal else "0"
    return (
        f"SELECT count(*), coalesce(sum(pg_catalog.hashint8extended({row}, 0)), 0)::text, {strange}"  # noqa: S608 - quoted names
        f" FROM {'ONLY ' if only else ''}{table}"
    )


def hashed(column: SourceColumn, seed: int, *, sealed: bool) -> str:
    """Return the hash of a value of *column*, as SQL; of NULL it is 0."""
    name = quote(column.name)
    if not column.exact or column.own_type or (column.type == "jsonb" and not sealed):
        text = f'{as_text(name)} COLLATE pg_catalog."C"'
        return f"coalesce(pg_catalog.hashtextextended({text}, {seed}), 0)"
    if column.type == "bigint":
        return f"coalesce(pg_catalog.hashint8extended({name}, {name} # {seed}), 0)"
    if column.hash:
        return f"coalesce({column.hash}({name}, {seed}), 0)"
    return f"pg_catalog.hash_record_extended(ROW({name}), {seed})"
