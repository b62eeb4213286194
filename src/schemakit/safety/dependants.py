"""What depends on a table, in words, and who has a say in moving it: read off its portrait."""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.backup import shown
from schemakit.catalog.portrait import Portrait

_VIEWS = {"v": "view", "m": "materialized view"}


def dependants(portrait: Portrait) -> tuple[str, ...]:
    """Return what DROP TABLE without CASCADE would be refused for, e.g. ``view app.totals``."""
    return tuple(_dependants(portrait))


def _dependants(portrait: Portrait) -> Iterator[str]:
    for child in portrait.children:
        yield f"table {shown(child.table)}, which inherits from it"
    for view in portrait.views:
        yield f"{_VIEWS[view.kind]} {shown(view.full_name)}"
    for key in portrait.foreign_keys_in:
        yield f"foreign key {key.name} of {shown(key.table)}"
    for routine in portrait.routines:
        yield f"function {routine.schema}.{routine.name}({routine.arguments})"
    for other in portrait.others:
        yield f"{other.kind} {other.identity}"


def owners(portrait: Portrait) -> frozenset[str]:
    """Return the roles whose rights it takes to move the table and what depends on it."""
    return frozenset(_owners(portrait))


def _owners(portrait: Portrait) -> Iterator[str]:
    for relation in portrait.relations():
        yield relation.owner
        yield from (each.owner for each in relation.statistics)
        yield from (each.owner for each in relation.publications if each.scope == "table")
    yield from (each.owner for each in portrait.foreign_keys_in)
    yield from (each.owner for each in portrait.routines)
    yield from (each.owner for each in portrait.mentions)
