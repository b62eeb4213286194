"""What a table that is made anew needs to find: told before anything is made, all at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from schemakit.catalog.backup import Wanted, shown
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.table import Table
from schemakit.sql.name import Name

from . import foreign_keys
from .dependants import owners
from .grants import parsed


def required(portrait: Portrait) -> tuple[Wanted, ...]:
    """Return what must be there: schemas, roles, types, functions, extensions, parents …."""
    return tuple(dict.fromkeys(_required(portrait)))


def _required(portrait: Portrait) -> Iterator[Wanted]:
    for relation in portrait.relations():
        yield Wanted("schema", relation.schema)
        if relation.tablespace:
            yield Wanted("tablespace", relation.tablespace)
        for publication in relation.publications:
            if publication.scope == "table":
                yield Wanted("publication", publication.name)
    for role in sorted({*owners(portrait), *_grantees(portrait)} - {""}):
        yield Wanted("role", role)
    yield from parents(portrait)
    yield from _needs(portrait)


def parents(portrait: Portrait) -> tuple[Wanted, ...]:
    """Return the other tables that those of *portrait* are partitions or heirs of."""
    own = {each.full_name for each in portrait.tables}
    found = dict.fromkeys(
        parent for table in portrait.tables for parent in table.parents if parent not in own
    )
    return tuple(Wanted("table", each.name, each.schema) for each in found)


def _needs(portrait: Portrait) -> Iterator[Wanted]:
    made = {(each.schema, each.name) for each in portrait.relations()}
    made |= {(each.schema, each.name) for each in portrait.routines}
    for need in portrait.needs:
        if need.extension:
            yield Wanted("extension", need.extension)
        elif need.kind == "table":  # a parent is named above; of a foreign key, see `partners`
            continue
        elif need.schema is not None and (need.schema, need.name) not in made:
            yield Wanted(need.kind, need.identity, need.schema)


def _grantees(portrait: Portrait) -> Iterator[str]:
    for relation in portrait.relations():
        for policy in relation.policies:
            yield from policy.roles
    for acl in _acls(portrait):
        for item in acl or ():
            for grant in parsed(item):
                yield from (grant.grantee or "", grant.grantor)


def _acls(portrait: Portrait) -> Iterator[tuple[str, ...] | None]:
    for relation in portrait.relations():
        yield relation.acl
        yield from (each.acl for each in relation.columns)
        yield from (each.acl for each in relation.sequences)
    yield from (each.acl for each in portrait.routines)


def partners(portrait: Portrait) -> tuple[Wanted, ...]:
    """Return the other tables that foreign keys of and to *portrait* are about."""
    own = {each.full_name for each in portrait.tables}
    found: dict[Name, None] = {}
    for key in foreign_keys.foreign_keys(portrait):
        found.update((each, None) for each in (key.table, key.references) if each not in own)
    return tuple(Wanted("table", each.name, each.schema) for each in found)


def without(portrait: Portrait, gone: set[Name]) -> tuple[Portrait, tuple[str, ...]]:
    """Return *portrait* without foreign keys of and to the tables *gone*, and those in words."""
    left = tuple(
        f"foreign key {key.name} of {shown(key.table)} to {shown(key.references)}"
        for key in foreign_keys.foreign_keys(portrait)
        if {key.table, key.references} & gone
    )
    incoming = tuple(each for each in portrait.foreign_keys_in if each.table not in gone)
    tables = tuple(_without(each, gone) for each in portrait.tables)
    return replace(portrait, tables=tables, foreign_keys_in=incoming), left


def _without(table: Table, gone: set[Name]) -> Table:
    kept = tuple(each for each in table.constraints if each.references not in gone)
    return replace(table, constraints=kept)
