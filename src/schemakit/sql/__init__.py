"""SQL as values: quoted names, and what a statement's text tells before it is sent.

Each name is loaded when it is first asked for: a service that starts at head needs `Name` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemakit._on_demand import on_demand

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
    "schemakit.sql.delivery": ("Delivery", "deliver"),
    "schemakit.sql.name": ("MAX_IDENTIFIER_BYTES", "Name", "quote"),
    "schemakit.sql.redact": ("without_literals",),
    "schemakit.sql.text": ("leading_keyword", "returns_rows"),
}
__getattr__ = on_demand(globals(), _HOMES)
