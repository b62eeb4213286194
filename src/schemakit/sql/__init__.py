"""SQL as values: quoted names and what a statement's text tells before it is sent."""

from __future__ import annotations

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
