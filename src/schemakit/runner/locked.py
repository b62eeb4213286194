"""Under the migration lock: the revisions run, and what the server kept of them is read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio
from sqlalchemy.exc import DBAPIError

from schemakit.catalog import read
from schemakit.catalog.version_table import stored_versions
from schemakit.errors import NotCommitted, RevisionFailed

from . import decide, failure, wire
from .driver import drive
from .environment import EnvironmentRun, Observation, run
from .heal import resumed
from .ledger import Ledger
from .limits import Limits
from .locks import lock_key
from .results import Command, Event, heads_text
from .retry import Patience
from .revisions import Applied
from .roles import assumed
from .routing import asked_if_it_can
from .session_state import SessionState
from .settings import Settings
from .target import TIDY_SECONDS
from .watchdog import watching

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.sql.resumable import Resumable

    from .directory import Directory
    from .flow import Flow
    from .reporter import Reporter
    from .target import Session

#: Seconds that must be left for another attempt or two, if this one is to give way.
_LEFT_FOR_YIELDING = 10.0
#: Seconds between two looks whether who was in the way is gone.
_POLL = 0.2

#: Given the heads of the version table, the steps to run.
Steps = Callable[[Sequence[str]], list[Any]]


def _held() -> None:
    """The lock is the migrating session's own: it is held as long as there is anything to run."""


