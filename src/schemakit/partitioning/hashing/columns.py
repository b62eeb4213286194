"""Many rows at once: `hash_partitions`, block by block and column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from struct import pack
from typing import TYPE_CHECKING, Any, overload
from uuid import UUID

from schemakit.errors import HashUnknown, KeyRefused

from .encode import SEED, Encoded, Kind, Weighted, encoded, folded
from .engines import as_list, blocks, each, engine_for, is_array, vectors
from .native import checked_row, checked_types, placed
from .packing import Rows, text_rows, uuid_bytes
from .scalar import hash64
from .text import checked_modulus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@overload
def hash_partitions(
    rows: NDArray[Any], modulus: int, *, types: Sequence[str]
) -> NDArray[np.int32]: ...
@overload
def hash_partitions(
    rows: Iterable[Sequence[Any]], modulus: int, *, types: Sequence[str]
) -> list[int]: ...
def hash_partitions(
    rows: Iterable[Sequence[Any]] | NDArray[Any], modulus: int, *, types: Sequence[str]
) -> list[int] | NDArray[np.int32]:
    """Return `hash_partition` of each of *rows*, in order.

    Args:
        rows: of tuples, as `hash_partition` takes them: any iterable, which is read block by
            block; or a numpy array, of two dimensions (rows, columns), of one with a field for
            each column, or of one dimension for one column.
        modulus: 1 to 2**31-1.
        types: of the columns, as for `hash_partition`.

    Returns:
        A list; for an array, an array of int32.

    Raises:
        HashUnknown: it cannot be known outside of the server; the message says why and which row.
        KeyRefused: a column does not take a value; the message says which row and column.
        ConfigurationError: the modulus is not in that range.
    """
    divisor = checked_modulus(modulus)
    kinds = checked_types(types)
    if is_array(rows):
        return _of_array(rows, divisor, kinds)
    found: list[int] = []
    for block, first, batch in blocks(rows):
        columns = _columns(block, len(kinds), first)
        found += as_list(_partitions(columns, divisor, kinds, first, batch))
    return found


def _of_array(rows: NDArray[Any], modulus: int, kinds: Sequence[Kind]) -> NDArray[np.int32]:
    engine = vectors()
    columns = engine.array_columns(rows, len(kinds))
    parts = []
    for block, first in engine.array_blocks(*columns):
        parts.append(_partitions(block, modulus, kinds, first, len(rows)))
    found: NDArray[np.int32] = engine.joined(parts)
    return found


def _columns(block: Sequence[Any], count: int, first: int) -> list[Sequence[Any]]:
    """Return the columns of *block*'s rows, which are counted from *first*."""
    rows = []
    for place, row in enumerate(block):
        if type(row) is tuple and len(row) == count:
            rows.append(row)
            continue
        try:
            rows.append(checked_row(row, count))
        except KeyRefused as error:
            raise placed(error, f"Row {first + place}") from None
    return list(zip(*rows, strict=True))


def _partitions(
    columns: Sequence[Any], modulus: int, kinds: Sequence[Kind], first: int, batch: int
) -> Sequence[int]:
    """Return the partitions of the rows with these *columns*, which are counted from *first*."""
    engine = engine_for(len(columns[0]), batch)
    totals = engine.zeros(len(columns[0]))
    for number, (kind, column) in enumerate(zip(kinds, columns, strict=True), 1):
        rows = vectors().column_rows(kind, column) if is_array(column) else None
        if rows is not None:
            totals = engine.combine(totals, engine_for(rows.size, batch).hashes(rows, SEED), None)
            continue
        values = column.tolist() if is_array(column) else column
        places = None
        if any(value is None for value in values):
            places = [place for place, value in enumerate(values) if value is not None]
            values = [values[place] for place in places]
        if values:
            try:
                hashed = _hashes(kind, values, batch)
            except _Unfit as unfit:
                row = first + (unfit.place if places is None else places[unfit.place])
                place = f"Row {row}, column {number}, {kind.name}"
                raise placed(unfit.error, place) from None
            totals = engine.combine(totals, hashed, places)
    found: Sequence[int] = engine.remainders(totals, modulus)
    return found


class _Unfit(Exception):
    """The value at *place* cannot be hashed."""

    def __init__(self, place: int, error: HashUnknown | KeyRefused) -> None:
        super().__init__()
        self.place = place
        self.error = error


def _hashes(kind: Kind, values: Sequence[Any], batch: int) -> Sequence[int]:
    """Return the hashes of *values*, none of which is None."""

    def many(rows: Rows) -> Sequence[int]:
        found: Sequence[int] = engine_for(rows.size, batch).hashes(rows, SEED)
        return found

    rows = _rows(kind, values)
    if rows is not None:
        return many(rows)
    found: list[Encoded] = []
    for value in values:
        try:
            found.append(encoded(kind, value))
        except (HashUnknown, KeyRefused) as error:
            raise _Unfit(len(found), error) from None
    return _hashes_of(found, many)


def _hashes_of(found: Sequence[Encoded], many: Callable[[Rows], Sequence[int]]) -> Sequence[int]:
    data = [_bytes(one) for one in found]
    hashed = as_list(each(data, _hash, many))
    for place, value in enumerate(found):
        if isinstance(value, Weighted):
            hashed[place] ^= value.weight
        elif isinstance(value, int):
            hashed[place] = value
    return hashed


def _hash(data: bytes) -> int:
    return hash64(data, SEED)


def _bytes(found: Encoded) -> bytes:
    if isinstance(found, Weighted):
        return found.digits
    return b"" if isinstance(found, int) else found


def _rows(kind: Kind, values: Sequence[Any]) -> Rows | None:
    """Lay *values* side by side, if they are all of the type that is most usual for *kind*."""
    types = set(map(type, values))
    if kind.size and types == {int}:
        return _integer_rows(kind, values)
    if kind.name == "uuid" and all(issubclass(one, UUID) for one in types):
        return Rows(uuid_bytes(values, plain=types == {UUID}), 16, len(values))
    return text_rows(values) if kind.name == "text" and types == {str} else None


def _integer_rows(kind: Kind, values: Sequence[int]) -> Rows | None:
    lowest, highest = min(values), max(values)
    if lowest < -(1 << 8 * kind.size - 1) or highest >= 1 << 8 * kind.size - 1:
        return None
    if lowest < -(1 << 31) or highest >= 1 << 31:
        return Rows(b"".join(map(folded, values)), 4, len(values))
    return Rows(pack(f"<{len(values)}i", *values), 4, len(values))  # as they are folded
