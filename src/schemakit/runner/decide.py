"""Decisions as pure functions of plain values."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from schemakit.sql import Name

_TABLE_ARGUMENTS = ("version_table", "version_table_schema")


def is_settled(target: str, versions: Collection[str], effective: Collection[str]) -> bool:
    """Whether a database at *versions* surely has nothing to do to be at *target*.

    False where only a full load of the revisions can tell (``+1``, a partial id, a label, an
    older revision).

    Args:
        target: what `upgrade` was asked for.
        versions: what the version table holds.
        effective: what it holds when everything is applied.
    """
    if target in ("head", "heads"):
        return bool(effective) and set(versions) == set(effective)
    return target in versions


class _Step(Protocol):
    @property
    def heads(self) -> frozenset[str]: ...


_S = TypeVar("_S", bound=_Step)


def committed(steps: Sequence[_S], after: Collection[str]) -> tuple[_S, ...]:
    """Return those of the *steps* that the server has, if its version table holds *after*.

    A run that fails is rolled back to its last commit, wherever Alembic made one; each step
    knows the heads it left, so the last one that left *after* is the last that was kept.
    """
    for count in range(len(steps), 0, -1):
        if steps[count - 1].heads == frozenset(after):
            return tuple(steps[:count])
    return ()


def declares_table(source: str, table: Name, default: str = "alembic_version") -> bool:
    """Whether the text of an env.py says by itself that the version table is *table*.

    It does if every value that it gives for one is a literal, all are the same, and no arguments
    are passed on unseen (``configure(**options)``): then it says so again next time.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    found: dict[str, set[object]] = {name: set() for name in _TABLE_ARGUMENTS}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if _is_configure(call) and any(keyword.arg is None for keyword in call.keywords):
            return False
        for keyword in call.keywords:
            if keyword.arg in found and not _is_offline(call):
                if not isinstance(keyword.value, ast.Constant):
                    return False
                found[keyword.arg].add(keyword.value.value)
    names, schemas = (found[name] or {None} for name in _TABLE_ARGUMENTS)
    if names == {None}:
        names = {default}
    return names == {table.name} and schemas == {table.schema}


def _is_configure(call: ast.Call) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("configure", "run")


def _is_offline(call: ast.Call) -> bool:
    return any(keyword.arg in ("url", "dialect_name") for keyword in call.keywords)
