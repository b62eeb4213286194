"""Oracle: the server reads back what was written, and says what type it took it for."""

import datetime as dt
import enum
import math
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemakit.sql.lexer import code
from schemakit.sql.literal import literal

UTC = dt.UTC
INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))


class Colour(str, enum.Enum):  # noqa: UP042 - what was written before StrEnum
    RED = "r'd"


class Size(enum.IntEnum):
    BIG = -3


class Bare(enum.Enum):
    A = "a"


VALUES = [
    ("plain", "unknown", "plain"),
    ("", "unknown", ""),
    ("it's", "unknown", "it's"),
    ("a\\b'c", "unknown", "a\\b'c"),
    ("a\\:b \\", "unknown", "a\\:b \\"),
    ("$$ $a$ $1", "unknown", "$$ $a$ $1"),
    (":x %(x)s %s %% ;", "unknown", ":x %(x)s %s %% ;"),
    ("line\nbreak\t", "unknown", "line\nbreak\t"),
    ("Größe 💥 名", "unknown", "Größe 💥 名"),
    (Colour.RED, "unknown", "r'd"),
    (True, "boolean", True),
    (False, "boolean", False),
    (0, "integer", 0),
    (-5, "integer", -5),
    (2**40, "bigint", 2**40),
    (-(2**64), "numeric", Decimal(-(2**64))),
    (Size.BIG, "integer", -3),
    (1.5, "numeric", Decimal("1.5")),
    (-1e300, "numeric", Decimal("-1e300")),
    (math.inf, "double precision", math.inf),
    (-math.inf, "double precision", -math.inf),
    (Decimal("-1.50"), "numeric", Decimal("-1.50")),
    (Decimal("1E+3"), "numeric", Decimal(1000)),
    (Decimal("Infinity"), "numeric", Decimal("Infinity")),
    (dt.date(2020, 2, 29), "date", dt.date(2020, 2, 29)),
    (
        dt.datetime(2020, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - a naive one is what is tested
        "timestamp without time zone",
        dt.datetime(2020, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - the same
    ),
    (
        dt.datetime(2020, 1, 2, 3, tzinfo=INDIA),
        "timestamp with time zone",
        dt.datetime(2020, 1, 1, 21, 30, tzinfo=UTC),
    ),
    (dt.time(3, 4, 5), "time without time zone", dt.time(3, 4, 5)),
    (dt.time(3, tzinfo=INDIA), "time with time zone", dt.time(3, tzinfo=INDIA)),
    (dt.timedelta(days=-1, microseconds=1), "interval", dt.timedelta(days=-1, microseconds=1)),
    (dt.timedelta(hours=36), "interval", dt.timedelta(hours=36)),
    (UUID(int=7), "uuid", UUID(int=7)),
    (b"\x00\xff'\\", "bytea", b"\x00\xff'\\"),
    (bytearray(b"x"), "bytea", b"x"),
    (memoryview(b""), "bytea", b""),
    ([1, -2], "integer[]", [1, -2]),
    (["a'b", None, "c"], "text[]", ["a'b", None, "c"]),
    ([[1, 2], [3, 4]], "integer[]", [[1, 2], [3, 4]]),
]
IDS = [f"{type(value).__name__}-{number}" for number, (value, _, _) in enumerate(VALUES)]


@pytest.fixture(scope="module")
def server(background, dsn_of, server_url):
    """Ask the server from a connection that lives as long as the module."""
    import asyncpg  # noqa: PLC0415 - beside its use
    from sqlalchemy import make_url  # noqa: PLC0415 - the same

    connection = background.run(asyncpg.connect(dsn_of(make_url(server_url).database)))

    def ask(sql):
        return background.run(connection.fetchrow(sql))[0]

    ask.run = lambda sql: background.run(connection.execute(sql))
    yield ask
    background.run(connection.close())


@pytest.mark.parametrize(("value", "type_", "expected"), VALUES, ids=IDS)
def test_the_server_reads_the_value(server, value, type_, expected):
    assert server(f"SELECT {literal(value)}") == expected


@pytest.mark.parametrize(("value", "type_", "expected"), VALUES, ids=IDS)
def test_the_server_takes_it_for_the_type(server, value, type_, expected):
    assert server(f"SELECT pg_typeof({literal(value)})::text") == type_


@pytest.mark.parametrize(("value", "type_", "expected"), VALUES, ids=IDS)
def test_the_value_is_the_same_without_standard_conforming_strings(server, value, type_, expected):
    server.run("SET standard_conforming_strings = off; SET escape_string_warning = off")
    try:
        assert server(f"SELECT {literal(value)}") == expected
    finally:
        server.run("SET standard_conforming_strings = on")


@pytest.mark.parametrize("value", ["it's $$ and $a$ \\", b"\x00$$"])
def test_a_value_may_stand_in_a_dollar_quoted_body(server, value):
    server.run(f"DO $$ BEGIN CREATE TEMP TABLE body AS SELECT {literal(value)} AS a; END $$")
    try:
        assert server("SELECT a FROM body") == value
    finally:
        server.run("DROP TABLE body")


def test_none_is_null(server):
    assert server(f"SELECT {literal(None)} IS NULL") is True


def test_nan_is_a_number(server):
    assert server(f"SELECT {literal(math.nan)} = 'NaN'::float8") is True


def test_a_decimal_nan_is_numeric(server):
    assert server(f"SELECT pg_typeof({literal(Decimal('NaN'))})::text") == "numeric"


def test_a_negative_number_behind_a_minus_is_no_comment(server):
    assert server(f"SELECT 3 -{literal(-5)}") == 8


def test_a_tuple_stands_behind_in(server):
    assert server(f"SELECT 2 IN {literal((1, 2))}") is True


@pytest.mark.parametrize("type_", ["int[]", "text[]", "uuid[]"])
def test_an_empty_list_is_an_array_of_any_type(server, type_):
    assert server(f"SELECT coalesce({literal([])}, '{{}}'::{type_})") == []


@pytest.mark.parametrize("type_", ["int[]", "text[]"])
def test_a_list_of_nothing_but_none_is_an_array_of_any_type(server, type_):
    assert server(f"SELECT coalesce({literal([None, None])}, '{{}}'::{type_})") == [None, None]


@pytest.mark.parametrize("value", [{"a": 1}, object(), Bare.A, {1, 2}])
def test_other_types_have_no_text(value):
    with pytest.raises(TypeError, match="has no text in SQL"):
        literal(value)


def test_a_nul_has_no_text():
    with pytest.raises(ValueError, match="NUL"):
        literal("a\0b")


@given(st.text().filter(lambda text: "\0" not in text))
def test_every_text_is_exactly_one_literal(text):
    assert code(literal(text)) == "''"
