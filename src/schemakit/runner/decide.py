"""Decisions as pure functions of plain values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar


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
