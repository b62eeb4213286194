"""upgrade, downgrade, stamp: from the call to the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import read
from schemakit.catalog.version_table import stored_versions
from schemakit.errors import DatabaseAhead, LockTimeout, UnsupportedServer

from . import decide, failure
from .directory import Directory
from .driver import drive
from .environment import Observation, run
from .flow import Flow
from .locate import Source
from .locked import Locked, Steps
from .locks import Lock, lock_key
from .reporter import OnEvent, Reporter
from .results import Command, Event, Result, heads_text
from .settings import Settings
from .shelter import sheltered
from .target import Session, Target, opened

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.sql import Name

    from ._alembic.scripts import Scripts

_T = TypeVar("_T")


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
    return await sheltered(partial(_execute, target, order, Reporter(on_event)))


async def _execute(target: Target, order: Order, reporter: Reporter) -> Result:
    began = monotonic()
    try:
        await reporter.tell(Event("started", order.command, message=_started(order)))
        directory = await Directory.find(order.migrations, order.settings)
        async with opened(target) as session:
            result = await _Run(order, directory, session, reporter, began).result()
        finished = Event("finished", order.command, seconds=result.duration, message=str(result))
        await reporter.tell(finished)
    except BaseException as error:
        reporter.close(error)
        raise
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
    ahead: tuple[str, ...] = ()

    @property
    def _table(self) -> Name | None:
        """The version table, where it is known without running env.py."""
        recorded = self.directory.recorded
        return recorded.table if recorded else None

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
        watch = Observation(lambda _: [])
        try:
            probe = await run(
                self.session, self.directory, self.order.command, self.reporter, watch, probing=True
            )
        except DBAPIError:
            # Another process may be creating what env.py looks for: the lock will sort that out.
            await self.session.resting()
            return None
        except Exception as error:  # noqa: BLE001 - env.py is anybody's code
            failure.reraise(error, watch, external=False)
        self.directory.remember(probe.table)
        # Of several version tables (a loop over tenants) the first says nothing of the others.
        return probe.heads if probe.single else None

    def _nothing_done(self, versions: tuple[str, ...]) -> Result:
        return self._result(heads_before=versions, heads_after=versions)

    def _result(self, **found: Any) -> Result:  # noqa: ANN401 - the fields of Result
        duration = monotonic() - self.began
        return Result(
            self.order.command, waited=self.waited, duration=duration, ahead=self.ahead, **found
        )

    # -- behind -----------------------------------------------------------------------------------

    async def _migrate(self) -> Result:
        await self._check_server()
        scripts = await self.directory.load(self.session.connection.engine.url)
        if self.order.command == "upgrade":
            scripts.refuse_ambiguous(self.order.revision)
        versions = await self._unlocked_look(scripts)
        if versions is not None:
            return self._nothing_done(versions)
        settings = self.order.settings
        key = lock_key(settings.lock_name)
        lock = Lock(key, settings.lock_wait, transactional=self.session.external)
        # From here on it may hold the lock: if it cannot be tidied up, it is no use to the pool.
        self.session.spent = True
        try:
            grant = await self._drive(lock.acquire(self.order.command, self._other_did_it(scripts)))
            self.waited = grant.waited
            if grant.held:
                return await self._locked(scripts)
            self.session.spent = False
            return self._nothing_done(await self._versions(self._table) or ())
        except LockTimeout:
            self.session.spent = False
            raise
        finally:
            await self._unlock(lock)

    async def _locked(self, scripts: Scripts) -> Result:
        locked = Locked(
            self.order.command,
            self.session,
            self.directory,
            self.reporter,
            self._steps(scripts),
            purge=self.order.purge,
        )
        done = await locked.migrate()
        return self._result(
            applied=done.applied,
            heads_before=done.heads_before,
            heads_after=done.heads_after,
            committed=not self.session.external,
        )

    async def _unlock(self, lock: Lock) -> None:
        async def unlocked() -> None:
            await self.session.resting()
            await self._drive(lock.release())

        if self.session.alive and not self.session.external:
            await self.session.tidied(unlocked)

    async def _drive(self, flow: Flow[_T]) -> _T:
        return await self.session.connection.run_sync(drive, flow, self.reporter)

    async def _check_server(self) -> None:
        server = await self.session.connection.run_sync(read.server)
        if not server.supported:
            raise UnsupportedServer(f"{server.database!r} is on PostgreSQL {server.version}.")

    async def _unlocked_look(self, scripts: Scripts) -> tuple[str, ...] | None:
        """Return the versions if there is nothing to do that would take the lock."""
        if self.order.command != "upgrade":
            return None
        versions = await self._versions(self._table)
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
        if self.order.settings.on_ahead == "warn" and unknown != self.ahead:
            self.reporter.warn(f"The database is ahead of this code. {detail}")
        self.ahead = unknown
        return unknown

    def _other_did_it(self, scripts: Scripts) -> Callable[[Connection], bool] | None:
        """While waiting: has the holder brought the database where this run wants it?"""
        table = self._table
        if self.order.command != "upgrade" or table is None:
            return None
        effective = scripts.effective_heads

        def settled(connection: Connection) -> bool:
            return decide.is_settled(
                self.order.revision, stored_versions(connection, table), effective
            )

        return settled

    def _steps(self, scripts: Scripts) -> Steps:
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
