"""A revision that met a lock or a deadlock is rolled back whole and tried again, patiently."""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from .results import Command, Event, in_the_way

if TYPE_CHECKING:
    from schemakit.catalog.model import LockHolder
    from schemakit.errors import RevisionFailed

#: SQLSTATEs of what may be over the next time (manual, appendix A).
_PASSING = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock not available",
}
_LOCK_NOT_AVAILABLE, _CANCELED = "55P03", "57014"
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.5, 2.0, 15.0


@dataclass(frozen=True, slots=True)
class Met:
    """What an attempt met.

    Attributes:
        sqlstate: of the error; None if the server did not raise it.
        where: in which revision, or in what else.
        blockers: who was in the way.
        yielded: whether its statement was cancelled by ourselves, to give way.
    """

    sqlstate: str | None
    where: str
    blockers: tuple[LockHolder, ...] = ()
    yielded: bool = False

    @property
    def passing(self) -> str | None:
        """What it is in words, if it may be over the next time; else None."""
        gave_way = self.yielded and self.sqlstate == _CANCELED
        return _PASSING.get(_LOCK_NOT_AVAILABLE if gave_way else self.sqlstate or "")


@dataclass(slots=True)
class Patience:
    """How often, and for how long, a revision is tried again.

    Attributes:
        seconds: for how long, since the first failure after the last revision that went through.
    """

    seconds: float
    _progress: int = -1
    _attempts: int = 0
    _began: float = 0.0

    @property
    def left(self) -> float:
        """Seconds that are left; all of them before the first failure."""
        return self.seconds - (monotonic() - self._began if self._attempts else 0.0)

    def again(
        self, error: RevisionFailed, command: Command, *, yielded: bool = False
    ) -> Event | None:
        """Return the event that announces another attempt after *error*; None: let it be.

        Its ``seconds`` are to be waited. They grow, so that what queued behind the revision gets
        through meanwhile, and are jittered, so that two that deadlocked do not meet again.

        Args:
            error: what came of this attempt.
            command: for the event.
            yielded: whether its statement was cancelled by ourselves, to give way.
        """
        sqlstate = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None)
        if error.partial:
            return None
        met = Met(sqlstate, error.revision, error.blockers, yielded=yielded)
        return self.after(met, command, len(error.applied))

    def after(self, met: Met, command: str, progress: int = 0) -> Event | None:
        """Return the event that announces another attempt after *met*; None: let it be.

        Args:
            met: what this attempt met.
            command: for the event.
            progress: how much has gone through; when that grows, patience begins anew.
        """
        if met.passing is None:
            return None
        if progress != self._progress:  # not by a name: two may take turns at failing
            self._progress, self._attempts, self._began = progress, 0, monotonic()
        pause = min(_FIRST_PAUSE * _GROWTH**self._attempts, _LONGEST_PAUSE)
        pause *= random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        self._attempts += 1
        if monotonic() - self._began + pause > self.seconds:
            return None
        who = f", in the way: {in_the_way(met.blockers)}" if met.blockers else ""
        when = " or when they are gone" if met.blockers else ""
        when += f", for {self.left:.0f} s more at most"
        message = f"{met.passing} in {met.where}{who}: trying again in {pause:.1f} s{when}"
        return Event("retrying", command, None, 0, 0, pause, met.blockers, message)
