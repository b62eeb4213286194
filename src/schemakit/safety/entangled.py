"""Policies, rules, triggers and defaults of a table that mention relations which stay behind.

They would keep those from being dropped, or go with them without a word. They are dropped while the
table is away, and made anew when it is back.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.portrait import Portrait
from schemakit.catalog.table import Table
from schemakit.sql.name import quote
from schemakit.sql.plan import Statement

from . import behaviour
from .saying import on

_WHY = "it mentions a relation that stays behind"


def cut(portrait: Portrait) -> Iterator[Statement]:
    """What drops them."""
    for table in portrait.tables:
        for kind, name in _named(table):
            sql = f"DROP {kind} {quote(name)} ON {table.full_name}"
            yield on(table.full_name, sql, _WHY)
        for column in table.columns:
            if column.entangled:
                yield behaviour.default(table, column.name, None)


def tied_again(portrait: Portrait) -> Iterator[Statement]:
    """What makes them anew."""
    for table in portrait.tables:
        for policy in table.policies:
            if policy.entangled:
                yield from behaviour.policy(table, policy)
        for rule in table.rules:
            if rule.entangled:
                yield from behaviour.rule(table, rule)
        for column in table.columns:
            if column.entangled:
                yield behaviour.default(table, column.name, column.default)
        yield from _triggers(portrait, table)


def _triggers(portrait: Portrait, table: Table) -> Iterator[Statement]:
    for trigger in table.triggers:
        if not trigger.entangled:
            continue
        if not trigger.cloned:
            yield from behaviour.trigger(table, trigger)
        elif table is not portrait.table:
            yield from behaviour.trigger_state(table, trigger)


def _named(table: Table) -> Iterator[tuple[str, str]]:
    yield from (("POLICY", each.name) for each in table.policies if each.entangled)
    yield from (("RULE", each.name) for each in table.rules if each.entangled)
    yield from (
        ("TRIGGER", each.name) for each in table.triggers if each.entangled and not each.cloned
    )
