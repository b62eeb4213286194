"""A table, its tree and what depends on it, made anew from their portrait.

In the order in which rows are loaded fastest: tables that accept whatever once was in them; then,
with the rows, indexes and constraints, and all that would look at each row; what depends on the
table last. The rows are the caller's: between `Remake.tables` and `Remake.rest`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemakit.catalog.dependants import Routine
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.table import Table
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from . import behaviour, belongings, columns, entangled, foreign_keys, grants, indexes, ties, views
from .foreign_keys import Proof
from .saying import alter, comment, on, pins


@dataclass(frozen=True, slots=True)
class Remake:
    """What makes a table anew, in this order; every group is one transaction, or part of one.

    Attributes:
        tables: makes the tables, empty; a row may be loaded as it was, see `loadable`.
        indexes: for each table by its name: its indexes and keys, which may be built at the same
            time as those of other tables.
        rest: whatever else the tables have: foreign keys among themselves, triggers, rights.
        dependants: views, functions, publications, foreign keys of and to others (NOT VALID).
        proofs: what makes those valid again, each in a savepoint.
        left: what cannot be made from a portrait, in words.
    """

    tables: tuple[Statement, ...]
    indexes: dict[Name, tuple[Statement, ...]]
    rest: tuple[Statement, ...]
    dependants: tuple[Statement, ...]
    proofs: tuple[Proof, ...] = ()
    left: tuple[str, ...] = ()


def remake(portrait: Portrait) -> Remake:
    """Return what makes the tables of *portrait* anew where they were.

    For another place the portrait is `relocated` first. What the tables need is not made: the
    types, functions and so on in ``portrait.needs``.
    """
    keys = foreign_keys.foreign_keys(portrait)
    version = portrait.server_version
    return Remake(
        (pins(), *_tables(portrait)),
        {
            each.full_name: built
            for each in portrait.tables
            if (built := tuple(indexes.built(each)))
        },
        (pins(), *_rest(portrait)),
        (pins(), *_dependants(portrait, keys)),
        tuple(each for key in keys for each in foreign_keys.proof(key, version)),
        tuple(f"{each.kind} {each.identity}" for each in entangled.unmentioned(portrait)),
    )


def _tables(portrait: Portrait) -> Iterator[Statement]:
    for table in portrait.tables:
        yield from belongings.sequences_made(table)
        yield columns.created(table)
        yield from belongings.sequences_owned(table)
        yield from columns.adjusted(table)
        if table.of_type:
            yield alter(table, f"OF {table.of_type}")
        yield belongings.owned(table)
        yield from _placed(portrait, table)


def _placed(portrait: Portrait, table: Table) -> Iterator[Statement]:
    """What makes it a partition or an heir of tables of the portrait."""
    own = {each.full_name for each in portrait.tables}
    for parent in table.parents:
        if parent not in own:
            continue
        if table.bound is not None:
            sql = f"ALTER TABLE {parent} ATTACH PARTITION {table.full_name} {table.bound}"
            yield on(parent, sql)
        elif not columns.inherits(table):
            yield on(parent, f"ALTER TABLE {table.full_name} INHERIT {parent}")


def _rest(portrait: Portrait) -> Iterator[Statement]:
    own = {each.full_name for each in portrait.tables}
    for table in portrait.tables:
        yield from indexes.put_together(table, own)
        yield from indexes.checked_later(table)
    unproven = {
        each.name for one in portrait.tables for each in one.constraints if not each.validated
    }
    for table in portrait.tables:
        yield from indexes.validated(table, unproven)
    yield from grants.cleared(each.full_name for each in portrait.tables)
    yield from grants.cleared(Name(each.name, each.schema) for each in portrait.sequences)
    yield from _keys_within(portrait)
    for table in portrait.tables:
        yield from indexes.replica_identity(table)
        yield from indexes.commented(table)
        yield from belongings.statistics_made(table)
        yield from belongings.sequences_set(table)
        yield from belongings.described(table)
    for table in portrait.tables:
        yield from _behaviour(portrait, table)


def _keys_within(portrait: Portrait) -> Iterator[Statement]:
    own = {each.full_name for each in portrait.tables}
    for table in portrait.tables:
        for key in table.constraints:
            if key.references in own and not key.cloned:
                yield alter(table, f"ADD CONSTRAINT {quote(key.name)} {key.definition}")
                what = f"CONSTRAINT {quote(key.name)} ON {table.full_name}"
                yield from comment(what, key.comment)


def _behaviour(portrait: Portrait, table: Table) -> Iterator[Statement]:
    for trigger in table.triggers:
        if not trigger.cloned:
            yield from behaviour.trigger(table, trigger)
        elif table is not portrait.table:
            yield from behaviour.trigger_state(table, trigger)
    for rule in table.rules:
        yield from behaviour.rule(table, rule)
    for policy in table.policies:
        yield from behaviour.policy(table.full_name, policy)
    yield from behaviour.row_security(table)


def _dependants(
    portrait: Portrait, keys: tuple[foreign_keys.ForeignKey, ...]
) -> Iterator[Statement]:
    yield from ties.inherited(portrait, anew=True)
    for key in keys:
        yield from foreign_keys.put_back(key, portrait.server_version)
    yield from ties.published(portrait)
    found: list[Table | Routine] = [*portrait.views, *portrait.routines]
    for each in sorted(found, key=lambda one: one.depth):
        yield from _routine(each) if isinstance(each, Routine) else views.made(each)
    for mention in portrait.mentions:
        yield from entangled.mentioned(mention)


def _routine(routine: Routine) -> Iterator[Statement]:
    if routine.definition is None:
        return
    kind = "PROCEDURE" if routine.kind == "p" else "FUNCTION"
    what = f"{kind} {Name(routine.name, routine.schema)}({routine.arguments})"
    yield Statement(routine.definition.strip())
    yield Statement(f"ALTER {what} OWNER TO {quote(routine.owner)}")
    yield from grants.granted(what, routine.acl, routine.owner)
    yield from comment(what, routine.comment)
