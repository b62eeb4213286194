"""lookup3 on many keys at once, with numpy. Imported only where numpy is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemakit.errors import KeyRefused

from .encode import Kind
from .engines import BLOCK
from .native import COMBINER
from .packing import WORD, Rows, hyphenated
from .scalar import BLOCK as MIXED
from .swar import start

Words = NDArray[np.uint32]
Hashes = NDArray[np.uint64]

#: Keys that are hashed together: what is known of them stays in the processor's caches.
_KEYS = 16384
_TURNS = {
    bits: (np.uint32(bits), np.uint32(32 - bits)) for bits in (4, 6, 8, 11, 14, 16, 19, 24, 25)
}
_EIGHT = np.uint32(8)
_HALF = np.uint64(32)
_COMBINER = np.uint64(COMBINER)
_UP = np.uint64(54)
_DOWN = np.uint64(7)
_LAST_ASCII = 127


class _State(NamedTuple):
    """lookup3's three words of many keys, and room to compute in."""

    a: Words
    b: Words
    c: Words
    left: Words
    right: Words

    @classmethod
    def of(cls, count: int) -> _State:
        return cls(*np.empty((5, count), np.uint32))

    def first(self, count: int) -> _State:
        return self if count == len(self.a) else _State(*(each[:count] for each in self))

    def turned(self, word: Words, bits: int) -> Words:
        """Return *word* rotated to the left; it is gone with the next call."""
        left, right = _TURNS[bits]
        np.left_shift(word, left, self.left)
        np.right_shift(word, right, self.right)
        return np.bitwise_or(self.left, self.right, self.left)


def residues(rows: Rows, modulus: int) -> Words:
    """Return ``abs(hash32(row) % modulus)`` of each of *rows*."""
    found = np.empty(rows.size, np.uint32)
    divisor = np.uint32(modulus)
    for first, state in _hashed(rows, 0):
        part = found[first : first + len(state.c)]
        # numpy's abs of -2**31 is -2**31, which unsigned is what it should be.
        np.absolute(state.c.view(np.int32), part.view(np.int32))
        np.floor_divide(part, divisor, state.left)  # numpy divides by one number faster
        np.multiply(state.left, divisor, state.left)  # than it takes remainders
        np.subtract(part, state.left, part)
    return found


def hashes(rows: Rows, seed: int) -> Hashes:
    """Return ``hash64(row, seed)`` of each of *rows*."""
    found = np.empty(rows.size, np.uint64)
    for first, state in _hashed(rows, seed):
        part = found[first : first + len(state.c)]
        part[:] = state.b
        part <<= _HALF
        part |= state.c
    return found


def zeros(count: int) -> Hashes:
    """Return what the hashes of *count* rows' columns are combined into."""
    return np.zeros(count, np.uint64)


def combine(totals: Hashes, hashed: Sequence[int] | Hashes, places: Sequence[int] | None) -> Hashes:
    """Return *totals* with the hashes of a column; *places* are of those that are not NULL."""
    there = slice(None) if places is None else np.array(places, np.intp)
    before = totals[there]
    added = np.asarray(hashed, np.uint64) + _COMBINER
    added += before << _UP
    added += before >> _DOWN
    totals[there] = before ^ added
    return totals


def remainders(totals: Hashes, modulus: int) -> Hashes:
    """Return what is left of each of *totals*."""
    return totals % np.uint64(modulus)


def array_blocks(*columns: NDArray[Any]) -> Iterator[tuple[tuple[NDArray[Any], ...], int]]:
    """Yield block after block of the *columns*, and the place of its first row."""
    for first in range(0, len(columns[0]), BLOCK):
        yield tuple(column[first : first + BLOCK] for column in columns), first


def array_columns(rows: NDArray[Any], count: int) -> list[NDArray[Any]]:
    """Return the *count* columns of *rows*.

    Raises:
        KeyRefused: it has no or other columns.
    """
    names = rows.dtype.names
    if rows.ndim == 1 and names is not None and len(names) == count:
        return [rows[name] for name in names]
    if rows.ndim == 1 and names is None and count == 1:
        return [rows]
    if rows.ndim == 2 and rows.shape[1] == count:  # noqa: PLR2004 - rows and columns
        return [rows[:, place] for place in range(count)]
    raise KeyRefused(f"An array of shape {rows.shape} is none of rows of {count} columns.")


