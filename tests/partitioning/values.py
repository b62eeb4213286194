"""Random values of every type that the calculator knows, as asyncpg takes them."""

import datetime as dt
import struct
from decimal import Decimal
from uuid import UUID

#: ASCII, control characters, combining ones, two to four bytes of UTF-8, and its extremes.
ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz0123456789-",
    "".join(map(chr, range(1, 128))),
    "aé\u0301ßñ\u07ff\u0080",
    "漢字仮名\u0800\uffff\ufeff",
    "😀🎉\U00010000\U0010ffff",
    "aé漢😀 ",
)
_DAYS = dt.date.max.toordinal()
_ZONES = [dt.UTC, *(dt.timezone(dt.timedelta(minutes=minutes)) for minutes in (-719, 330, 765))]


def text(random, longest=100):
    alphabet = random.choice(ALPHABETS)
    return "".join(random.choices(alphabet, k=random.randint(0, longest)))


def uuid(random):
    return UUID(int=random.getrandbits(128) >> random.choice((0, 0, 0, 64, 120, 128)))


def integer(bits):
    def make(random):
        limit = 1 << bits - 1
        if not random.randrange(8):
            return random.choice((0, 1, -1, limit - 1, -limit))
        return random.randint(-limit, limit - 1) >> random.randrange(bits)

    return make


def numeric(random):
    if not random.randrange(16):
        return Decimal(random.choice(("0", "-0", "0.000", "NaN", "Infinity", "-Infinity", "1E+40")))
    digits = random.randrange(10 ** random.randint(1, 40))
    digits *= 10 ** random.choice((0, 0, 1, 4, 7))
    return Decimal(random.choice((digits, -digits))).scaleb(random.randint(-45, 20))


def float8(random):
    if not random.randrange(8):
        return random.choice((0.0, -0.0, float("nan"), float("inf"), -float("inf"), 5e-324, 1e308))
    return random.choice((random.uniform(-10, 10), random.uniform(-1e300, 1e300)))


def float4(random):
    if not random.randrange(8):
        return random.choice((0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-45, 1e-60))
    (stored,) = struct.unpack("<f", random.randbytes(4))
    return random.choice((stored, random.uniform(-10, 10)))


def date(random):
    if not random.randrange(16):
        return random.choice((dt.date.min, dt.date.max, dt.date(2000, 1, 1), dt.date(1, 1, 2)))
    return dt.date.fromordinal(random.randint(1, _DAYS))


def time(random):
    microseconds = random.choice((0, 999_999, random.randrange(1_000_000)))
    return dt.time(random.randrange(24), random.randrange(60), random.randrange(60), microseconds)


def timestamp(random):
    if not random.randrange(16):
        return random.choice((dt.datetime.min, dt.datetime.max, dt.datetime(2000, 1, 1)))  # noqa: DTZ001, DTZ901 - without a zone
    return dt.datetime.combine(date(random), time(random))


def timestamptz(random):
    if not random.randrange(16):
        return random.choice((dt.datetime.min, dt.datetime.max)).replace(tzinfo=dt.UTC)  # noqa: DTZ901 - with one
    day = dt.date.fromordinal(random.randint(3, _DAYS - 3))  # two days from where zones fall off
    return dt.datetime.combine(day, time(random), tzinfo=random.choice(_ZONES))


#: By the type's name: how a value is made.
MAKERS = {
    "text": text,
    "varchar": text,
    "bpchar": lambda random: text(random, 20) + " " * random.randrange(3),
    "uuid": uuid,
    "bytea": lambda random: random.randbytes(random.randint(0, 60)),
    "int2": integer(16),
    "int4": integer(32),
    "int8": integer(64),
    "numeric": numeric,
    "float4": float4,
    "float8": float8,
    "bool": lambda random: random.random() < 0.5,
    "date": date,
    "time": time,
    "timestamp": timestamp,
    "timestamptz": timestamptz,
}


def row(random, types):
    """A row of such columns, one value in ten of which is NULL."""
    return tuple(None if random.random() < 0.1 else MAKERS[each](random) for each in types)
