"""Under the migration lock: the revisions run, and what the server kept of them is read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from schemakit.catalog.version_table import stored_versions
from schemakit.errors import NotCommitted, RevisionFailed

from . import decide, failure
from .driver import drive
from .environment import EnvironmentRun, Observation, run
from .heal import clear_the_way
from .results import Command, Event, heads_text
from .revisions import Applied
from .target import TIDY_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.sql import Name

    from .directory import Directory
    from .reporter import Reporter
    from .target import Session

#: SQLSTATEs of what may be over the next time (manual, appendix A).
_PASSING = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock not available",
}
#: Seconds before each further attempt.
_PAUSES = (0.5, 2.0)

#: Given the heads of the version table, the steps to run.
Steps = Callable[[Sequence[str]], list[Any]]


@dataclass(frozen=True, slots=True)
class Done:
    """What the server has when the revisions have run."""

    applied: tuple[Applied, ...]
    heads_before: tuple[str, ...]
    heads_after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Locked:
    """A run of the revisions; the lock is held by the session it happens on."""

    command: Command
    session: Session
    directory: Directory
    reporter: Reporter
    steps: Steps
    purge: bool = False

    async def migrate(self) -> Done:
        """Run the revisions, and again where that helps and the server has kept nothing.

        Raises:
            SchemakitError: what failed, and what the server has kept.
        """
        for pause in _PAUSES:
            try:
                return await self._attempt()
            except RevisionFailed as error:
                state = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None)
                if state not in _PASSING or error.applied or error.partial or self.session.external:
                    raise
                message = f"{_PASSING[state]} in {error.revision}: trying again in {pause:.1f} s"
            await self.reporter.tell(
                Event("retrying", self.command, seconds=pause, message=message)
            )
            await anyio.sleep(pause)
        return await self._attempt()

    async def _attempt(self) -> Done:
        watch = Observation(self.steps, self._before_index)
        try:
            done = await run(
                self.session, self.directory, self.command, self.reporter, watch, purge=self.purge
            )
        except Exception as error:  # noqa: BLE001 - a revision is anybody's code
            kept, heads = await self._kept(watch)
            await self.session.connection.run_sync(partial(_failed, watch, error))
            failure.reraise(error, watch, kept, heads, external=self.session.external)
        return await self._verified(done)

    def _before_index(self, connection: Connection, index: Name, sql: str) -> str:
        return drive(connection, clear_the_way(index, sql, self.command), self.reporter)

    async def _verified(self, done: EnvironmentRun) -> Done:
        after = done.heads
        if done.table is not None or done.single:
            await self.session.resting()
            after = await self.session.connection.run_sync(stored_versions, done.version_table)
            expected = done.expected
            if expected is not None and frozenset(after) != expected:
                detail = (
                    f"It is at {heads_text(after)}, not at {heads_text(tuple(sorted(expected)))}."
                )
                raise NotCommitted(detail)
        self.directory.remember(done.table)
        return Done(done.applied, done.heads, after)

    async def _kept(self, watch: Observation) -> tuple[tuple[Applied, ...], tuple[str, ...] | None]:
        """Return what the server has kept of a run that failed; None: that cannot be known.

        A connection that was lost comes back here, if there is a server to come back to.
        """
        table = watch.version_table
        if self.session.external or (table is None and watch.steps):
            return (), None
        if table is None:
            return (), ()
        try:
            with anyio.fail_after(TIDY_SECONDS):
                await self.session.resting()
                heads = await self.session.connection.run_sync(stored_versions, table)
        except Exception:  # noqa: BLE001 - what failed is to be told, not this
            return (), None
        return tuple(step.applied for step in decide.committed(watch.steps, heads)), heads


def _failed(watch: Observation, error: Exception, _: Connection) -> None:
    if watch.journal is not None:
        watch.journal.fail(error)
