"""What a call returns and what it reports on the way: frozen values that print well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from schemakit.catalog.model import IndexName, LockHolder

Command = Literal["upgrade", "downgrade", "stamp"]
EventKind = Literal[
    "started",
    "waiting_for_lock",
    "revision_started",
    "revision_finished",
    "revision_failed",
    "retrying",
    "notice",
    "finished",
]


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of the migrations directory.

    Attributes:
        id: its revision id.
        down: the ids it follows; empty for a base, several for a merge.
        doc: first paragraph of its docstring.
        path: its file.
        labels: its branch labels.
        depends_on: ids it depends on without following them.
        is_head: whether nothing follows it.
    """

    id: str
    down: tuple[str, ...] = ()
    doc: str = ""
    path: str = ""
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    is_head: bool = False

    def __str__(self) -> str:
        """``a1 -> b2 (head), what it does``."""
        marks = " (head)" if self.is_head else ""
        labels = f" ({', '.join(self.labels)})" if self.labels else ""
        return f"{', '.join(self.down) or '<base>'} -> {self.id}{labels}{marks}, {self.doc}"


@dataclass(frozen=True, slots=True)
class Applied:
    """A revision that a run has applied or reverted.

    Attributes:
        revision: its id.
        direction: ``upgrade``, ``downgrade`` or ``stamp``.
        duration: seconds.
        doc: first paragraph of its docstring.
    """

    revision: str
    direction: Command
    duration: float
    doc: str = ""

    def __str__(self) -> str:
        """``upgrade   0001_users  create users (12 ms)``."""
        return f"{self.direction:<9} {self.revision}  {self.doc} ({_duration(self.duration)})"


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
        waited = f", waited {_duration(self.waited)} for the lock" if self.waited else ""
        open_ = "" if self.committed else ", to be committed by the caller"
        move = f"{heads_text(self.heads_before)} -> {heads_text(self.heads_after)}"
        return f"{self.command}: {move} in {_duration(self.duration)}{waited}{open_}"


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands.

    Attributes:
        database: its name.
        server: the server's version, e.g. ``18.6``.
        current: what its version table holds.
        heads: the heads of the migrations directory.
        pending: the revisions that ``upgrade`` to heads would apply, in that order.
        unknown: revisions in the database that this code does not know.
        invalid_indexes: what a broken CREATE INDEX CONCURRENTLY left behind.
    """

    database: str
    server: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[Revision, ...]
    unknown: tuple[str, ...] = ()
    invalid_indexes: tuple[IndexName, ...] = ()

    @property
    def at_head(self) -> bool:
        """Whether nothing is pending and nothing unknown."""
        return not self.pending and not self.unknown

    def __str__(self) -> str:
        """A few lines, the verdict last."""
        lines = [
            f"database  {self.database} (PostgreSQL {self.server})",
            f"current   {heads_text(self.current)}",
            f"heads     {heads_text(self.heads)}",
        ]
        lines += [f"pending   {revision}" for revision in self.pending]
        lines += [f"unknown   {revision}" for revision in self.unknown]
        lines += [f"invalid   index {index}" for index in self.invalid_indexes]
        lines.append(f"status    {self._verdict()}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        if self.unknown:
            return "ahead of this code"
        return f"{len(self.pending)} pending" if self.pending else "at head"


@dataclass(frozen=True, slots=True)
class Drift:
    """What `check` found: how the database differs from the metadata.

    Attributes:
        differences: one line of Alembic operations (Python source) for each difference.
        pending: revisions not yet applied; they are differences of their own.
    """

    differences: tuple[str, ...] = ()
    pending: tuple[Revision, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.differences or self.pending)

    def __str__(self) -> str:
        """A line each."""
        lines = [f"pending   {revision}" for revision in self.pending]
        lines += [f"differs   {difference}" for difference in self.differences]
        return "\n".join(lines) or "no difference"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during a run.

    Attributes:
        kind: ``started``, ``waiting_for_lock``, ``revision_started``, ``revision_finished``,
            ``revision_failed``, ``retrying``, ``notice`` or ``finished``.
        command: ``upgrade``, ``downgrade`` or ``stamp``.
        revision: the revision it is about, if it is about one.
        position: which revision of the run that is, from 1.
        total: how many revisions the run has; 0 while that is not known.
        seconds: how long it took (finished, failed) or has been waiting (waiting_for_lock).
        holders: who holds the lock (waiting_for_lock).
        message: one line for a log.
    """

    kind: EventKind
    command: Command
    revision: Revision | None = None
    position: int = 0
    total: int = 0
    seconds: float = 0.0
    holders: tuple[LockHolder, ...] = ()
    message: str = ""

    def __str__(self) -> str:
        """The message."""
        return self.message or self.kind


def heads_text(heads: tuple[str, ...]) -> str:
    """Return *heads* for a message; an empty database is at ``base``."""
    return ", ".join(heads) or "base"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
