"""Frozen values to what JSON can hold, and back, by the annotations of their fields."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from schemakit.sql.name import Name

_T = TypeVar("_T")


def encoded(value: Any) -> Any:
    """Return *value* as dicts, lists, strings, numbers, booleans and None."""
    if isinstance(value, Name):
        return {"schema": value.schema, "name": value.name}
    if is_dataclass(value):
        return {each.name: encoded(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [encoded(each) for each in value]
    return value


def decoded(kind: type[_T], data: Any) -> _T:
    """Return the value of type *kind* that *data* stands for; what is missing has its default.

    Raises:
        TypeError: *data* lacks a field without a default, or has one that *kind* does not.
    """
    if not isinstance(data, dict):
        detail = f"{kind.__name__} from {type(data).__name__}"
        raise TypeError(detail)
    known = _hints(cast("Any", kind))
    given = {name: _read(known.get(name), value) for name, value in data.items()}
    return kind(**given)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, data: Any) -> Any:
    if data is None:
        return None
    if get_origin(hint) is UnionType:
        hint = next(each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return tuple(_read(inner, each) for each in data)
    if hint is Name or is_dataclass(hint):
        return decoded(cast("type[Any]", hint), data)
    return data
