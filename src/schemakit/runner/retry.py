"""A revision that met a lock or a deadlock is rolled back whole and tried again, patiently."""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from .results import Command, Event, in_the_way

if TYPE_CHECKING:
    from schemakit.errors import RevisionFailed

#: SQLSTATEs of what may be over the next time (manual, appendix A).
_PASSING = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock not available",
}
_LOCK_NOT_AVAILABLE, _CANCELED = "55P03", "57014"
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.5, 2.0, 15.0


@dataclass(slots=True)
class Patience:
    """How often, and for how long, a revision is tried again.

    Attributes:
        seconds: for how long, since its first failure.
    """

    seconds: float
    _revision: str = ""
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
        if yielded and sqlstate == _CANCELED:
            sqlstate = _LOCK_NOT_AVAILABLE
        if sqlstate not in _PASSING or error.partial:
            return None
        if error.revision != self._revision:  # what stood before it has gone through
            self._revision, self._attempts, self._began = error.revision, 0, monotonic()
        pause = min(_FIRST_PAUSE * _GROWTH**self._attempts, _LONGEST_PAUSE)
        pause *= random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        self._attempts += 1
        if monotonic() - self._began + pause > self.seconds:
            return None
        who = f", in the way: {in_the_way(error.blockers)}" if error.blockers else ""
        when = " or when they are gone" if error.blockers else ""
        when += f", for {self.left:.0f} s more at most"
        message = (
            f"{_PASSING[sqlstate]} in {error.revision}{who}: trying again in {pause:.1f} s{when}"
        )
        return Event("retrying", command, None, 0, 0, pause, error.blockers, message)
