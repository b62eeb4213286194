"""A table moved away whole, at any size in no time, and back: the same objects, so nothing is lost.

Its place is a schema of its own, so that no name can collide, with another backup or with a new
table under the old name. Views and functions over it move along, as they would go with DROP TABLE …
CASCADE; what ties it to the living is taken down. Moves follow from the portrait and the place
alone, so that both ways can be told at any time from what was kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemakit.catalog.dependants import Routine
from schemakit.catalog.portrait import BACKUP_MARK, Portrait
from schemakit.catalog.table import Statistics, Table
from schemakit.sql.name import MAX_IDENTIFIER_BYTES, Name, quote
from schemakit.sql.plan import Plan, Statement, Step

from . import entangled, foreign_keys, ties, twins, views
from .foreign_keys import Proof
from .saying import comment, kind_of, on, pins

_ROUTINES = {"f": "FUNCTION", "w": "FUNCTION", "p": "PROCEDURE", "a": "AGGREGATE"}


@dataclass(frozen=True, slots=True)
class Move:
    """A table's way to a place of its own, and back.

    Attributes:
        places: the schemas that are made for it, by the schemas that its objects come from.
        away: one step: all of it or nothing.
        back: one step, once what it needs is home (`homecoming`); the places are gone after it.
            Foreign keys are put back NOT VALID.
        proofs: what makes them valid again, after *back*, each in a savepoint.
        left: what still ties it to the living, in words: it can only be told.
    """

    places: dict[str, str]
    away: Plan
    back: Plan
    proofs: tuple[Proof, ...] = ()
    left: tuple[str, ...] = ()


def opened(place: str) -> Iterator[Statement]:
    """Yield what makes the schema *place*, which must not exist, for a backup."""
    yield Statement(f"CREATE SCHEMA {quote(place)}", why="a place of its own")
    yield from comment(f"SCHEMA {quote(place)}", BACKUP_MARK)


def move(portrait: Portrait, place: str, *, there: bool = False) -> Move:
    """Return the way of a table to the schema *place*, and back.

    Args:
        portrait: as it is where it lives: with its heirs, which go along.
        place: the schema that is made for it. Objects from other schemas than the table's own get
            another one each, ``<place>_2`` and so on.
        there: whether *place* has been made, by `opened`; the others must not exist either way.
    """
    places = _places(portrait, place)
    keys = foreign_keys.foreign_keys(portrait)
    version = portrait.server_version
    return Move(
        places,
        Plan.of(Step(tuple(_away(portrait, places, keys, there=there)))),
        Plan.of(Step(tuple(_back(portrait, places, keys)))),
        tuple(each for key in keys for each in foreign_keys.proof(key, version)),
        _left(portrait),
    )


def _away(
    portrait: Portrait,
    places: dict[str, str],
    keys: tuple[foreign_keys.ForeignKey, ...],
    *,
    there: bool,
) -> Iterator[Statement]:
    yield pins()
    for schema in list(places.values())[there:]:  # *place* is the first
        yield from opened(schema)
    yield from ties.disinherited(portrait)
    yield from map(foreign_keys.dropped, keys)
    yield from ties.unpublished(portrait)
    yield from entangled.cut(portrait)
    for routine in portrait.routines:
        yield _routine_moved(routine, routine.schema, places[routine.schema])
    for relation in (*portrait.views, *portrait.tables):
        yield _moved(relation, relation.schema, places[relation.schema])
    for statistics in _statistics(portrait):
        yield _statistics_moved(statistics, statistics.schema, places[statistics.schema])
    for view in portrait.views:
        yield from views.hollowed(view, places[view.schema])
    yield from twins.away(portrait, places)


def _back(
    portrait: Portrait, places: dict[str, str], keys: tuple[foreign_keys.ForeignKey, ...]
) -> Iterator[Statement]:
    yield pins()
    for relation in (*portrait.tables, *portrait.views):
        yield _moved(relation, places[relation.schema], relation.schema)
    for statistics in _statistics(portrait):
        yield _statistics_moved(statistics, places[statistics.schema], statistics.schema)
    for routine in portrait.routines:
        yield _routine_moved(routine, places[routine.schema], routine.schema)
    for view in portrait.views:
        yield from views.filled(view)
    yield from entangled.tied_again(portrait)
    yield from ties.inherited(portrait)
    for key in keys:
        yield from foreign_keys.put_back(key, portrait.server_version)
    yield from ties.published(portrait)
    for schema in reversed(places.values()):
        yield Statement(f"DROP SCHEMA {quote(schema)}", why="it is empty")


def _moved(relation: Table, source: str, target: str) -> Statement:
    name = Name(relation.name, source)
    sql = f"ALTER {kind_of(relation)} {name} SET SCHEMA {quote(target)}"
    why = "with its indexes, constraints, triggers, sequences, rights and row type"
    return on(name, sql, why if relation.kind in "rpf" else "")


def _statistics_moved(statistics: Statistics, source: str, target: str) -> Statement:
    name = Name(statistics.name, source)
    return Statement(f"ALTER STATISTICS {name} SET SCHEMA {quote(target)}")


def _routine_moved(routine: Routine, source: str, target: str) -> Statement:
    # Its arguments are spelled as they are where all is in its old place: it leaves before its
    # table does, and returns after it.
    name = Name(routine.name, source)
    signature = f"{name}({routine.arguments})"
    return Statement(f"ALTER {_ROUTINES[routine.kind]} {signature} SET SCHEMA {quote(target)}")


def _statistics(portrait: Portrait) -> Iterator[Statistics]:
    for relation in portrait.relations():
        yield from relation.statistics


def _places(portrait: Portrait, place: str) -> dict[str, str]:
    schemas = {each.schema for each in portrait.relations()}
    schemas.update(each.schema for each in _statistics(portrait))
    schemas.update(each.schema for each in portrait.routines)
    schemas.update(str(each.schema) for each in twins.going_along(portrait))
    others = sorted(schemas - {portrait.table.schema})
    found = {portrait.table.schema: place}
    for number, schema in enumerate(others, 2):
        found[schema] = _numbered(place, number)
    return found


def _numbered(place: str, number: int) -> str:
    suffix = f"_{number}"
    room = MAX_IDENTIFIER_BYTES - len(suffix)
    return place.encode()[:room].decode(errors="ignore") + suffix


def _left(portrait: Portrait) -> tuple[str, ...]:
    others = (f"{each.kind} {each.identity}" for each in entangled.unmentioned(portrait))
    tied = (
        f"materialized view {each.full_name}, which needs more than the table"
        for each in portrait.views
        if each.kind == "m" and each.entangled
    )
    return (*others, *tied)
