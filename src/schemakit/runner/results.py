"""What a run returns and what it reports on the way: frozen values that print well.

What they are made of is in `revisions`, what only looks in `findings`: a service at head needs
neither, and every class costs it a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from schemakit.catalog.model import LockHolder

    from .revisions import Applied, Revision

Command = Literal["upgrade", "downgrade", "stamp"]
EventKind = Literal[
    "started",
    "waiting_for_lock",
    "revision_started",
    "revision_finished",
    "revision_failed",
    "retrying",
    "blocked",
    "notice",
    "progress",
    "finished",
]


@dataclass(frozen=True, slots=True)
class Result:
    """What a run did.

    Attributes:
        command: ``upgrade``, ``downgrade`` or ``stamp``.
        applied: the revisions in the order in which they ran.
        heads_before: what the version table held when the run began.
        heads_after: what it holds now.
        waited: seconds spent waiting for the lock.
        duration: seconds in all.
        ahead: revisions in the database that this code does not know (then nothing ran).
        committed: False on a connection whose transaction the caller has yet to commit.
    """

    command: Command
    applied: tuple[Applied, ...] = ()
    heads_before: tuple[str, ...] = ()
    heads_after: tuple[str, ...] = ()
    waited: float = 0.0
    duration: float = 0.0
    ahead: tuple[str, ...] = ()
    committed: bool = True

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return self.heads_before != self.heads_after or bool(self.applied)

    def __str__(self) -> str:
        """A line per revision and a line that sums up."""
        lines = [str(applied) for applied in self.applied]
        if self.ahead:
            unknown = ", ".join(self.ahead)
            lines.append(
                f"nothing to {self.command}: the database is ahead of this code ({unknown})"
            )
        elif not self:
            lines.append(f"nothing to {self.command}: already at {heads_text(self.heads_after)}")
        else:
            lines.append(self._summary())
        return "\n".join(lines)

    def _summary(self) -> str:
        waited = f", waited {duration_text(self.waited)} for the lock" if self.waited else ""
        open_ = "" if self.committed else ", to be committed by the caller"
        move = f"{heads_text(self.heads_before)} -> {heads_text(self.heads_after)}"
        return f"{self.command}: {move} in {duration_text(self.duration)}{waited}{open_}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during a run.

    Attributes:
        kind: ``started``, ``waiting_for_lock``, ``revision_started``, ``revision_finished``,
            ``revision_failed``, ``retrying``, ``blocked``, ``notice``, ``progress`` or
            ``finished``.
        command: ``upgrade``, ``downgrade``, ``stamp``, or the name of another call.
        revision: the revision it is about, if it is about one.
        position: which revision of the run that is, from 1.
        total: how many revisions the run has; 0 while that is not known.
        seconds: how long it took (finished, failed), has been waiting (waiting_for_lock, blocked)
            or will wait (retrying).
        holders: who holds the lock (waiting_for_lock) or was in the way (retrying, blocked).
        message: one line for a log.
        rows: how many have come through (progress); until the end by their share of the bytes.
        bytes: how many have (progress), before compression.
        of_bytes: how many there will be, by an estimate; 0 if there is none.
    """

    kind: EventKind
    command: str
    revision: Revision | None = None
    position: int = 0
    total: int = 0
    seconds: float = 0.0
    holders: tuple[LockHolder, ...] = ()
    message: str = ""
    rows: int = 0
    bytes: int = 0
    of_bytes: int = 0

    def __str__(self) -> str:
        """The message."""
        return self.message or self.kind


def in_the_way(holders: tuple[LockHolder, ...]) -> str:
    """Return *holders* for a message."""
    return "; ".join(map(str, holders))


def heads_text(heads: tuple[str, ...]) -> str:
    """Return *heads* for a message; an empty database is at ``base``."""
    return ", ".join(heads) or "base"


def duration_text(seconds: float) -> str:
    """Return *seconds* for a message."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
