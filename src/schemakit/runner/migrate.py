"""upgrade, downgrade, stamp: from the call to the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from sqlalchemy.exc import DBAPIError

from schemakit.catalog import read
from schemakit.catalog.version_table import stored_versions
from schemakit.errors import DatabaseAhead, NotCommitted, UnsupportedServer

from . import decide, failure
from .directory import Directory
from .driver import drive
from .environment import EnvironmentRun, Observation, run
from .heal import clear_the_way
from .locate import Source
from .locks import Lock, lock_key
from .reporter import OnEvent, Reporter
from .results import Applied, Command, Event, Result, heads_text
from .settings import Settings
from .target import TIDY_SECONDS, Session, Target, opened

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.sql import Name

    from ._alembic.scripts import Scripts


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    command: Command
    revision: str
    migrations: Source = None
    settings: Settings = field(default_factory=Settings.from_environment)
    purge: bool = False


async def execute(target: Target, order: Order, on_event: OnEvent | None = None) -> Result:
    """Do *order* on *target*.

    Raises:
        SchemakitError: see `schemakit.errors`.
    """
    reporter = Reporter(on_event)
    began = monotonic()
    try:
        await reporter.tell(Event("started", order.command, message=_started(order)))
        directory = await Directory.find(order.migrations, order.settings)
        async with opened(target) as session:
            result = await _Run(order, directory, session, reporter, began).result()
    except BaseException as error:
        reporter.close(error)
        raise
    await reporter.tell(Event("finished", order.command, seconds=result.duration, message=str(result)))
    reporter.close()
    return result


def _started(order: Order) -> str:
    return f"{order.command} to {order.revision}"


@dataclass(slots=True)
class _Run:
    order: Order
    directory: Directory
    session: Session
    reporter: Reporter
    began: float
    waited: float = 0.0

    async def result(self) -> Result:
        """Take the cheapest way that is right: at head one SELECT, else the whole road."""
        if self.order.command == "upgrade":
            settled = await self._settled()
            if settled is not None:
                return settled
        return await self._migrate()

    # -- at head ----------------------------------------------------------------------------------

    async def _settled(self) -> Result | None:
        recorded = self.directory.recorded
        if recorded is None:
            return None
        if self.order.revision == "head" and len(recorded.heads) > 1:
            return None  # the full road raises MultipleHeads, if the server is reachable at all
        versions = await self._versions(recorded.table)
        if versions is not None and decide.is_settled(
            self.order.revision, versions, recorded.effective
        ):
            return self._nothing_done(versions)
        return None

    async def _versions(self, table: Name | None) -> tuple[str, ...] | None:
        """Return what the version table holds; None where it takes the lock to find out."""
        if table is not None:
            return await self.session.connection.run_sync(stored_versions, table)
        if self.session.external:
            return None  # env.py could fail and with it the caller's transaction
        try:
            probe = await run(
                self.session,
                self.directory,
                self.order.command,
                self.reporter,
                Observation(lambda _: []),
                probing=True,
            )
        except DBAPIError:
            # Another process may be creating what env.py looks for: the lock will sort that out.
            await self.session.resting()
            return None
        self.directory.remember(probe.table)
        return probe.heads

    def _nothing_done(self, versions: tuple[str, ...], ahead: tuple[str, ...] = ()) -> Result:
        return Result(
            self.order.command,
            heads_before=versions,
            heads_after=versions,
            waited=self.waited,
            duration=monotonic() - self.began,
            ahead=ahead,
        )

    # -- behind -----------------------------------------------------------------------------------

    async def _migrate(self) -> Result:
        await self._check_server()
        url = self.session.connection.engine.url
        scripts = await self.directory.load(url)
        versions = await self._unlocked_look(scripts)
        if versions is not None:
            return self._nothing_done(versions, self._unknown(scripts, versions))
        lock = Lock(
            lock_key(self.order.settings.lock_name),
            self.order.settings.lock_wait,
            transactional=self.session.external,
        )
        asked = monotonic()
        try:
            held = await self._drive(lock.acquire(self.order.command, self._other_did_it(scripts)))
            self.waited = _noticeable(monotonic() - asked)
            if not held:
                return self._nothing_done(scripts.effective_heads)
            return await self._locked(scripts)
        finally:
            await self._unlock(lock)

    async def _check_server(self) -> None:
        server = await self.session.connection.run_sync(read.server)
        if not server.supported:
            raise UnsupportedServer(f"{server.database!r} is on PostgreSQL {server.version}.")

    async def _unlocked_look(self, scripts: Scripts) -> tuple[str, ...] | None:
        """Return the versions if there is nothing to do that would take the lock."""
        if self.order.command != "upgrade":
            return None
        recorded = self.directory.recorded
        versions = await self._versions(recorded.table if recorded else None)
        if versions is None:
            return None
        if decide.is_settled(self.order.revision, versions, scripts.effective_heads):
            return versions
        return versions if self._unknown(scripts, versions) else None

    def _unknown(self, scripts: Scripts, versions: Sequence[str]) -> tuple[str, ...]:
        """Return the revisions that this code does not know, having done as `on_ahead` says."""
        unknown = tuple(version for version in versions if not scripts.knows(version))
        if not unknown:
            return ()
        detail = f"It holds {heads_text(unknown)}; the heads here are {heads_text(scripts.heads)}."
        if self.order.command != "upgrade" or self.order.settings.on_ahead == "error":
            raise DatabaseAhead(detail)
        if self.order.settings.on_ahead == "warn":
            self.reporter.warn(f"The database is ahead of this code. {detail}")
        return unknown

    def _other_did_it(self, scripts: Scripts) -> Callable[[Connection], bool] | None:
        """While waiting: has the holder brought the database where this run wants it?"""
        recorded = self.directory.recorded
        table = recorded.table if recorded else None
        if self.order.command != "upgrade" or table is None:
            return None
        effective = scripts.effective_heads

        def settled(connection: Connection) -> bool:
            return decide.is_settled(
                self.order.revision, stored_versions(connection, table), effective
            )

        return settled

    async def _locked(self, scripts: Scripts) -> Result:
        self.session.spent = True
        observation = Observation(self._steps(scripts), self._before_statement)
        try:
            done = await run(
                self.session,
                self.directory,
                self.order.command,
                self.reporter,
                observation,
                purge=self.order.purge,
            )
        except BaseException as error:
            raise await self._failed(error, observation) from failure.cause_of(error)
        return await self._finished(done)

    def _steps(self, scripts: Scripts) -> Callable[[Sequence[str]], list[Any]]:
        order = self.order

        def steps(heads: Sequence[str]) -> list[Any]:
            if self._unknown(scripts, () if order.purge else heads):
                return []
            if order.command == "upgrade":
                return scripts.upgrade_steps(order.revision, heads)
            if order.command == "downgrade":
                return scripts.downgrade_steps(order.revision, heads)
            return scripts.stamp_steps(order.revision.split(), heads)

        return steps

    def _before_statement(self, connection: Connection, index: Name) -> None:
        drive(connection, clear_the_way(index, self.order.command), self.reporter)

    async def _finished(self, done: EnvironmentRun) -> Result:
        after = done.heads
        if done.table is not None or done.single:
            after = await self._heads_after(done)
            expected = done.expected
            if expected is not None and frozenset(after) != expected:
                detail = f"It is at {heads_text(after)}, not at {heads_text(tuple(sorted(expected)))}."
                raise NotCommitted(detail)
        self.directory.remember(done.table)
        return Result(
            self.order.command,
            applied=done.applied,
            heads_before=done.heads,
            heads_after=after,
            waited=self.waited,
            duration=monotonic() - self.began,
            committed=not self.session.external,
        )

    async def _heads_after(self, done: EnvironmentRun) -> tuple[str, ...]:
        if not self.session.external:
            await self.session.resting()
        return await self.session.connection.run_sync(stored_versions, done.version_table)

    # -- when it fails ----------------------------------------------------------------------------

    async def _failed(self, error: BaseException, observation: Observation) -> BaseException:
        """Return what to raise for *error*, with what the server has kept of the run."""
        cancelled = failure.cancellation(error, observation.failure)
        if cancelled is not None:
            return cancelled
        kept: tuple[Applied, ...] = ()
        heads: tuple[str, ...] = ()
        if not self.session.external and self.session.alive:
            with anyio.move_on_after(TIDY_SECONDS, shield=True):
                await self.session.resting()
                if observation.version_table is not None:
                    heads = await self.session.connection.run_sync(
                        stored_versions, observation.version_table
                    )
                    steps = decide.committed(observation.steps, heads)
                    kept = tuple(step.applied for step in steps)
        return failure.explained(error, observation, kept, heads, external=self.session.external)

    async def _unlock(self, lock: Lock) -> None:
        if self.session.external or not self.session.alive:
            return
        with anyio.move_on_after(TIDY_SECONDS, shield=True):
            try:
                await self.session.resting()
                await self._drive(lock.release())
            except (DBAPIError, OSError):
                await self.session.connection.invalidate()  # with the session goes its lock

    async def _drive(self, flow: Any) -> Any:
        return await self.session.connection.run_sync(drive, flow, self.reporter)


def _noticeable(seconds: float) -> float:
    # The lock is asked for even when nobody holds it: that is no waiting.
    return seconds if seconds > 0.05 else 0.0  # noqa: PLR2004 - the first pause between two tries
