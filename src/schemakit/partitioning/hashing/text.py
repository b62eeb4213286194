"""Keys that the server hashes as text."""

from __future__ import annotations

from operator import index
from typing import SupportsIndex
from uuid import UUID

from schemakit.errors import ConfigurationError, HashUnknown, KeyRefused

from .scalar import hash32, hash64

#: What is hashed as text: a str in UTF-8, the server's encoded bytes, a UUID as its 36 characters.
Key = str | bytes | UUID

#: The largest int4: a modulus beyond it is none in SQL.
MAX_MODULUS = 2**31 - 1
_TAKE_OUT = "take it out: the server would refuse the row, too."
_GIVE_TEXT = 'give its text, as value::text has it: "5" and not 5, as in key_for("5").'
_encoded = str.encode  # a subclass may encode in a way of its own


def hashtext(value: Key) -> int:
    """Return what the server's ``hashtext(value)`` returns: -2**31 to 2**31-1.

    Args:
        value: a str, which the server is taken to store in UTF-8; or its bytes in another server
            encoding; or a UUID, which is hashed as its text in small letters.

    Raises:
        HashUnknown: it holds a NUL or a lone surrogate, as no text on the server can.
        KeyRefused: it is of another type.
    """
    return hash32(text_bytes(value))


def hashtextextended(value: Key, seed: int) -> int:
    """Return what the server's ``hashtextextended(value, seed)`` returns: -2**63 to 2**63-1.

    Args:
        value: as for `hashtext`.
        seed: an int8.

    Raises:
        HashUnknown: as for `hashtext`.
        KeyRefused: as for `hashtext`.
        ConfigurationError: the seed is no int8.
    """
    if not _is_int8(seed):
        detail = "The seed is no int8."
        raise ConfigurationError(detail, remedy="give an int from -2**63 to 2**63-1.")
    found = hash64(text_bytes(value), seed & 0xFFFFFFFFFFFFFFFF)
    return found - (found >> 63 << 64)


def partition_key(key: Key, modulus: int) -> int:
    """Return ``abs(hashtext(key::text) % modulus)``: 0 to *modulus* - 1.

    It is the same as ``abs(hashtext(key::text)) % modulus``, but for the keys whose hash is
    -2147483648: the server refuses to take ``abs`` of that (22003).

    Args:
        key: as for `hashtext`.
        modulus: 1 to 2**31-1.

    Raises:
        HashUnknown: as for `hashtext`.
        KeyRefused: as for `hashtext`.
        ConfigurationError: the modulus is not in that range.
    """
    return abs(hash32(text_bytes(key))) % checked_modulus(modulus)


def checked_modulus(modulus: SupportsIndex) -> int:
    """Return *modulus* as an int.

    Raises:
        ConfigurationError: it is not from 1 to 2**31-1.
    """
    if type(modulus) is int and 1 <= modulus <= MAX_MODULUS:
        return modulus
    if hasattr(modulus, "__index__") and type(modulus) is not int and type(modulus) is not bool:
        return checked_modulus(int(index(modulus)))  # numpy's
    detail = "The modulus is no int from 1 to 2147483647."
    raise ConfigurationError(detail, remedy="give the number of partitions.")


def _is_int8(value: object) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**63


def text_bytes(value: object) -> bytes:
    """Return the bytes of *value* as text.

    Raises:
        HashUnknown: no text on the server is like that.
        KeyRefused: *value* is no `Key`.
    """
    if isinstance(value, str):
        try:
            data = _encoded(value)
        except UnicodeEncodeError as error:
            detail = f"There is a lone surrogate at position {error.start}: UTF-8 has none."
            raise HashUnknown(detail, remedy=_TAKE_OUT) from None
    elif isinstance(value, bytes):
        data = value
    elif isinstance(value, UUID):
        return UUID.__str__(value).encode()
    else:
        raise KeyRefused(
            f"{kind_of(value)} is hashed as no text: it takes str, bytes or UUID.",
            remedy=_GIVE_TEXT,
        )
    if 0 in data:  # ten times as fast as asking for b"\0"
        detail = f"There is a NUL at byte {data.index(0)}: PostgreSQL's text holds none."
        raise HashUnknown(detail, remedy=_TAKE_OUT)
    return data


def kind_of(value: object) -> str:
    """Return the name of the type of *value*, for a message: the value itself may be a secret."""
    kind = type(value)
    here = kind.__module__ == "builtins"
    return kind.__qualname__ if here else f"{kind.__module__}.{kind.__qualname__}"
