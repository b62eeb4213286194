"""The remainder of ``PARTITION BY HASH``. Oracle: what PostgreSQL 12 to 18 have recorded."""

import datetime as dt
import enum
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from schemakit.errors import ConfigurationError, HashUnknown, KeyRefused
from schemakit.partitioning import hash_partition, hash_partitions

from .vectors import MODULI, NATIVE

MADE = {
    "bigint": int,
    "int": int,
    "smallint": int,
    "text": str,
    "uuid": UUID,
    "numeric": Decimal,
    "boolean": lambda written: written == "True",
    "date": dt.date.fromisoformat,
    "timestamptz": dt.datetime.fromisoformat,
}
DAY = dt.datetime(2026, 2, 1, 12, 30)  # noqa: DTZ001 - a timestamp without a zone


class Level(enum.IntEnum):
    HIGH = 7


class Colour(enum.Enum):
    RED = "red"


def value(vector):
    return None if vector["value"] is None else MADE[vector["type"]](vector["value"])


def only(kind, given, modulus=1_000_003):
    return hash_partition((given,), modulus, types=(kind,))


@pytest.mark.parametrize("vector", NATIVE, ids=lambda vector: f"{vector['type']} {vector['value']}")
def test_a_row_is_in_the_recorded_partition(vector):
    found = [only(vector["type"], value(vector), modulus) for modulus in MODULI]
    assert found == [vector[f"m{modulus}"] for modulus in MODULI]


def test_nulls_alone_are_in_partition_zero():
    assert hash_partition((None, None), 100, types=("text", "int8")) == 0


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("numeric", Decimal(1), Decimal("1.000")),
        ("numeric", Decimal("1E+4"), 10_000),
        ("numeric", Decimal("-0.00"), 0),
        ("numeric", Decimal("NaN"), Decimal("Infinity")),
        ("float8", 0.0, -0.0),
        ("float8", float("nan"), -float("nan")),
        ("float8", 3, 3.0),
        ("float4", 0.1, 0.10000000149011612),
        ("bpchar", "abc", "abc   "),
        ("uuid", UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("uuid", "ABCDEF00-0000-0000-0000-000000000007", "abcdef00000000000000000000000007"),
        ("text", UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("text", "é", "é".encode()),
        ("bytea", b"\0a", bytearray(b"\0a")),
        ("bytea", b"\0a", memoryview(b"\0a")),
        ("int4", 7, Level.HIGH),
        ("int4", 7, np.int16(7)),
        ("float8", 0.5, np.float32(0.5)),
        ("float8", 0.5, np.float64(0.5)),
        ("bool", True, np.bool_(True)),  # noqa: FBT003 - a value
        ("text", "a", np.str_("a")),
        ("timestamp", DAY, np.datetime64("2026-02-01T12:30:00.000000")),
        (
            "timestamptz",
            DAY.replace(tzinfo=dt.UTC),
            DAY.replace(hour=14, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        ),
    ],
)
def test_what_the_server_stores_alike_is_in_one_partition(kind, one, other):
    assert only(kind, one) == only(kind, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("text", "abc", "abc "),
        ("text", "é", "e\u0301"),
        ("numeric", Decimal(0), Decimal("NaN")),
        ("timestamp", dt.datetime.max, dt.datetime.max.replace(microsecond=0)),  # noqa: DTZ901 - without a zone
    ],
)
def test_what_the_server_tells_apart_is_hashed_apart(kind, one, other):
    assert only(kind, one) != only(kind, other)


def test_integers_of_every_size_are_hashed_alike():
    assert len({only(kind, -5) for kind in ("int2", "int4", "int8")}) == 1


