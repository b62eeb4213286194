"""PostgreSQL's ``hash_bytes`` for one key: Bob Jenkins' lookup3 (src/common/hashfn.c).

The server reads a key as little-endian words; one on a big-endian machine hashes differently,
which `verify_server` finds out.
"""

from __future__ import annotations

from struct import Struct

#: The state begins with the golden ratio, lookup3's own, plus the length, plus PostgreSQL's number.
INITIAL = 0x9E3779B9 + 3923095
#: Bytes that are mixed in at once: three words.
BLOCK = 12

_SEED = Struct("<3I")
_WORDS = _SEED.unpack
_BLOCKS = _SEED.iter_unpack


def hash32(data: bytes) -> int:
    """Return ``hash_bytes(data)`` as the signed int4 that SQL shows."""
    _, c = _lookup3(data, len(data))
    return (c ^ 0x80000000) - 0x80000000


def hash64(data: bytes, seed: int) -> int:
    """Return ``hash_bytes_extended(data, seed)``, unsigned.

    Args:
        data: what to hash.
        seed: 0 to 2**64-1. One other than 0 is mixed in as if a block of its two halves and a
            zero stood before *data*.
    """
    prefix = _SEED.pack(seed >> 32, seed & 0xFFFFFFFF, 0) if seed else b""
    b, c = _lookup3(prefix + data, len(data))
    return b << 32 | c


def _lookup3(data: bytes, length: int, mask: int = 0xFFFFFFFF) -> tuple[int, int]:
    """Return the last two words of lookup3's state.

    An integer here may be too large or negative until something shifts it to the right, which is
    when it is masked. The sums of shifted halves are rotations.
    """
    whole = len(data) // BLOCK * BLOCK
    a = b = c = INITIAL + length
    for x, y, z in _BLOCKS(data[:whole]):
        a += x
        b += y
        c = c + z & mask
        a = (a - c) ^ (c << 4) + (c >> 28)
        c += b
        a &= mask
        b = (b - a) ^ (a << 6) + (a >> 26)
        a += c
        b &= mask
        c = (c - b) ^ (b << 8) + (b >> 24)
        b += a
        c &= mask
        a = (a - c) ^ (c << 16) + (c >> 16)
        c += b
        a &= mask
        b = (b - a) ^ (a << 19) + (a >> 13)
        a += c
        b &= mask
        c = (c - b) ^ (b << 4) + (b >> 28)
        b += a
    x, y, z = _WORDS(data[whole:].ljust(BLOCK, b"\0"))
    a += x
    b = b + y & mask
    c += z << 8  # its lowest byte is reserved for the length
    c = (c ^ b) - (b << 14) - (b >> 18) & mask
    a = (a ^ c) - (c << 11) - (c >> 21) & mask
    b = (b ^ a) - (a << 25) - (a >> 7) & mask
    c = (c ^ b) - (b << 16) - (b >> 16) & mask
    a = (a ^ c) - (c << 4) - (c >> 28) & mask
    b = (b ^ a) - (a << 14) - (a >> 18) & mask
    return b, (c ^ b) - (b << 24) - (b >> 8) & mask
