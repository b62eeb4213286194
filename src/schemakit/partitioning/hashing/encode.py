"""From a value to the bytes that the server hashes, for each type that it may be partitioned by.

What a value means is what asyncpg makes of it: ``date.max`` and ``datetime.max`` are infinity.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from operator import index
from struct import pack, unpack
from typing import NamedTuple
from uuid import UUID

from schemakit.errors import HashUnknown, KeyRefused

from .text import kind_of, text_bytes

#: HASH_PARTITION_SEED (src/include/catalog/partition.h).
SEED = 0x7A5B22367996DCFD
_NAN = bytes.fromhex("000000000000f87f")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)([0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}")

_DAY_ZERO = date(2000, 1, 1).toordinal()
_NAIVE_ZERO = datetime(2000, 1, 1)  # noqa: DTZ001 - a timestamp without a zone
_AWARE_ZERO = datetime(2000, 1, 1, tzinfo=UTC)
#: datetime.max and .min, in microseconds since 2000, and what asyncpg sends for them.
_INFINITIES = {252455615999999999: 2**63 - 1, -63082281600000000: -(2**63)}

#: Powers of 10,000 and decimals that a numeric may have (NUMERIC_WEIGHT_MAX, NUMERIC_DSCALE_MAX).
_MOST_WEIGHT = 0x7FFF
_MOST_SCALE = 0x3FFF


class Weighted(NamedTuple):
    """A numeric: the hash of its digits, ``^`` their weight."""

    digits: bytes
    weight: int


#: The bytes to hash; or a numeric; or the hash itself, of what is not hashed at all.
Encoded = bytes | Weighted | int


@dataclass(frozen=True, slots=True)
class Kind:
    """A type that may be a partition key.

    Attributes:
        name: as the server has it.
        encode: returns what is hashed of a value.
        size: bytes of an integer; 0 of any other type.
    """

    name: str
    encode: Callable[[object], Encoded]
    size: int = 0


def encoded(kind: Kind, value: object) -> Encoded:
    """Return what is hashed of *value*, a scalar of numpy's too.

    Raises:
        KeyRefused: a column of that kind does not take it.
        HashUnknown: no value on the server is like it.
    """
    try:
        return kind.encode(value)
    except KeyRefused:
        if getattr(value, "shape", None) != () or not hasattr(value, "item"):
            raise
    return kind.encode(value.item())


def _refused(value: object, takes: str) -> KeyRefused:
    return KeyRefused(f"It takes {takes}, and this is {kind_of(value)}.")


def _blank_padded(value: object) -> bytes:
    return text_bytes(value).rstrip(b" ")


def _bytea(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise _refused(value, "bytes")


def _uuid(value: object) -> bytes:
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, str):
        if _UUID.fullmatch(value):
            return bytes.fromhex(value.replace("-", ""))
        raise KeyRefused("This str is no UUID.")
    raise _refused(value, "UUID, or str as 8-4-4-4-12 hexadecimal digits")


def _boolean(value: object) -> bytes:
    if isinstance(value, bool):
        return pack("<I", value)
    raise _refused(value, "bool")


def _integer(bits: int) -> Callable[[object], bytes]:
    limit = 1 << bits - 1

    def encode(value: object) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _refused(value, "int")
        if not -limit <= value < limit:
            raise KeyRefused(f"This int does not fit into {bits} bits.")
        return folded(index(value))

    return encode


def folded(value: int) -> bytes:
    """Return what is hashed of an int8: one word, such that equal int2, int4 and int8 agree."""
    upper = value >> 32
    return pack("<I", (value ^ (upper if value >= 0 else ~upper)) & 0xFFFFFFFF)


def _numeric(value: object) -> Encoded:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _refused(value, "Decimal or int")
    number = Decimal(value)
    if not number.is_finite():
        return SEED
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - it is, of what is finite
    whole = "".join(map(str, digits)).lstrip("0")
    if not whole:
        return SEED - 1
    whole += "0" * (exponent % 4)  # the point stands between two digits of base 10,000
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    weight = len(whole) // 4 - 1 + exponent // 4
    if weight > _MOST_WEIGHT or -exponent > _MOST_SCALE:
        raise KeyRefused("This number has more digits than a numeric can.")
    groups = [int(whole[place : place + 4]) for place in range(0, len(whole), 4)]
    while not groups[-1]:
        del groups[-1]
    return Weighted(pack(f"<{len(groups)}h", *groups), weight & 0xFFFFFFFFFFFFFFFF)


def _double(value: object) -> Encoded:
    return _floating(_float(value))


def _single(value: object) -> Encoded:
    number = _float(value)
    try:
        (stored,) = unpack("<f", pack("<f", number))
    except OverflowError:
        raise KeyRefused("This number does not fit into float4.") from None
    return _floating(stored)


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(value, "float or int")
    try:
        return float(value)
    except OverflowError:
        raise KeyRefused("This int does not fit into float8.") from None


def _floating(number: float) -> Encoded:
    if not number:
        return SEED  # 0 and -0 are equal
    return _NAN if math.isnan(number) else pack("<d", number)


def _date(value: object) -> bytes:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _refused(value, "date")
    if value == date.max:
        return pack("<i", 2**31 - 1)
    if value == date.min:
        return pack("<i", -(2**31))
    return pack("<i", value.toordinal() - _DAY_ZERO)


def _time(value: object) -> bytes:
    if not isinstance(value, time):
        raise _refused(value, "time")
    if value.tzinfo is not None:
        raise KeyRefused("It takes a time without a zone, and this one has one.")
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return folded(seconds * 1_000_000 + value.microsecond)


def _timestamp(value: object) -> bytes:
    if not isinstance(value, datetime):
        raise _refused(value, "datetime")
    if value.tzinfo is not None:
        raise KeyRefused("It takes a datetime without a zone, and this one has one.")
    return _moment(value, _NAIVE_ZERO)


def _timestamptz(value: object) -> bytes:
    if not isinstance(value, datetime):
        raise _refused(value, "datetime")
    if value.utcoffset() is None:
        raise KeyRefused("It takes a datetime with a zone, and this one has none.")
    return _moment(value, _AWARE_ZERO)


def _moment(value: datetime, zero: datetime) -> bytes:
    since = value - zero
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return folded(_INFINITIES.get(microseconds, microseconds))


_KINDS = {
    Kind("text", text_bytes): ("varchar", "character varying"),
    Kind("bpchar", _blank_padded): ("char", "character"),
    Kind("uuid", _uuid): (),
    Kind("bytea", _bytea): (),
    Kind("int2", _integer(16), 2): ("smallint",),
    Kind("int4", _integer(32), 4): ("int", "integer"),
    Kind("int8", _integer(64), 8): ("bigint",),
    Kind("numeric", _numeric): ("decimal",),
    Kind("float4", _single): ("real",),
    Kind("float8", _double): ("double precision", "float"),
    Kind("bool", _boolean): ("boolean",),
    Kind("date", _date): (),
    Kind("time", _time): ("time without time zone",),
    Kind("timestamp", _timestamp): ("timestamp without time zone",),
    Kind("timestamptz", _timestamptz): ("timestamp with time zone",),
}
_NAMED = {name: kind for kind, others in _KINDS.items() for name in (kind.name, *others)}

#: The names that `hash_partition` takes for a type.
TYPES = frozenset(_NAMED)
#: Types are neither Python's nor SQLAlchemy's.
NAME_A_TYPE = 'types are named as in SQL: "uuid", "text", "int8"; docs/hashing.md lists them.'


@cache
def kind_named(name: str) -> Kind:
    """Return the type *name*, which is spelled as in SQL.

    Raises:
        HashUnknown: it is not known how the server hashes it; the message says why.
        KeyRefused: *name* is no str.
    """
    if not isinstance(name, str):
        raise KeyRefused(f"The type {name!r} is no name.", remedy=NAME_A_TYPE)
    plain = " ".join(name.lower().removeprefix("pg_catalog.").split())
    if plain in _NAMED:
        return _NAMED[plain]
    if "(" in plain:
        raise HashUnknown(
            f"{name!r} has a modifier, by which the server may round or cut what it stores.",
            remedy="name the type without it, and give the values as they are stored.",
        )
    raise HashUnknown(
        f"Of the type {name!r} the hash is not known. An enum is hashed by the OIDs of its labels, "
        "which differ from database to database; citext and other extensions bring hash functions "
        f"of their own. Known are {', '.join(sorted(kind.name for kind in _KINDS))}."
    )
