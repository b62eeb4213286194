"""Policies, rules, triggers and defaults that mention relations from both sides of a move.

Those of the table would keep what stays behind from being dropped, or go with it without a word.
Those of others would keep reading what is gone, as DROP TABLE … CASCADE would not let them. They
are dropped while the table is away, and made anew when it is back.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.dependants import Mention, Other
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
    yield from map(_forgotten, portrait.mentions)


def tied_again(portrait: Portrait) -> Iterator[Statement]:
    """What makes them anew."""
    for table in portrait.tables:
        for policy in table.policies:
            if policy.entangled:
                yield from behaviour.policy(table.full_name, policy)
        for rule in table.rules:
            if rule.entangled:
                yield from behaviour.rule(table, rule)
        for column in table.columns:
            if column.entangled:
                yield behaviour.default(table, column.name, column.default)
        yield from _triggers(portrait, table)
    for mention in portrait.mentions:
        yield from mentioned(mention)


def _forgotten(mention: Mention) -> Statement:
    why = "it mentions a table that is not there any more"
    if mention.policy is not None:
        sql = f"DROP POLICY {quote(mention.policy.name)} ON {mention.table}"
    else:
        column = quote(str(mention.column))
        sql = f"ALTER TABLE ONLY {mention.table} ALTER {column} DROP DEFAULT"
    return on(mention.table, sql, why)


def mentioned(mention: Mention) -> Iterator[Statement]:
    """What makes another table's policy or default that mentions this one."""
    if mention.policy is not None:
        yield from behaviour.policy(mention.table, mention.policy)
    else:
        column = quote(str(mention.column))
        action = f"ALTER {column} SET DEFAULT {mention.default}"
        yield on(mention.table, f"ALTER TABLE ONLY {mention.table} {action}")


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


def unmentioned(portrait: Portrait) -> tuple[Other, ...]:
    """Return what depends on the table and is left as it is: no policy, and no default."""
    return tuple(each for each in portrait.others if each.kind not in ("policy", "default value"))
