"""What the definition of a table says beside its columns."""

from __future__ import annotations

from dataclasses import replace

from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name

from .neighbours import Neighbours


def with_references(neighbours: Neighbours, parent: Name, definition: str) -> Neighbours:
    """Return *neighbours* with the tables that the foreign keys in *definition* point at."""
    if "references" not in definition.lower():
        return neighbours
    from schemakit.sql.effects.read import effects_of  # noqa: PLC0415 - it brings the parser

    found = [
        lock.relation
        for lock in effects_of(f"CREATE TABLE {parent} ({definition})").locks
        if lock.mode is LockMode.SHARE_ROW_EXCLUSIVE
        and lock.relation is not None
        and lock.relation != parent
    ]
    return replace(neighbours, referenced=tuple(dict.fromkeys((*neighbours.referenced, *found))))
