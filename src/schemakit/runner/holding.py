"""The migration lock while it is held: where, for how long, and whether it still is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import anyio
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from schemakit.errors import AccessDenied, LockLost, LockRefused, LockTimeout

from . import poolers, wire
from .driver import drive, run_simple
from .leases import Lease
from .locks import NOTICE_A_LOST_CLIENT, Lock, ParkedLock, lock_key
from .target import isolation_level

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.catalog.model import Server

    from .flow import Flow
    from .locks import Grant
    from .reporter import Reporter
    from .results import Command
    from .settings import Settings
    from .target import Session

_T = TypeVar("_T")
_INSUFFICIENT_PRIVILEGE = "42501"
#: Seconds between two attempts to renew what could not be renewed.
_PAUSE = 1.0


class Holding:
    """The lock as the migrating session's own: gone only when that is gone.

    Attributes:
        lost: how it was lost, if it was.
    """

    lost: str = ""

    def __init__(self, lock: Lock, session: Session, reporter: Reporter) -> None:
        self._lock = lock
        self._session = session
        self._reporter = reporter

    async def acquire(
        self, command: Command, settled: Callable[[Connection], bool] | None
    ) -> Grant:
        """Take the lock; see `Lock.acquire`."""
        return await self._drive(self._lock.acquire(command, settled))

    def check(self) -> None:
        """Raise if the lock has been lost; inside ``run_sync``.

        Raises:
            LockLost: it has been.
        """

    @contextmanager
    def fenced(self, connection: Connection) -> Iterator[None]:  # noqa: ARG002 - of those that can
        """Have what runs on *connection* commit only while the lock is held."""
        yield

    async def release(self) -> None:
        """Give the lock back, or else the connection that holds it."""

        async def released() -> None:
            await self._session.resting()
            await self._drive(self._lock.release())

        if self._session.alive and not self._session.external:
            await self._session.tidied(released)

    async def _drive(self, flow: Flow[_T]) -> _T:
        return await self._session.connection.run_sync(drive, flow, self._reporter)


class HoldingApart(Holding):
    """The lock on a second connection: it can be lost while migrations run, and that is noticed."""

    def __init__(
        self,
        lock: ParkedLock | Lease,
        second: Session,
        migrating: Session,
        reporter: Reporter,
        patience: float,
    ) -> None:
        super().__init__(lock, second, reporter)
        self._migrating = migrating
        self._sign = lock
        self._patience = patience
        # A lease has time for three attempts.
        self._limit = min(patience, lock.every) if lock.lasts else patience
        self._turn = asyncio.Lock()
        self._seen = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._interrupted = False
        self._notices = False

    async def acquire(
        self, command: Command, settled: Callable[[Connection], bool] | None
    ) -> Grant:
        """Take the lock, and keep it from now on."""
        self._interrupted = True
        try:
            grant = await super().acquire(command, settled)
            self._interrupted = grant.held
        except LockTimeout:
            self._interrupted = False
            raise
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
                raise AccessDenied(
                    "The table schemakit.migration_lease cannot be made or written.",
                    remedy="create the schema schemakit for this role, or GRANT CREATE ON "
                    "DATABASE to it; or choose another Settings(lock=…).",
                ) from error
            raise
        if grant.held:
            if self._migrating.pooled:
                await self._make_sure_of_two_backends()
            self._seen = monotonic()
            self._keeper = asyncio.create_task(self._keep())
            self._interrupted = False
        return grant

    def check(self) -> None:
        """Ask whether the lock is still held."""
        await_only(self._verify())

    @contextmanager
    def fenced(self, connection: Connection) -> Iterator[None]:
        """Ask the same before each COMMIT: what another may have begun is not committed over."""

        def before_commit(_: Connection) -> None:
            self.check()

        event.listen(connection, "commit", before_commit)
        event.listen(connection, "begin", self._begun)
        try:
            yield
        finally:
            event.remove(connection, "begin", self._begun)
            event.remove(connection, "commit", before_commit)

    def _begun(self, connection: Connection) -> None:
        if self._notices and isolation_level(connection) != "AUTOCOMMIT":
            run_simple(connection, f"SET LOCAL {NOTICE_A_LOST_CLIENT}")

    async def release(self) -> None:
        """Give back lock and connection."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self.lost or (self._interrupted and not self._sign.lasts):
            await _cut(self._session)
        elif self._keeper is not None or self._interrupted:
            await super().release()
        with suppress(Exception), anyio.move_on_after(self._patience, shield=True):
            await self._session.connection.close()

    async def _make_sure_of_two_backends(self) -> None:
        """Have the pooler lend one to a migration and one to the lock, at the same time.

        On the way: what is SET in a session behind it is SET for others, so the server is told
        in each transaction that it shall look whether its client lives.

        Raises:
            LockRefused: it has one only, or none to spare.
        """
        migrating = self._migrating.connection
        try:
            with anyio.fail_after(self._patience):
                await migrating.run_sync(run_simple, "BEGIN")
                await self._drive(self._sign.renew())
                with suppress(DBAPIError):  # a platform that cannot poll a socket
                    await migrating.run_sync(run_simple, f"SET LOCAL {NOTICE_A_LOST_CLIENT}")
                    self._notices = True
                await migrating.run_sync(run_simple, "ROLLBACK")
        except TimeoutError as error:
            await _cut(self._migrating)
            detail = "Lock and migrations need two backends of the pooler, and waited for them."
            remedy = "raise its default_pool_size, or connect to the server itself."
            raise LockRefused(detail, remedy=remedy) from error

    async def _keep(self) -> None:
        with suppress(LockLost):  # told to whoever asks next
            while True:
                await anyio.sleep(self._sign.every)
                await self._verify()

    async def _verify(self) -> None:
        async with self._turn:
            while not self.lost:
                try:
                    with anyio.fail_after(self._limit):
                        if await self._shown():
                            self._seen = monotonic()
                            return
                    self._lose("It is another process's now.")
                except Exception as error:  # noqa: BLE001 - whatever it is, nothing was shown
                    if monotonic() + _PAUSE - self._seen > self._sign.lasts:
                        self._lose(f"Its connection: {type(error).__name__}.")
                    else:
                        await anyio.sleep(_PAUSE)
            raise LockLost(self.lost)

    def _lose(self, how: str) -> None:
        self.lost = how
        self._reporter.warn(f"The migration lock was lost. {how} Nothing more will be committed.")

    async def _shown(self) -> bool:
        if self._sign.lasts:  # else a new connection would show nothing of the one that was lost
            await self._revived()
        elif not self._session.alive or wire.is_closed(wire.adapted(self._session.sync)):
            message = "closed"
            raise ConnectionResetError(message)
        return await self._drive(self._sign.renew())

    async def _revived(self) -> None:
        connection = self._session.connection
        if not connection.invalidated and wire.is_closed(wire.adapted(self._session.sync)):
            await _cut(self._session)
        await connection.rollback()  # else it does not connect again
        if connection.invalidated:
            await connection.run_sync(lambda sync: sync.connection)  # connects
        await self._session.resting()


