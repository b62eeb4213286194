"""Who destroys rows needs permission: the decision, from plain values.

Permission is a reason: one that the caller gives for a call, or the reference's switch
``ALLOW_DESTRUCTIVE_MIGRATIONS`` for a process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemakit.errors import ConfigurationError, DestructiveMigrationBlocked
from schemakit.sql.words import counted

SWITCH = "ALLOW_DESTRUCTIVE_MIGRATIONS"
_ON = frozenset({"true", "1", "yes", "on"})
_OFF = frozenset({"false", "0", "no", "off", ""})
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Loss:
    """What a call destroys, or puts out of reach.

    Attributes:
        kind: ``table``, ``column``, ``backup`` or whatever else it is.
        name: what it is called, with its schema.
        rows: how many it holds; None if nobody knows.
        exact: whether *rows* was counted, and not estimated.
        dependants: what goes with it, e.g. ``view app.totals``.
    """

    kind: str
    name: str
    rows: int | None = None
    exact: bool = True
    dependants: tuple[str, ...] = ()

    @property
    def harmless(self) -> bool:
        """Whether nobody misses a row: it was counted, and holds none."""
        return self.exact and self.rows == 0

    def __str__(self) -> str:
        """``table app.chunks: 1,000 rows, and with it view app.totals``."""
        parts = [f"{self.kind} {self.name}: {_rows_text(self.rows, exact=self.exact)}"]
        if self.dependants:
            more = len(self.dependants) - _SHOWN
            shown = ", ".join(self.dependants[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
            parts.append(f"and with it {shown}")
        return ", ".join(parts)


def reason_given(reason: str = "", environ: Mapping[str, str] | None = None) -> str:
    """Return the reason for which rows may be destroyed, ``""`` if nobody gave one.

    Args:
        reason: what ``Settings.allow_destructive`` says; it goes first.
        environ: read now and not at import; by default the process's.

    Raises:
        ConfigurationError: the switch says neither yes nor no. Yes is true, 1, yes or on; no is
            false, 0, no, off or nothing: in any case, and whatever space is around it.
    """
    if reason.strip():
        return reason.strip()
    raw = (os.environ if environ is None else environ).get(SWITCH, "")
    word = raw.strip().lower()
    if word in _ON:
        return f"{SWITCH}={raw.strip()}"
    if word in _OFF:
        return ""
    detail = f"{SWITCH}={raw!r} is neither yes nor no."
    raise ConfigurationError(detail, remedy=f"set {SWITCH}=true, or unset it.")


def permitted(
    action: str,
    losses: Iterable[Loss],
    *,
    reason: str = "",
    environ: Mapping[str, str] | None = None,
) -> str:
    """Return the reason for which *action* may go on; what is empty needs none.

    Args:
        action: what is about to be done, for the message: ``drop_table``.
        losses: what it destroys.
        reason: as `reason_given` takes it.
        environ: the same.

    Raises:
        DestructiveMigrationBlocked: rows would go, and nobody has allowed it.
        ConfigurationError: the switch says neither yes nor no.
    """
    given = reason_given(reason, environ)
    missed = [loss for loss in losses if not loss.harmless]
    if missed and not given:
        detail = f"{action} would destroy\n" + "\n".join(f"  {loss}" for loss in missed)
        raise DestructiveMigrationBlocked(detail, losses=missed)
    return given


def _rows_text(rows: int | None, *, exact: bool) -> str:
    if rows is None:
        return "an unknown number of rows"
    about = "" if exact else "about "
    return f"{about}{counted(rows, 'row')}"
