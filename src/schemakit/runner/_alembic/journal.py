"""What happens during one run, written down as it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

from schemakit.runner.results import Command, Event
from schemakit.runner.revisions import Applied, Revision
from schemakit.sql import Name

Notify = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Configured:
    """A call of ``context.configure``.

    Attributes:
        table: the version table it names.
        heads: what that table held.
        plain: whether env.py itself made the call, on the connection as it was given.
    """

    table: Name
    heads: tuple[str, ...]
    plain: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A revision that has run, and the heads it left; committed or not."""

    revision: Revision
    applied: Applied
    heads: frozenset[str]


@dataclass(slots=True)
class Journal:
    """The record of one execution of env.py.

    Attributes:
        command: for the events.
        notify: gets the events.
        done: how many revisions earlier attempts have applied.
        unheard: whether nobody listens to events now.
        configured: every `context.configure`, in order.
        steps: the revisions that have run.
        planned: how many will.
        revision: the revision that is running.
        statement: the last statement sent for it.
        failure: what a revision raised, even if env.py hid it.
        strays: statements that env.py sent outside of any revision.
        sends: how many statements the revision that is running has sent.
        parts: of each revision that has committed some of its statements by itself, how many:
            these are kept, whatever becomes of the revision.
    """

    command: Command
    notify: Notify
    done: int = 0
    unheard: Callable[[], bool] = bool
    configured: list[Configured] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    planned: int = 0
    revision: Revision | None = None
    statement: str | None = None
    failure: BaseException | None = None
    strays: int = 0
    migrating: bool = False
    sends: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    _began: float = 0.0

    @property
    def blamed(self) -> Revision | None:
        """The revision that a failure now is put down to: at COMMIT, the last that ran."""
        if self.revision is not None or not self.steps:
            return self.revision
        return self.steps[-1].revision

    @property
    def partial(self) -> bool:
        """Whether the revision that is running has committed some of its statements by itself."""
        return self.revision is not None and self.revision.id in self.parts

    @property
    def running_for(self) -> float:
        """Seconds since the revision that is running began; 0 if none is."""
        return monotonic() - self._began if self.revision is not None else 0.0

    def plan(self, revisions: int) -> None:
        """*revisions* more are about to run."""
        self.planned += revisions

    def begin(self, revision: Revision) -> None:
        """*revision* starts."""
        self.revision, self.statement, self._began = revision, None, monotonic()
        self.sends = 0
        if not self.unheard():
            self._tell("revision_started", f"{self.command} {revision.id}, {revision.doc}")

    def end(self, heads: Iterable[str]) -> None:
        """The revision that is running has ended and left *heads*."""
        revision = self.revision
        if revision is None:
            return
        seconds = monotonic() - self._began
        applied = Applied(revision.id, self.command, seconds, revision.doc)
        self.steps.append(Step(revision, applied, frozenset(heads)))
        if not self.unheard():
            self._tell("revision_finished", str(applied), seconds)
        self.revision = None

    def commit(self, sends: int) -> None:
        """The first *sends* statements of the revision that is running are committed."""
        if self.revision is not None and sends > 0:
            self.parts[self.revision.id] = sends

    def fail(self, error: BaseException) -> None:
        """A revision raised *error*, or its COMMIT did; what is told first is the failure."""
        if self.failure is not None:
            return
        self.failure = error
        if self.blamed is not None:
            message = f"{self.command} {self.blamed.id} failed: {type(error).__name__}"
            self._tell("revision_failed", message, monotonic() - self._began)

    def sent(self, sql: str) -> None:
        """*sql* goes to the server."""
        if self.revision is not None:
            self.statement = sql
            self.sends += 1
        elif not self.migrating:
            self.strays += 1

    def _tell(self, kind: str, message: str, seconds: float = 0.0) -> None:
        running = self.revision is not None and kind != "revision_finished"
        self.notify(
            Event(
                kind,  # type: ignore[arg-type]  # one of EventKind, given above
                self.command,
                self.blamed,
                self.done + len(self.steps) + running,
                self.done + self.planned,
                seconds,
                (),
                message,
            )
        )