async def _cut(session: Session) -> None:
    """Give the connection up at once: to close it politely would be to wait for its answer."""
    if session.alive:
        wire.terminate(wire.adapted(session.sync))
    await session.given_up()


async def holding(
    session: Session, settings: Settings, server: Server, reporter: Reporter
) -> Holding:
    """Return how the lock is to be held for a run on *session*; it is not taken yet.

    A pooler that gives each client a backend of its own is found out on the way, and
    ``session.pooled`` is False then.

    Raises:
        LockRefused: it cannot be held as *settings* say.
    """
    key, wait = lock_key(settings.lock_name), settings.lock_wait
    if session.external:
        return Holding(Lock(key, wait, transactional=True), session, reporter)
    how = settings.lock
    if how == "auto":
        how = "transaction" if session.pooled else "session"
    if how == "session" and not session.pooled:
        return Holding(Lock(key, wait), session, reporter)
    second = await poolers.second_session(session)
    try:
        if session.pooled:
            session.pooled = await poolers.shares_backends(session.connection, second.connection)
    except BaseException:
        await second.given_up()
        raise
    finally:
        if how == "session" or not second.alive:
            await second.connection.close()
    if how == "session":
        if session.pooled:
            raise LockRefused(_SHARED, remedy='use lock="auto", or connect to the server itself.')
        return Holding(Lock(key, wait), session, reporter)
    idle = server.idle_timeouts
    lock = Lease(key, wait) if how == "lease" else ParkedLock(key, wait, timeouts=idle)
    return HoldingApart(lock, second, session, reporter, settings.server_timeout)


_SHARED = (
    'It was asked for with lock="session", and behind the pooler in front of the server a session '
    "is anybody's: two processes would both have the lock, and it would outlive them."
)
