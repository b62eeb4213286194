"""The values of a list: whether two are the same to the server, and how they stand in a bound."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from struct import pack, unpack
from uuid import UUID

from schemakit.errors import KeyRefused
from schemakit.partitioning.hashing.encode import encoded, kind_named
from schemakit.sql.literal import literal
from schemakit.sql.name import quote

#: What a bound may hold; None is NULL.
Value = str | int | float | bool | bytes | Decimal | UUID | date | datetime | time | None

#: As asyncpg sends them.
_INFINITIES: dict[object, str] = {
    date.max: "infinity",
    date.min: "-infinity",
    datetime.max: "infinity",  # noqa: DTZ901 - whatever zone it was given in
    datetime.min: "-infinity",  # noqa: DTZ901 - the same
}
#: To the server, all NaN are equal.
NAN = ("NaN",)
_BYTES = frozenset({"text", "bpchar", "bytea", "uuid"})


def comparable(type_: str | None, value: object) -> object:
    """Return what is equal for two values if they are equal to the server, and can be hashed.

    Args:
        type_: of the column, as in SQL and without a modifier; None: as Python compares.
        value: None is NULL.

    Raises:
        HashUnknown: the type is not known.
        KeyRefused: a column of that type does not take it.
    """
    if type_ is None or value is None:
        return value
    kind = kind_named(type_)
    found = encoded(kind, value)  # refuses what the column does not take
    if kind.name in _BYTES:
        return found
    plain = value.item() if hasattr(value, "item") else value
    if plain != plain:  # noqa: PLR0124 - NaN is what differs from itself
        return NAN
    if kind.name == "float4" and isinstance(plain, int | float):
        return unpack("<f", pack("<f", plain))[0]
    return float(plain) if kind.name == "float8" and isinstance(plain, int) else plain


def bound_literal(type_: str | None, value: object) -> str:
    """Return *value* as it stands in ``FOR VALUES IN (…)`` of a column of the type *type_*.

    Raises:
        KeyRefused: it cannot be written there.
    """
    moment = value.replace(tzinfo=None) if isinstance(value, datetime) else value
    if moment in _INFINITIES:
        return literal(_INFINITIES[moment])
    if isinstance(value, UUID):
        return literal(str(value))
    if isinstance(value, bytes) and type_ is not None and kind_named(type_).name != "bytea":
        raise KeyRefused("Bytes are no literal of a text: give a str.")
    try:
        return literal(value).strip()
    except (TypeError, ValueError) as error:
        raise KeyRefused(f"It cannot stand in a bound: {error}.") from None


def list_bound(key: str, literals: list[str]) -> tuple[str, str]:
    """Return the bound of a leaf for *literals*, and the condition that its rows meet."""
    column = quote(key)
    values = [each for each in literals if each != "NULL"]
    equal = [f"{column} = {each}" for each in values]
    known = f"{column} IS NOT NULL AND ({' OR '.join(equal)})" if values else ""
    null = f"{column} IS NULL" if len(values) < len(literals) else ""
    check = f"{null} OR {' OR '.join(equal)}" if null and known else null or known
    return f"FOR VALUES IN ({', '.join(literals)})", check
