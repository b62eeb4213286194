"""Frozen values to what JSON can hold, and back, by the annotations of their fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache, partial
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
    given = dict(data)
    for name, read in _readers(cast("Any", kind)):
        if given.get(name) is not None:
            given[name] = read(given[name])
    return kind(**given)


@cache
def _readers(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """The fields of *kind* that JSON has in another form, with how to read each."""
    found = ((name, _reader(hint)) for name, hint in get_type_hints(kind).items())
    return tuple((name, read) for name, read in found if read is not None)


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    if get_origin(hint) is UnionType:
        hint = next(each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is tuple:
        inner = _reader(get_args(hint)[0])
        return tuple if inner is None else lambda data: tuple(map(inner, data))
    if hint is Name or is_dataclass(hint):
        return partial(decoded, cast("type[Any]", hint))
    return None
