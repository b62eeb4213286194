"""lookup3 on many keys at once, with the standard library alone: one big integer for all of them.

A big integer holds one 32-bit word of every key, each in a lane of its own, and ``+ - ^ << >> &``
of two such integers do for all lanes what lookup3 does for one key (SIMD within a register; Warren,
Hacker's Delight, 2-18). No carry may leave its lane: the highest bits, which have nobody to carry
to, are added without (``^``), the others below them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from struct import unpack
from typing import NamedTuple

from .native import combined
from .packing import WORD, Rows, hyphenated
from .scalar import BLOCK, INITIAL

#: Keys in one integer, at most: larger ones fall out of the processor's nearest caches.
_MOST = 2048
_WORD = 0xFFFFFFFF
_HIGH = 0x80000000
_TURNS = (4, 6, 8, 11, 14, 16, 19, 24, 25)

#: lookup3's three words, of every key.
State = tuple[int, int, int]


class _Lanes(NamedTuple):
    """Constants for so many keys side by side.

    Attributes:
        size: how many; a power of two, from 2.
        ones: a 1 in each lane.
        low: all bits of each lane but the highest.
        high: the highest.
        even: the lanes at even places.
        turns: for a rotation by so many bits, those that stay in the lane and those that come.
    """

    size: int
    ones: int
    low: int
    high: int
    even: int
    turns: dict[int, tuple[int, int]]

    @classmethod
    def of(cls, count: int) -> _Lanes:
        ones = int.from_bytes(b"\1\0\0\0" * count, "little")
        pairs = int.from_bytes(b"\1\0\0\0\0\0\0\0" * (count // 2), "little")
        turns = {bits: (ones * (_WORD >> bits), ones * ((1 << bits) - 1)) for bits in _TURNS}
        return cls(count, ones, ones * (_HIGH - 1), ones * _HIGH, pairs * _WORD, turns)

    def every(self, word: int) -> int:
        return self.ones * word

    def plus(self, x: int, y: int) -> int:
        return (x & self.low) + (y & self.low) ^ (x ^ y) & self.high

    def halves(self, words: int) -> tuple[int, int]:
        """Return the words at even places and those at odd ones, each in a lane of 64 bits."""
        return words & self.even, words >> 32 & self.even


_lanes = lru_cache(maxsize=16)(_Lanes.of)


class _Division(NamedTuple):
    """Division of up to 2**31 by *modulus*, as a multiplication and a shift (Granlund, Montgomery).

    ``factor`` is 2**shift / modulus rounded up, so n * factor / 2**shift is too large by less than
    n / 2**shift <= 1 / modulus, and its whole part is that of n / modulus.
    """

    modulus: int
    factor: int
    shift: int

    @classmethod
    def by(cls, modulus: int) -> _Division:
        shift = 31 + (modulus - 1).bit_length()
        return cls(modulus, -(-(1 << shift) // modulus), shift)

    def remainders(self, hashes: int, lanes: _Lanes) -> int:
        """Return abs(hash) % modulus of int4s in lanes of 64 bits, which hold the product."""
        ones = lanes.even & lanes.ones
        negative = hashes >> 31 & ones
        whole = (hashes ^ (negative << 32) - negative) + negative
        quotients = whole * self.factor >> self.shift & ones * ((1 << 64 - self.shift) - 1)
        return whole - quotients * self.modulus


def residues(rows: Rows, modulus: int) -> list[int]:
    """Return ``abs(hash32(row) % modulus)`` of each of *rows*."""
    division = _Division.by(modulus)
    found: list[int] = []
    for size, lanes, (_, c) in _hashed(rows, 0):
        even, odd = (division.remainders(half, lanes) for half in lanes.halves(c))
        data = (even | odd << 32).to_bytes(WORD * lanes.size, "little")
        found += unpack(f"<{lanes.size}I", data)[:size]
    return found


def hashes(rows: Rows, seed: int) -> list[int]:
    """Return ``hash64(row, seed)`` of each of *rows*."""
    found: list[int] = []
    for size, lanes, (b, c) in _hashed(rows, seed):
        block = [0] * lanes.size
        for place, (upper, lower) in enumerate(zip(lanes.halves(b), lanes.halves(c), strict=True)):
            data = (upper << 32 | lower).to_bytes(WORD * lanes.size, "little")
            block[place::2] = unpack(f"<{lanes.size // 2}Q", data)
        found += block[:size]
    return found


def zeros(count: int) -> list[int]:
    """Return what the hashes of *count* rows' columns are combined into."""
    return [0] * count


