"""SQL as values: quoted names, and what a statement's text tells before it is sent.

Each name is loaded when it is first asked for: a service that starts at head needs `Name` alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .delivery import Delivery, deliver
    from .name import MAX_IDENTIFIER_BYTES, Name, quote
    from .redact import without_literals
    from .text import leading_keyword, returns_rows

__all__ = [
    "MAX_IDENTIFIER_BYTES",
    "Delivery",
    "Name",
    "deliver",
    "leading_keyword",
    "quote",
    "returns_rows",
    "without_literals",
]

_HOMES = {
    "Delivery": "delivery",
    "deliver": "delivery",
    "MAX_IDENTIFIER_BYTES": "name",
    "Name": "name",
    "quote": "name",
    "without_literals": "redact",
    "leading_keyword": "text",
    "returns_rows": "text",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        detail = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(detail)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
