"""A layout as the Python that makes it, for revisions that autogenerate writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

from schemakit.ddl.leaf import Expression
from schemakit.sql.name import Name

_FROM = "from schemakit.partitioning import "


def source(value: Any, imports: set[str]) -> str:
    """Return the Python that makes *value*.

    Args:
        value: a layout, or a part of one.
        imports: gets what that needs imported.
    """
    if isinstance(value, Name):
        imports.add(_FROM + "Name")
        parts = [value.name] if value.schema is None else [value.name, value.schema]
        return f"Name({', '.join(map(repr, parts))})"
    if isinstance(value, Expression):
        imports.add(_FROM + "Expression")
        return f"Expression({value.sql!r})"
    if is_dataclass(value):
        imports.add(_FROM + type(value).__name__)
        return f"{type(value).__name__}({', '.join(_arguments(value, imports))})"
    if isinstance(value, tuple):
        inner = ", ".join(source(each, imports) for each in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return _scalar(value, imports)


def _arguments(value: Any, imports: set[str]) -> Iterator[str]:
    for each in sorted(fields(value), key=lambda each: (each.kw_only, not _required(each))):
        given = getattr(value, each.name)
        if not each.kw_only and _required(each):
            yield source(given, imports)
        elif _required(each) or given != _default(each):
            yield f"{each.name}={source(given, imports)}"


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


def _required(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _scalar(value: Any, imports: set[str]) -> str:
    if isinstance(value, UUID | Decimal):
        module = type(value).__module__
        imports.add(f"import {module}")
        return f"{module}.{value!r}"
    if isinstance(value, date | time):
        imports.add("import datetime")
        moment = isinstance(value, datetime) and value.tzinfo is not None
        return repr(value.astimezone(UTC)) if moment else repr(value)  # type: ignore[union-attr]  # a datetime
    if isinstance(value, float) and not isfinite(value):
        return f'float("{value}")'
    return repr(value)
