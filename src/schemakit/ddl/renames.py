"""Other names for a tree."""

from __future__ import annotations

from collections.abc import Iterable

from schemakit.errors import LayoutRefused
from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Plan, Statement

from .trees import LIVE_BATCH


def rename_plan(renames: Iterable[tuple[Name, Name]]) -> Plan:
    """Return the plan that renames tables, a few in a transaction.

    Args:
        renames: from and to, in the same schema; the parent first, whose name queries use.

    Raises:
        LayoutRefused: one would move to another schema.
    """
    return Plan.in_batches((_renamed(old, new) for old, new in renames if old != new), LIVE_BATCH)


def _renamed(old: Name, new: Name) -> Statement:
    if old.schema != new.schema:
        detail = f"{old} would move to another schema as {new}."
        raise LayoutRefused(detail, remedy="rename it where it is.")
    return Statement(
        f"ALTER TABLE {old} RENAME TO {quote(new.name)}",
        (TableLock(LockMode.ACCESS_EXCLUSIVE, old),),
        "for a moment: no row is touched",
    )