def combine(totals: list[int], hashed: Sequence[int], places: Sequence[int] | None) -> list[int]:
    """Return *totals* with the hashes of a column; *places* are of those that are not NULL."""
    if places is None:
        return list(map(combined, totals, hashed))
    for place, value in zip(places, hashed, strict=True):
        totals[place] = combined(totals[place], value)
    return totals


def remainders(totals: Sequence[int], modulus: int) -> list[int]:
    """Return what is left of each of *totals*."""
    return [total % modulus for total in totals]


def start(length: int, seed: int) -> State:
    """Return lookup3's state before the first byte of a key of *length* bytes."""
    begin = INITIAL + length & _WORD
    if not seed:
        return begin, begin, begin
    a, b = begin + (seed >> 32) & _WORD, begin + seed & _WORD
    a, b, c = _mixed(a, b, begin, _lanes(2))
    return a & _WORD, b & _WORD, c & _WORD


def _hashed(rows: Rows, seed: int) -> Iterator[tuple[int, _Lanes, tuple[int, int]]]:
    """Yield the last two words of lookup3 for block after block of *rows*, and its size."""
    begin = start(rows.length, seed)
    width = rows.width
    for first in range(0, rows.size, _MOST):
        size = min(rows.size - first, _MOST)
        lanes = _lanes(max(2, 1 << (size - 1).bit_length()))
        block = array("I", rows.data[WORD * width * first : WORD * width * (first + size)])
        words: Sequence[int] = [
            int.from_bytes(block[place::width], "little") for place in range(width)
        ]
        if rows.unhyphenated:
            words = hyphenated(words, lanes.every)
        yield size, lanes, _lookup3(words, rows.length, begin, lanes)


def _lookup3(words: Sequence[int], length: int, begin: State, lanes: _Lanes) -> tuple[int, int]:
    a, b, c = map(lanes.every, begin)
    whole = length // BLOCK * (BLOCK // WORD)
    for place in range(0, whole, BLOCK // WORD):
        a = lanes.plus(a, words[place])
        b = lanes.plus(b, words[place + 1])
        c = lanes.plus(c, words[place + 2])
        a, b, c = _mixed(a, b, c, lanes)
    x, y, z = (*words[whole:], 0, 0, 0)[:3]
    return _last(lanes.plus(a, x), lanes.plus(b, y), lanes.plus(c, z << 8), lanes)


def _mixed(a: int, b: int, c: int, lanes: _Lanes) -> State:
    a, c = _mix(a, c, b, 4, lanes)
    b, a = _mix(b, a, c, 6, lanes)
    c, b = _mix(c, b, a, 8, lanes)
    a, c = _mix(a, c, b, 16, lanes)
    b, a = _mix(b, a, c, 19, lanes)
    c, b = _mix(c, b, a, 4, lanes)
    return a, b, c


def _last(a: int, b: int, c: int, lanes: _Lanes) -> tuple[int, int]:
    c = _finish(c, b, 14, lanes)
    a = _finish(a, c, 11, lanes)
    b = _finish(b, a, 25, lanes)
    c = _finish(c, b, 16, lanes)
    a = _finish(a, c, 4, lanes)
    b = _finish(b, a, 14, lanes)
    return b, _finish(c, b, 24, lanes)


def _mix(x: int, y: int, z: int, turn: int, lanes: _Lanes) -> tuple[int, int]:
    """Return ``(x - y) ^ rotated(y, turn)`` and ``y + z``."""
    _, _, low, high, _, turns = lanes
    stay, come = turns[turn]
    lower = y & low
    difference = (x | high) - lower ^ (x ^ y) & high ^ high
    x = difference ^ ((y & stay) << turn | y >> 32 - turn & come)
    return x, lower + (z & low) ^ (y ^ z) & high


def _finish(x: int, y: int, turn: int, lanes: _Lanes) -> int:
    """Return ``(x ^ y) - rotated(y, turn)``."""
    _, _, low, high, _, turns = lanes
    stay, come = turns[turn]
    x ^= y
    y = (y & stay) << turn | y >> 32 - turn & come
    return (x | high) - (y & low) ^ (x ^ y) & high ^ high
