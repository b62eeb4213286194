"""Rows put into a table that is there, as they once were: as statements.

What hangs on the table stays as it is, for the table remains the same one. While its rows are
replaced, no trigger fires and no foreign key looks: those are put back unproven, and proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemakit.catalog.portrait import Portrait
from schemakit.catalog.table import Column, Table
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from . import behaviour, belongings, foreign_keys
from .columns import loadable
from .foreign_keys import Proof
from .saying import alter, listed, on, pins

_RULES = {"O": "ENABLE RULE", "R": "ENABLE REPLICA RULE", "A": "ENABLE ALWAYS RULE"}


@dataclass(frozen=True, slots=True)
class Refill:
    """What replaces the rows of a table: the new ones are the caller's, between the two.

    Attributes:
        emptied: takes the rows out, and holds off what would look at new ones.
        after: puts back what was held off, and the positions of sequences.
        proofs: what makes foreign keys valid again, each in a savepoint.
    """

    emptied: tuple[Statement, ...]
    after: tuple[Statement, ...]
    proofs: tuple[Proof, ...]


def refill(live: Portrait, as_it_was: Portrait) -> Refill:
    """Return what replaces the rows of *live*.

    Args:
        live: the table as it is.
        as_it_was: how its sequences stood.
    """
    keys = foreign_keys.foreign_keys(live)
    version = live.server_version
    after = [pins()]
    for key in keys:
        after += foreign_keys.put_back(key, version)
    after += let_go(live)
    for table in as_it_was.tables:
        after += belongings.sequences_set(table)
    return Refill(
        (pins(), *map(foreign_keys.dropped, keys), *_emptied(live)),
        tuple(after),
        tuple(each for key in keys for each in foreign_keys.proof(key, version)),
    )


def filled(table: Table, source: Name, seal: str | None) -> str:
    """Return the INSERT of the rows that the copy *source* holds.

    Only those that the transaction *seal* wrote: so their number tells whether they are all there,
    and no other one is.
    """
    known = {each.name: each for each in table.columns}
    names = loadable(table)
    selected = ", ".join(read_back(known[name]) for name in names)
    sealed = f" WHERE xmin = '{int(seal)}'::xid" if seal else ""
    return (
        f"INSERT INTO {table.full_name} ({listed(names)}) OVERRIDING SYSTEM VALUE"  # noqa: S608 - quoted names
        f" SELECT {selected} FROM {source}{sealed}"
    )


def read_back(column: Column) -> str:
    """Return what makes a value in a copy one of *column* again: some are kept as text."""
    return f"CAST({quote(column.name)} AS {column.type})"


def held_off(live: Portrait) -> Iterator[Statement]:
    """What keeps triggers, rules and policies from acting on the rows that are put in."""
    for table in live.tables:
        yield from _off(table)


def let_go(live: Portrait) -> Iterator[Statement]:
    """What has them act again as they did."""
    for table in live.tables:
        yield from _on_again(table)


def _emptied(live: Portrait) -> Iterator[Statement]:
    yield from held_off(live)
    only = "" if live.table.kind == "p" else "ONLY "
    yield on(live.name, f"TRUNCATE {only}{live.name}")


def _off(table: Table) -> Iterator[Statement]:
    if table.triggers:
        yield alter(table, "DISABLE TRIGGER USER", only=True)
    for rule in table.rules:
        yield alter(table, f"DISABLE RULE {quote(rule.name)}")
    if table.force_row_security:
        yield alter(table, "NO FORCE ROW LEVEL SECURITY")


def _on_again(table: Table) -> Iterator[Statement]:
    for trigger in table.triggers:
        yield from behaviour.trigger_state(table, trigger)
    for rule in table.rules:
        if rule.enabled in _RULES:
            yield alter(table, f"{_RULES[rule.enabled]} {quote(rule.name)}")
    if table.force_row_security:
        yield alter(table, "FORCE ROW LEVEL SECURITY")
