"""Python values as SQL text, as psycopg2 writes them (its ``extensions.adapt``).

Each is one literal whatever ``standard_conforming_strings`` says, wherever a string may stand:
also inside a dollar-quoted body. Nothing here is quoted with a bare backslash or dollar sign.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import singledispatch
from uuid import UUID


@singledispatch
def literal(value: object) -> str:
    """Return *value* as a SQL literal.

    Args:
        value: None, bool, int, float, Decimal, str, bytes, a date or time, timedelta, UUID, a
            list (an ARRAY) or a tuple (a row, or what stands behind IN) of these.

    Raises:
        TypeError: it is of another type.
        ValueError: it holds a NUL, which no PostgreSQL text can.
    """
    detail = f"a {type(value).__name__} has no text in SQL"
    raise TypeError(detail)


@literal.register
def _null(value: None) -> str:  # noqa: ARG001 - dispatched by its type
    return "NULL"


@literal.register
def _text(value: str) -> str:
    value = str.__str__(value)  # of an enum that is a str: its value
    if "\0" in value:
        raise ValueError("a text with a NUL")
    quoted = value.replace("'", "''")
    if "\\" not in value and "$" not in value:
        return f"'{quoted}'"
    # Octal, so that a dollar sign closes no body and a backslash escapes nothing: neither for the
    # server nor for SQLAlchemy, which takes "\:" for an escaped colon.
    return "E'" + quoted.replace("\\", r"\134").replace("$", r"\044") + "'"


@literal.register
def _boolean(value: bool) -> str:  # noqa: FBT001 - dispatched by its type
    return "true" if value else "false"


@literal.register
def _integer(value: int) -> str:
    return _signed(int.__repr__(value))


@literal.register(float)
@literal.register(Decimal)
def _real(value: float | Decimal) -> str:
    kind = "numeric" if isinstance(value, Decimal) else "float"
    if value != value:  # noqa: PLR0124 - NaN is what differs from itself
        return f"'NaN'::{kind}"
    if abs(value) == float("inf"):
        return f"'{'-' if value < 0 else ''}Infinity'::{kind}"
    return _signed(str(value) if isinstance(value, Decimal) else float.__repr__(value))


def _signed(number: str) -> str:
    return f" {number}" if number.startswith("-") else number  # "a-:x" must not become a comment


@literal.register(bytes)
@literal.register(bytearray)
@literal.register(memoryview)
def _binary(value: bytes | bytearray | memoryview) -> str:
    return rf"E'\134x{bytes(value).hex()}'::bytea"


@literal.register
def _moment(value: dt.datetime) -> str:
    return f"'{value.isoformat()}'::{'timestamp' if value.tzinfo is None else 'timestamptz'}"


@literal.register
def _day(value: dt.date) -> str:
    return f"'{value.isoformat()}'::date"


@literal.register
def _clock(value: dt.time) -> str:
    return f"'{value.isoformat()}'::{'time' if value.tzinfo is None else 'timetz'}"


@literal.register
def _span(value: dt.timedelta) -> str:
    return f"'{value.days} days {value.seconds}.{value.microseconds:06d} seconds'::interval"


@literal.register
def _uuid(value: UUID) -> str:
    return f"'{value}'::uuid"


@literal.register
def _array(value: list) -> str:  # type: ignore[type-arg]  # singledispatch takes a plain class
    if all(item is None for item in value):  # ARRAY[NULL] would be text[], ARRAY[] nothing at all
        return "'{" + ",".join("NULL" for _ in value) + "}'"
    return "ARRAY[" + ", ".join(literal(item) for item in value) + "]"


@literal.register
def _row(value: tuple) -> str:  # type: ignore[type-arg]  # the same
    return "(" + ", ".join(literal(item) for item in value) + ")"
