"""``PARTITION BY HASH``: from the values of a row to its partition (partbounds.c, partition.h)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from schemakit.errors import HashUnknown, KeyRefused

from .encode import SEED, Encoded, Kind, Weighted, encoded, kind_named
from .scalar import hash64
from .text import checked_modulus, kind_of

#: What `hash_combine64` adds, so that the columns' order matters (src/include/common/hashfn.h).
COMBINER = 0x49A0F4DD15E5A8E3
_MASK = 0xFFFFFFFFFFFFFFFF


def hash_partition(values: Sequence[Any], modulus: int, *, types: Sequence[str]) -> int:
    """Return the remainder that ``PARTITION BY HASH`` gives a row: 0 to *modulus* - 1.

    A partition is declared ``FOR VALUES WITH (MODULUS m, REMAINDER r)``; with partitions of
    several moduli, ask for each one's modulus.

    Args:
        values: of the key's columns, in its order; None is NULL. As asyncpg would take them:
            ``date.max`` and ``datetime.max`` are infinity.
        modulus: 1 to 2**31-1.
        types: the columns' types, as in SQL and without a modifier: ``("text", "int8")``. Of a
            domain, the type below it.

    Raises:
        HashUnknown: it cannot be known outside of the server; the message says why.
        KeyRefused: a column does not take its value; the message names the column.
        ConfigurationError: the modulus is not in that range.
    """
    divisor = checked_modulus(modulus)
    kinds = checked_types(types)
    row = checked_row(values, len(kinds))
    total = 0
    for place, (kind, value) in enumerate(zip(kinds, row, strict=True)):
        if value is not None:
            try:
                found = encoded(kind, value)
            except (HashUnknown, KeyRefused) as error:
                raise placed(error, f"Column {place + 1}, {kind.name}") from None
            total = combined(total, _hash(found))
    return total % divisor


def checked_types(types: Iterable[str]) -> tuple[Kind, ...]:
    """Return what *types* name.

    Raises:
        HashUnknown: there is one whose hash is not known.
        KeyRefused: *types* is one name, or none.
    """
    if isinstance(types, str) or not (names := tuple(types)):
        raise KeyRefused('The types are a tuple of at least one name: ("text",).')
    return _kinds(names)


@lru_cache(maxsize=128)
def _kinds(names: tuple[str, ...]) -> tuple[Kind, ...]:
    return tuple(map(kind_named, names))


def checked_row(values: Iterable[Any], columns: int) -> tuple[Any, ...]:
    """Return *values* as a tuple.

    Raises:
        KeyRefused: it is no row of so many *columns*.
    """
    if isinstance(values, str | bytes | bytearray | Mapping) or not isinstance(values, Iterable):
        raise KeyRefused(f"A row is a tuple of the columns' values: {kind_of(values)} is none.")
    row = tuple(values)
    if len(row) != columns:
        what = "1 column" if columns == 1 else f"{columns} columns"
        values = "1 value" if len(row) == 1 else f"{len(row)} values"
        one = "give one value" if columns == 1 else f"give {columns} values, in the columns' order"
        raise KeyRefused(f"The key has {what}, the row {values}.", remedy=f"{one}, None for NULL.")
    return row


def placed(error: HashUnknown | KeyRefused, place: str) -> HashUnknown | KeyRefused:
    """Return *error* with the *place* in its detail."""
    return type(error)(f"{place}: {error.detail}", remedy=error.remedy)


def hash_value(name: str, value: object) -> int:
    """Return the hash of *value* as the type *name*, unsigned, as partitioning takes it."""
    return _hash(encoded(kind_named(name), value))


def _hash(found: Encoded) -> int:
    if isinstance(found, bytes):
        return hash64(found, SEED)
    if isinstance(found, Weighted):
        return hash64(found.digits, SEED) ^ found.weight
    return found


def combined(total: int, hashed: int) -> int:
    """Return ``hash_combine64(total, hashed)``."""
    return (total ^ hashed + COMBINER + (total << 54) + (total >> 7)) & _MASK