def key_column(keys: NDArray[Any]) -> NDArray[Any]:
    """Return *keys*, an array of one dimension.

    Raises:
        KeyRefused: it has another number of them.
    """
    if keys.ndim != 1:
        raise KeyRefused(f"An array of shape {keys.shape} is none of keys: it takes one dimension.")
    return keys


def column_rows(kind: Kind, column: NDArray[Any]) -> Rows | None:
    """Lay the values of *column* side by side, if they are what numpy has for *kind*; else None."""
    if kind.name == "text":
        return text_rows(column)
    if not kind.size or column.dtype.kind not in "iu" or _is_masked(column):
        return None
    limit = 1 << 8 * kind.size - 1
    if int(column.min()) < -limit or int(column.max()) >= limit:
        return None
    values = column.astype(np.int64)
    upper = values >> 32
    folded = values ^ np.where(values < 0, ~upper, upper)
    return Rows(folded.astype("<u4").tobytes(), WORD, len(column))


def text_rows(keys: NDArray[Any]) -> Rows | None:
    """Lay *keys* side by side, if they are ASCII, of one length and without a NUL; else None."""
    if keys.dtype.kind not in "US" or not keys.dtype.isnative or _is_masked(keys):
        return None
    width = np.dtype(np.uint32 if keys.dtype.kind == "U" else np.uint8)
    length = keys.dtype.itemsize // width.itemsize
    if not length:
        return None
    characters = np.ascontiguousarray(keys).view(width).reshape(len(keys), length)
    if not characters.all() or int(characters.max()) > _LAST_ASCII:
        return None
    data = np.zeros((len(keys), -(-length // WORD) * WORD), np.uint8)
    data[:, :length] = characters
    return Rows(data.tobytes(), length, len(keys))


def joined(parts: Sequence[Any]) -> NDArray[np.int32]:
    """Return the partitions of all blocks as one array."""
    return np.concatenate([np.zeros(0, np.int32), *parts]).astype(np.int32)


def _is_masked(values: NDArray[Any]) -> bool:
    return isinstance(values, np.ma.MaskedArray)


def _hashed(rows: Rows, seed: int) -> Iterator[tuple[int, _State]]:
    """Yield where a block of *rows* begins, and lookup3's state after it, which it may spoil."""
    words = np.frombuffer(rows.data, np.dtype("<u4")).reshape(rows.size, rows.width)
    begin = start(rows.length, seed)
    state = _State.of(min(rows.size, _KEYS))
    for first in range(0, rows.size, _KEYS):
        block = words[first : first + _KEYS]
        part = state.first(len(block))
        for word, value in zip((part.a, part.b, part.c), begin, strict=True):
            word.fill(value)
        columns = hyphenated(list(block.T), np.uint32) if rows.unhyphenated else block.T
        _lookup3(part, columns, rows.length)
        yield first, part


def _lookup3(state: _State, words: Sequence[Words] | Words, length: int) -> None:
    a, b, c, left, _ = state
    whole = length // MIXED * (MIXED // WORD)
    for place in range(0, whole, MIXED // WORD):
        for word, more in zip((a, b, c), words[place:], strict=False):
            np.add(word, more, word)
        _mix(state)
    rest = words[whole:]
    for word, more in zip((a, b), rest, strict=False):
        np.add(word, more, word)
    if len(rest) > 2:  # noqa: PLR2004 - the third word
        np.add(c, np.left_shift(rest[2], _EIGHT, left), c)
    _finish(state)


def _mix(state: _State) -> None:
    a, b, c, *_ = state
    for x, y, z, bits in ((a, c, b, 4), (b, a, c, 6), (c, b, a, 8),
                          (a, c, b, 16), (b, a, c, 19), (c, b, a, 4)):  # fmt: skip
        np.subtract(x, y, x)
        np.bitwise_xor(x, state.turned(y, bits), x)
        np.add(y, z, y)


def _finish(state: _State) -> None:
    a, b, c, *_ = state
    for x, y, bits in ((c, b, 14), (a, c, 11), (b, a, 25), (c, b, 16), (a, c, 4), (b, a, 14),
                       (c, b, 24)):  # fmt: skip
        np.bitwise_xor(x, y, x)
        np.subtract(x, state.turned(y, bits), x)
