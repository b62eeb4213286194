"""Keys laid side by side, as the engines for many keys (`swar`, `vectors`) read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

#: Bytes of a word of lookup3.
WORD = 4
_UUID_TEXT = 36
_UUID_DIGITS = 32


class Rows(NamedTuple):
    """Keys of one length.

    Attributes:
        data: the keys, each padded with NULs to whole words.
        length: of a key without its padding, in bytes.
        size: how many there are.
        unhyphenated: whether *data* holds the 32 digits of UUIDs, to be hashed with their hyphens.
    """

    data: bytes
    length: int
    size: int
    unhyphenated: bool = False

    @property
    def width(self) -> int:
        """Words of a key in *data*."""
        return -(-(_UUID_DIGITS if self.unhyphenated else self.length) // WORD)


def packed(keys: Sequence[bytes], length: int) -> Rows:
    """Lay *keys*, all of *length* bytes, side by side."""
    padding = bytes(-length % WORD)
    return Rows(padding.join(keys) + padding, length, len(keys))


def grouped(keys: Sequence[bytes]) -> Iterator[tuple[list[int], Rows]]:
    """Yield *keys* of each length, and where in *keys* they stand."""
    places: dict[int, list[int]] = {}
    for place, length in enumerate(map(len, keys)):
        if length in places:
            places[length].append(place)
        else:
            places[length] = [place]
    for length, found in places.items():
        yield found, packed([keys[place] for place in found], length)


def text_rows(keys: Sequence[str]) -> Rows | None:
    """Lay *keys* side by side, if they are of one length, all ASCII and without a NUL; else None.

    Raises:
        TypeError: there is one that is no str.
    """
    length = len(keys[0])
    padding = "\0" * (-length % WORD)
    joined = padding.join(keys)
    if not joined.isascii() or list(map(len, keys)).count(length) != len(keys):
        return None
    if joined.count("\0") != len(padding) * (len(keys) - 1) if padding else "\0" in joined:
        return None
    return Rows((joined + padding).encode(), length, len(keys))


def uuid_rows(keys: Sequence[UUID], *, plain: bool) -> Rows:
    """Lay UUIDs side by side, to be hashed as text; they are *plain* if none is of a subclass."""
    digits = uuid_bytes(keys, plain=plain).hex().encode()
    return Rows(digits, _UUID_TEXT, len(keys), unhyphenated=True)


def uuid_bytes(keys: Sequence[UUID], *, plain: bool) -> bytes:
    """Return the 16 bytes of each of *keys*, one after the other."""
    if plain:  # UUID.bytes computes the same, behind a property
        return b"".join([key.int.to_bytes(16, "big") for key in keys])
    return b"".join([key.bytes for key in keys])


def hyphenated(digits: Sequence[Any], every: Callable[[int], Any]) -> Sequence[Any]:
    """Return the words of the text of UUIDs, from those of its digits alone.

    Args:
        digits: its 8 words, each of one or of many keys: an int, a big integer or an array.
        every: makes of a word the same of every key.
    """
    a, b, c, d, e, f, g, h = digits
    return (
        a,
        b,
        every(0x0000002D) | (c & every(0x00FFFFFF)) << 8,
        every(0x00002D00) | (d & every(0x0000FFFF)) << 16 | c >> 24 & every(0x000000FF),
        every(0x002D0000) | (e & every(0x000000FF)) << 24 | d >> 16 & every(0x0000FFFF),
        every(0x2D000000) | e >> 8 & every(0x00FFFFFF),
        f,
        g,
        h,
    )
