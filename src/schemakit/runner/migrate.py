"""What it takes to migrate: the revisions loaded, the lock had, the result read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from schemakit.catalog.version_table import stored_versions
from schemakit.errors import (
    DatabaseAhead,
    LockLost,
    LockTimeout,
    ReadOnlyDatabase,
    RevisionFailed,
    UnsupportedServer,
)

from . import decide, holding, poolers
from .driver import drive
from .locked import Locked, Steps
from .locks import notice_a_lost_client
from .results import heads_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.catalog.model import Server

    from ._alembic.scripts import Scripts
    from .holding import Holding
    from .results import Result
    from .run import Order, Run
    from .target import Session


@dataclass(frozen=True, slots=True)
class Migration:
    """A run on a database that is not known to be at head."""

    run: Run

    @property
    def order(self) -> Order:
        """What was asked for."""
        return self.run.order

    @property
    def session(self) -> Session:
        """On which connection."""
        return self.run.session

    async def result(self) -> Result:
        """Migrate, unless there turns out to be nothing to do."""
        server = await self._checked_server()
        scripts = await self.run.directory.load(self.session.connection.engine.url)
        if self.order.command == "upgrade":
            scripts.refuse_ambiguous(self.order.revision)
        versions = await self._unlocked_look(scripts)
        if versions is not None:
            return self.run.nothing_done(versions)
        refuse_read_only(server)
        settings = self.order.settings
        held = await holding.holding(self.session, settings, server, self.run.reporter)
        # From here on it may hold the lock: if it cannot be tidied up, it is no use to the pool.
        self.session.spent = True
        try:
            await self._notice_a_lost_client()
            grant = await held.acquire(self.order.command, self._other_did_it(scripts))
            self.run.waited = grant.waited
            if grant.held:
                return await self._locked(scripts, held)
            self.session.spent = False
            return self.run.nothing_done(await self.run.versions() or ())
        except LockTimeout:
            self.session.spent = False
            raise
        finally:
            await held.release()

    async def _locked(self, scripts: Scripts, held: Holding) -> Result:
        locked = Locked(
            self.order.command,
            self.session,
            self.run.directory,
            self.run.reporter,
            self._steps(scripts),
            settings=self.order.settings,
            purge=self.order.purge,
            lock_check=held.check,
        )
        try:
            with held.fenced(self.session.sync):
                done = await locked.migrate()
        except RevisionFailed as error:
            if held.lost:  # it is that which failed, and no revision is to be mended
                raise LockLost(f"{held.lost}\n{error.detail}") from error
            raise
        return self.run.result(
            applied=done.applied,
            heads_before=done.heads_before,
            heads_after=done.heads_after,
            committed=not self.session.external,
        )

    async def _notice_a_lost_client(self) -> None:
        # The connection is not given back to a pool, so the setting stays with this run; a
        # pooler's next client would inherit it. It is refused where the server's platform cannot
        # poll a socket.
        if self.session.owned and not self.session.pooled:
            with suppress(DBAPIError):
                await self.session.connection.run_sync(
                    drive, notice_a_lost_client(), self.run.reporter
                )

    async def _checked_server(self) -> Server:
        server = await poolers.met(self.session)
        if not server.supported:
            raise UnsupportedServer(f"{server.database!r} is on PostgreSQL {server.version}.")
        return server

    async def _unlocked_look(self, scripts: Scripts) -> tuple[str, ...] | None:
        """Return the versions if there is nothing to do that would take the lock."""
        if self.order.command != "upgrade":
            return None
        versions = await self.run.versions()
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
        if self.order.settings.on_ahead == "warn" and unknown != self.run.ahead:
            self.run.reporter.warn(f"The database is ahead of this code. {detail}")
        self.run.ahead = unknown
        return unknown

    def _other_did_it(self, scripts: Scripts) -> Callable[[Connection], bool] | None:
        """While waiting: has the holder brought the database where this run wants it?"""
        table = self.run.table
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


def refuse_read_only(server: Server) -> None:
    """Raise `ReadOnlyDatabase` if *server* takes no writes."""
    if server.in_recovery:
        raise ReadOnlyDatabase(f"{server.database!r} is on a standby (pg_is_in_recovery).")
    if server.read_only:
        detail = f"{server.database!r} is read-only here (transaction_read_only is on)."
        remedy = (
            "default_transaction_read_only stands at the server, the database or the role, or the "
            "transaction was begun READ ONLY: turn it off for this connection."
        )
        raise ReadOnlyDatabase(detail, remedy=remedy)
