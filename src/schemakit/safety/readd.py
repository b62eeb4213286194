"""A dropped column put back into its table, with what it had: as statements.

The column comes last, for a column cannot be put anywhere else. Rows that came meanwhile have
nothing in it: what they break, NOT NULL first of all, is tried by itself, and left off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from schemakit.catalog.portrait import Portrait
from schemakit.catalog.table import Column, Table
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from . import behaviour, belongings, columns, foreign_keys, grants, indexes
from .foreign_keys import Proof
from .saying import alter, comment

_GENERATED = {"s": "STORED", "v": "VIRTUAL"}
_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}


@dataclass(frozen=True, slots=True)
class Claim:
    """What rows may break: *statements* put *what* back, in words."""

    what: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Readd:
    """What puts columns back; their values are the caller's, after `added`.

    Attributes:
        added: makes the columns.
        after: gives them back what no row can break.
        claims: gives back the rest, each in a savepoint.
        proofs: what makes foreign keys valid again, each in a savepoint.
    """

    added: tuple[Statement, ...]
    after: tuple[Statement, ...]
    claims: tuple[Claim, ...]
    proofs: tuple[Proof, ...]


def readd(portrait: Portrait, now: Portrait, names: Collection[str]) -> Readd:
    """Return what puts the columns *names* back into the table *now*, as *portrait* has them."""
    there = {table.full_name: table for table in now.tables}
    lost = [
        _lost(table, there[table.full_name], names)
        for table in portrait.tables
        if table.full_name in there
    ]
    keys = _keys(portrait, now)
    version = portrait.server_version
    after = [each for table in lost for each in _after(table)]
    after += [each for key in keys for each in foreign_keys.put_back(key, version)]
    return Readd(
        tuple(_added(lost[0])),
        tuple(after),
        tuple(each for table in lost for each in _claims(table)),
        tuple(each for key in keys for each in foreign_keys.proof(key, version)),
    )


def _lost(was: Table, now: Table, names: Collection[str]) -> Table:
    """The columns of *was*, and what else is not there any more."""
    constraints = {each.name for each in now.constraints}
    built = {each.name for each in now.indexes}
    statistics = {each.name for each in now.statistics}
    return replace(
        was,
        columns=tuple(each for each in was.columns if each.name in names),
        constraints=tuple(each for each in was.constraints if each.name not in constraints),
        indexes=tuple(each for each in was.indexes if each.name not in built),
        statistics=tuple(each for each in was.statistics if each.name not in statistics),
        sequences=tuple(each for each in was.sequences if each.column in names),
    )


def _added(table: Table) -> Iterator[Statement]:
    yield from belongings.sequences_made(table)
    for column in _computed_last(table.columns):
        collation = f" COLLATE {column.collation}" if column.collation else ""
        computed = (
            f" GENERATED ALWAYS AS ({column.default}) {_GENERATED[column.generated]}"
            if column.generated
            else ""
        )
        definition = f"{quote(column.name)} {column.type}{collation}{computed}"
        yield alter(table, f"ADD COLUMN {definition}")


def _computed_last(columns: Sequence[Column]) -> list[Column]:
    """*columns*, with those computed from a later one after all others.

    What an expression is about is told by the names in it: to find one too many costs an order.
    """
    later = {
        each.name
        for place, each in enumerate(columns, 1)
        if each.generated
        and any(quote(other.name)[1:-1] in (each.default or "") for other in columns[place:])
    }
    return sorted(columns, key=lambda each: each.name in later)


def _after(table: Table) -> Iterator[Statement]:
    for column in table.columns:
        if column.default is not None and not column.generated:
            yield behaviour.default(table, column.name, column.default)
    yield from belongings.sequences_owned(table)
    yield from columns.adjusted(table)
    yield from belongings.statistics_made(table)
    yield from grants.of_columns(table)
    for column in table.columns:
        yield from comment(f"COLUMN {table.full_name}.{quote(column.name)}", column.comment)


def _claims(table: Table) -> Iterator[Claim]:
    for column in table.columns:
        yield from _not_null(table, column)
    built = tuple(indexes.built(table))
    if built:
        named = ", ".join(each.name for each in table.indexes)
        yield Claim(f"index {named}", (*built, *indexes.put_together(table)))
    for each in table.constraints:
        if each.kind == "c" and not (each.cloned or each.inherited):
            sql = f"ADD CONSTRAINT {quote(each.name)} {each.definition}"
            yield Claim(f"constraint {each.name}", (alter(table, sql),))
    described = (*belongings.sequences_set(table), *indexes.commented(table))
    if described:
        yield Claim("comments", described)


def _not_null(table: Table, column: Column) -> Iterator[Claim]:
    named = [each for each in table.constraints if each.kind == "n"]
    own = [each.name for each in named if each.columns == (column.name,)]
    actions = []
    if own:
        actions.append(f"ADD CONSTRAINT {quote(own[0])} NOT NULL {quote(column.name)}")
    elif column.not_null:
        actions.append(f"ALTER {quote(column.name)} SET NOT NULL")
    for each in table.sequences:
        if each.identity and each.column == column.name:
            given = f"SEQUENCE NAME {Name(each.name, each.schema)}"
            options = f"({given} {columns.sequence_options(each)})"
            kind = _IDENTITY[column.identity]
            actions.append(f"ALTER {quote(column.name)} ADD GENERATED {kind} AS IDENTITY {options}")
    if actions:
        what = f"NOT NULL of {table.schema}.{table.name}.{column.name}"
        yield Claim(what, tuple(alter(table, each) for each in actions))


def _keys(portrait: Portrait, now: Portrait) -> tuple[foreign_keys.ForeignKey, ...]:
    there = {(key.table, key.name) for key in foreign_keys.foreign_keys(now)}
    found = foreign_keys.foreign_keys(portrait)
    own = {table.full_name for table in portrait.tables}
    return tuple(key for key in found if key.table in own and (key.table, key.name) not in there)