@pytest.mark.parametrize(
    ("kind", "same"),
    [
        ("character varying", "text"),
        ("INTEGER", "int4"),
        ("pg_catalog.int4", "int4"),
        ("smallint", "int4"),
    ],
)
def test_a_type_may_be_named_as_sql_names_it(kind, same):
    given = "7" if same == "text" else 7
    assert only(kind, given) == only(same, given)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("int4", "7", "It takes int, and this is str."),
        ("int4", True, "It takes int, and this is bool."),
        ("int4", 7.0, "It takes int, and this is float."),
        ("int4", 2**31, "This int does not fit into 32 bits."),
        ("int2", -(2**15) - 1, "This int does not fit into 16 bits."),
        ("int8", np.bool_(True), "It takes int, and this is bool."),  # noqa: FBT003 - a value
        ("numeric", 1.5, "It takes Decimal or int, and this is float."),
        ("numeric", Decimal("1E+131072"), "This number has more digits than a numeric can."),
        ("numeric", Decimal("1E-16384"), "This number has more digits than a numeric can."),
        ("float8", Decimal("1.5"), "It takes float or int, and this is decimal.Decimal."),
        ("float8", 10**400, "This int does not fit into float8."),
        ("float4", 1e39, "This number does not fit into float4."),
        ("bool", 1, "It takes bool, and this is int."),
        ("bytea", "a", "It takes bytes, and this is str."),
        ("uuid", "7", "This str is no UUID."),
        ("uuid", b"7" * 16, "It takes UUID, or str as 8-4-4-4-12 hexadecimal digits"),
        ("date", DAY, "It takes date, and this is datetime.datetime."),
        ("date", "infinity", "It takes date, and this is str."),
        ("time", dt.time(1, tzinfo=dt.UTC), "It takes a time without a zone"),
        ("timestamp", dt.date(2026, 2, 1), "It takes datetime, and this is datetime.date."),
        ("timestamp", DAY.replace(tzinfo=dt.UTC), "It takes a datetime without a zone"),
        ("timestamptz", DAY, "It takes a datetime with a zone, and this one has none."),
        ("timestamp", np.datetime64("2026-02-01", "ns"), "It takes datetime, and this is int."),
        ("text", 7, "int is hashed as no text"),
        ("text", Colour.RED, "Colour is hashed as no text"),
    ],
)
def test_a_value_of_another_type_is_refused(kind, given, said):
    with pytest.raises(KeyRefused, match="Column 2, ") as caught:
        hash_partition(("a", given), 7, types=("text", kind))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("mood", "An enum is hashed by the OIDs of its labels"),
        ("citext", "citext and other extensions"),
        ("interval", "the hash is not known"),
        ("text[]", "the hash is not known"),
        ('"char"', "the hash is not known"),
        ("numeric(10,2)", "the server may round or cut what it stores"),
        ("varchar(3)", "the server may round or cut what it stores"),
    ],
)
def test_a_type_whose_hash_cannot_be_known_is_refused(kind, said):
    with pytest.raises(HashUnknown, match=said):
        only(kind, "happy")


@pytest.mark.parametrize(
    ("given", "said"), [("a\0", "There is a NUL at byte 1"), ("\ud800", "a lone surrogate")]
)
def test_text_that_the_server_cannot_hold_is_refused(given, said):
    with pytest.raises(HashUnknown, match=f"Column 1, text: .*{said}"):
        only("text", given)


@pytest.mark.parametrize(
    ("row", "types", "said"),
    [
        (("a",), ("text", "int8"), "The key has 2 columns, the row 1 value"),
        (("a", "b"), ("text",), "The key has 1 column, the row 2 values"),
        ((1,), (int,), "<class 'int'> is no name"),
        ("ab", ("text", "text"), "str is none"),
        ({"a": 1}, ("text",), "dict is none"),
        (7, ("int4",), "int is none"),
        (("a",), "text", "The types are a tuple"),
        ((), (), "The types are a tuple"),
    ],
)
def test_a_row_that_is_none_is_refused(row, types, said):
    with pytest.raises(KeyRefused, match=said):
        hash_partition(row, 7, types=types)


@pytest.mark.parametrize("modulus", [0, -1, 2**31, "7", 1.0, None])
def test_a_modulus_that_sql_would_refuse_is_refused(modulus):
    with pytest.raises(ConfigurationError, match="no int from 1 to 2147483647"):
        hash_partitions([], modulus, types=("text",))


def test_a_message_does_not_show_the_value():
    with pytest.raises(KeyRefused) as caught:
        only("int4", "secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("count", [1, 50])
def test_in_a_batch_a_refusal_says_the_row_and_the_column(count):
    rows = [("a", 1)] * count + [(None, None), ("a", None), ("b", "x")]
    with pytest.raises(KeyRefused, match=rf"Row {count + 2}, column 2, int8: It takes int"):
        hash_partitions(rows, 7, types=("text", "int8"))


def test_in_a_batch_a_row_of_another_width_is_named():
    with pytest.raises(KeyRefused, match="Row 1: The key has 2 columns, the row 1 value"):
        hash_partitions([("a", 1), ("b",)], 7, types=("text", "int8"))


@pytest.mark.parametrize("rows", ["ab", b"ab", 7, None])
def test_a_batch_that_is_none_is_refused(rows):
    with pytest.raises(KeyRefused, match="A batch is an iterable"):
        hash_partitions(rows, 7, types=("text",))
