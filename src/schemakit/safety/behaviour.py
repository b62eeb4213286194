"""What a table does besides keeping rows: its triggers, rules and policies, as statements."""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.catalog.table import Policy, Rule, Table, Trigger
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Statement

from .saying import alter, comment, listed, on

_ENABLED = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}


def trigger(table: Table, each: Trigger) -> Iterator[Statement]:
    """What makes a trigger of *table*."""
    yield on(table.full_name, each.definition, mode=LockMode.SHARE_ROW_EXCLUSIVE)
    if each.enabled == "O":
        yield from comment(f"TRIGGER {quote(each.name)} ON {table.full_name}", each.comment)
    else:
        yield from trigger_state(table, each)


def trigger_state(table: Table, each: Trigger) -> Iterator[Statement]:
    """What has a trigger that is there fire when it did, and gives it its comment."""
    # ONLY: its partitions have a state of their own.
    action = f"{_ENABLED[each.enabled]} TRIGGER {quote(each.name)}"
    sql = f"ALTER TABLE ONLY {table.full_name} {action}"
    yield on(table.full_name, sql, mode=LockMode.SHARE_ROW_EXCLUSIVE)
    yield from comment(f"TRIGGER {quote(each.name)} ON {table.full_name}", each.comment)


def rule(table: Table, each: Rule) -> Iterator[Statement]:
    """What makes a rule of *table*."""
    yield on(table.full_name, each.definition)
    if each.enabled != "O":
        sql = f"ALTER TABLE {table.full_name} {_ENABLED[each.enabled]} RULE {quote(each.name)}"
        yield on(table.full_name, sql)
    yield from comment(f"RULE {quote(each.name)} ON {table.full_name}", each.comment)


def policy(table: Name, each: Policy) -> Iterator[Statement]:
    """What makes a policy of *table*."""
    parts = [
        f"CREATE POLICY {quote(each.name)} ON {table}",
        f"AS {'PERMISSIVE' if each.permissive else 'RESTRICTIVE'} FOR {_COMMANDS[each.command]}",
        f"TO {listed(each.roles)}" if each.roles else "TO PUBLIC",
        "" if each.using is None else f"USING ({each.using})",
        "" if each.check is None else f"WITH CHECK ({each.check})",
    ]
    yield on(table, " ".join(part for part in parts if part))
    yield from comment(f"POLICY {quote(each.name)} ON {table}", each.comment)


def default(table: Table, column: str, expression: str | None) -> Statement:
    """What gives a column of *table* its default, or takes it away, and from no child of it."""
    action = "DROP DEFAULT" if expression is None else f"SET DEFAULT {expression}"
    return alter(table, f"ALTER {quote(column)} {action}", only=True)


def row_security(table: Table) -> Iterator[Statement]:
    """What switches row level security of *table* on."""
    if table.row_security:
        yield alter(table, "ENABLE ROW LEVEL SECURITY")
    if table.force_row_security:
        yield alter(table, "FORCE ROW LEVEL SECURITY")