@dataclass(frozen=True, slots=True)
class Done:
    """What the server has when the revisions have run."""

    applied: tuple[Applied, ...]
    heads_before: tuple[str, ...]
    heads_after: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Locked:
    """A run of the revisions; the lock is held by the session it happens on.

    Attributes:
        lock_check: raises if the lock has been lost.
    """

    command: Command
    session: Session
    directory: Directory
    reporter: Reporter
    steps: Steps
    settings: Settings = field(default_factory=Settings)
    purge: bool = False
    lock_check: Callable[[], None] = _held
    _applied: tuple[Applied, ...] = ()
    _pid: int = 0
    _before: tuple[str, ...] | None = None

    async def migrate(self) -> Done:
        """Run the revisions, and again where that helps and the server has kept no part of one.

        Raises:
            SchemakitError: what failed, and what the server has kept.
        """
        if self._kept_by_session:
            return await self._persistently(None)
        state = SessionState()
        await self._drive(state.remember())
        try:
            return await self._persistently(state)
        finally:
            await self._restored(state)

    @property
    def _kept_by_session(self) -> bool:
        """Whether nothing that is SET outlives the run, or a transaction behind a pooler."""
        return self.session.owned or self.session.pooled

    async def _restored(self, state: SessionState) -> None:
        async def restored() -> None:
            await self.session.resting()
            await self._drive(state.restore())
            self.session.assumed = False

        if self.session.external:
            with suppress(Exception):  # a transaction that failed takes its settings with it
                await restored()
        elif self.session.alive:
            await self.session.tidied(restored)

    async def _persistently(self, state: SessionState | None) -> Done:
        patience = Patience(self.settings.retry_for)
        with wire.unhurried(wire.adapted(self.session.sync)):
            while True:
                watch = self._observation(state, yields=patience.left > _LEFT_FOR_YIELDING)
                try:
                    return await self._attempt(watch)
                except RevisionFailed as error:
                    again = patience.again(error, self.command, yielded=watch.yielded)
                    if again is None or self.session.external or not self.session.alive:
                        raise
                    self._applied = error.applied
                await self.reporter.tell(again)
                await self._until(again, patience)

    async def _until(self, again: Event, patience: Patience) -> None:
        """Wait as *again* says, and as long as who was in the way is there: it would be in vain."""
        began, pids = monotonic(), [holder.pid for holder in again.holders]
        await anyio.sleep(again.seconds)
        while pids and patience.left > _POLL:
            waited = monotonic() - began
            if not await self.session.ask(read.still_there, pids, waited):
                return
            await anyio.sleep(_POLL)

    def _observation(self, state: SessionState | None, *, yields: bool) -> Observation:
        watch = Observation(
            self.steps,
            self._resume,
            limits=Limits.of(self.session, self.settings),
            state=state,
            lock_check=self.lock_check,
            done=len(self._applied),
        )
        watch.ledger = Ledger() if self.settings.record else None
        watch.yields = yields and not self.session.external
        return watch

    async def _attempt(self, watch: Observation) -> Done:
        if watch.limits is not None and not watch.limits.each:
            await assumed(self.session, self.settings.role, watch.limits.opening())
            self.session.assumed = True
        if watch.ledger is not None:
            await self._drive(watch.ledger.opened())
        self._pid = 0 if self.session.pooled else wire.backend_pid(wire.adapted(self.session.sync))
        try:
            async with watching(self.session, self.settings, watch, self.command, self.reporter):
                done = await run(
                    self.session,
                    self.directory,
                    self.command,
                    self.reporter,
                    watch,
                    purge=self.purge,
                )
        except Exception as error:  # noqa: BLE001 - a revision is anybody's code
            self._note_where_it_began(watch)
            kept, heads = await self._kept(watch)
            watch.routing = await asked_if_it_can(self.session, error)
            await self.session.connection.run_sync(partial(_failed, watch, error))
            failure.reraise(error, watch, kept, heads, external=self.session.external)
        return await self._verified(done, watch)

    def _resume(self, connection: Connection, step: Resumable, sql: str) -> str:
        return drive(connection, resumed(step, sql, self.command), self.reporter)

    async def _drive(self, flow: Flow[Any]) -> Any:
        return await self.session.connection.run_sync(drive, flow, self.reporter)

    async def _verified(self, done: EnvironmentRun, watch: Observation) -> Done:
        after = done.heads
        if done.table is not None or done.single:
            await self.session.resting()
            after = await self.session.ask(stored_versions, done.version_table)
            expected = done.expected
            if expected is not None and frozenset(after) != expected:
                detail = (
                    f"It is at {heads_text(after)}, not at {heads_text(tuple(sorted(expected)))}."
                )
                raise NotCommitted(detail)
        self.directory.remember(done.table)
        self._note_where_it_began(watch)
        return Done(self._applied + done.applied, self._before or (), after)

    def _note_where_it_began(self, watch: Observation) -> None:
        configured = watch.journal.configured if watch.journal else []
        if self._before is None and configured:
            self._before = tuple(sorted(configured[0].heads))

    async def _kept(self, watch: Observation) -> tuple[tuple[Applied, ...], tuple[str, ...] | None]:
        """Return what the server has kept of a run that failed; None: that cannot be known.

        A connection that was lost comes back here, if there is a server to come back to.
        """
        table = watch.version_table
        if self.session.external or (table is None and watch.steps):
            return self._applied, None
        if table is None:
            return self._applied, ()
        lost = not self.session.alive
        try:
            with anyio.fail_after(TIDY_SECONDS):
                await self.session.resting()
                if lost and self._pid:
                    await self._ended()
                heads = await self.session.ask(stored_versions, table)
        except Exception:  # noqa: BLE001 - what failed is to be told, not this
            return self._applied, None
        kept = tuple(step.applied for step in decide.committed(watch.steps, heads))
        return self._applied + kept, heads

    async def _ended(self) -> None:
        """Have the server end the session that was lost: it may not know, and still hold the lock.

        Until it has ended, what it is about to commit is not to be seen.
        """
        seconds = min(self.settings.server_timeout / 2, TIDY_SECONDS / 2)
        key = lock_key(self.settings.lock_name)
        with suppress(DBAPIError):  # another's, by now: it may not be ended
            await self.session.ask(read.end_session, self._pid, key, seconds)


def _failed(watch: Observation, error: Exception, _: Connection) -> None:
    if watch.journal is not None:
        watch.journal.fail(error)
