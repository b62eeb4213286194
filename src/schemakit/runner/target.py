"""What a call runs on: the caller's engine, or the caller's connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemakit.errors import TransactionRefused, UnsupportedTarget

from . import wire

#: Seconds that tidying up a connection may take after a failure or a cancellation.
TIDY_SECONDS = 5.0

Target = AsyncEngine | AsyncConnection
_T = TypeVar("_T")


@dataclass(slots=True, eq=False, repr=False)
class Session:
    """The one connection that a call uses.

    Attributes:
        connection: the caller's, or one from the caller's engine.
        owned: whether it came from the engine and goes back there.
        external: whether the caller has a transaction open on it, whose commit stays the caller's.
        level: the isolation level for migrations: the caller's, unless that is AUTOCOMMIT.
        spent: whether migrations ran on it, so that it must not go back to the pool as it is.
        pooled: whether a transaction pooler stands between: the server's session is anybody's.
        backend: process id of the server's session, if it was asked.
        role: the role to act as, where that is not the one that connected.
        assumed: whether the session acts as that role already.
    """

    connection: AsyncConnection
    owned: bool
    external: bool
    level: str = "READ COMMITTED"
    spent: bool = False
    pooled: bool = False
    backend: int = 0
    role: str = ""
    assumed: bool = False

    @property
    def sync(self) -> Connection:
        """The connection that SQLAlchemy's synchronous code (Alembic) sees."""
        sync = self.connection.sync_connection
        if sync is None:
            raise UnsupportedTarget("The connection was never started.")
        return sync

    async def migrating(self) -> None:
        """Leave autocommit, for Alembic to begin and commit."""
        await self._rolled_back(self.level)

    async def resting(self) -> None:
        """Go back to autocommit; what is still open is rolled back."""
        await self._rolled_back("AUTOCOMMIT")

    async def _rolled_back(self, level: str) -> None:
        if not self.external:
            if not self.alive:
                await self.given_up()  # SQLAlchemy does not hear of every loss
            with wire.time_limit(self.sync) if self.alive else nullcontext():
                await self.connection.rollback()
                await self.connection.execution_options(isolation_level=level)

    async def ask(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Return what *function* reads, a short statement that the server answers at once, or not.

        Raises:
            DBAPIError: among others if there was no answer in time; the connection is lost then.
        """
        if self.role and not self.assumed:
            from .roles import ask_as  # noqa: PLC0415 - few need it

            return await ask_as(self, self.role, function, *arguments)
        with wire.time_limit(self.sync):
            return await self.connection.run_sync(function, *arguments)

    @property
    def alive(self) -> bool:
        """Whether its connection is still the one that it began with."""
        connection = self.connection
        if connection.closed or connection.invalidated:
            return False
        return not wire.is_closed(wire.adapted(self.sync))

    async def tidied(self, work: Callable[[], Awaitable[object]]) -> None:
        """Await *work* for at most TIDY_SECONDS; if that fails, the connection is given up.

        With it the server gives up what it held for it: the transaction and the lock.
        """
        import anyio  # noqa: PLC0415 - a service at head needs none of it

        try:
            with anyio.fail_after(TIDY_SECONDS, shield=True):
                await work()
        except Exception:  # noqa: BLE001 - it must not hide what is being tidied up after
            await self.given_up()

    async def given_up(self) -> None:
        """Close the connection below; a next use of it opens a new one."""
        import anyio  # noqa: PLC0415 - a service at head needs none of it

        with suppress(Exception), anyio.move_on_after(TIDY_SECONDS, shield=True):
            await self.connection.invalidate()


@asynccontextmanager
async def opened(target: Target, patience: float = wire.PATIENCE) -> AsyncIterator[Session]:
    """Yield a `Session` on *target*, in autocommit unless the caller has a transaction open.

    An engine's connection goes back to its pool unchanged; one on which migrations ran is closed
    instead, since a revision may have SET what the next user of the pool must not inherit.

    Args:
        target: the caller's.
        patience: seconds that the server may take to let us in, and to answer what is short.

    Raises:
        UnsupportedTarget: *target* is not of SQLAlchemy's asyncio API on asyncpg.
        TransactionRefused: *target* is in autocommit, in a transaction begun by hand.
        ConnectionFailed: there was no connection to be had.
        ConnectionLost: it broke while the block ran.
    """
    _check(target)
    async with AsyncExitStack() as stack:
        try:
            seconds = patience + _pool_timeout(target)
            # Twice: SQLAlchemy tidies up after the first, and waits for the server in doing so.
            async with asyncio.timeout(seconds + TIDY_SECONDS), asyncio.timeout(seconds):
                way = _lent(target) if isinstance(target, AsyncConnection) else _taken(target)
                session = await stack.enter_async_context(way)
        except Exception as error:
            _typed("unreached", error, target.engine.url)
            raise
        wire.be_patient(session.sync, patience)
        try:
            yield session
        except Exception as error:
            _typed("cut_off", error)
            raise


def _typed(how: str, error: Exception, *further: object) -> None:
    """Raise what `failure` makes of *error*, if that is another error."""
    from . import failure  # noqa: PLC0415 - a service at head needs none of it

    typed = getattr(failure, how)(error, *further)
    if typed is not None:
        raise typed from failure.cause_of(error)


def _pool_timeout(target: Target) -> float:
    """Return how long the pool may let a caller wait for others to give a connection back."""
    timeout = getattr(target.engine.pool, "timeout", None)
    return float(timeout()) if isinstance(target, AsyncEngine) and timeout else 0.0


@asynccontextmanager
async def _taken(engine: AsyncEngine) -> AsyncIterator[Session]:
    """Yield a `Session` on a connection of *engine*."""
    async with engine.connect() as connection:
        session = Session(connection, owned=True, external=False)
        session.level = _transactional(isolation_level(session.sync))
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            yield session
        finally:
            if session.spent:
                await session.given_up()


@asynccontextmanager
async def _lent(connection: AsyncConnection) -> AsyncIterator[Session]:
    """Yield a `Session` on the caller's *connection*, and leave that as it was."""
    level = await connection.run_sync(isolation_level)  # reconnects, if it was invalidated
    session = Session(connection, owned=False, external=_external(connection, level))
    session.level = _transactional(level)
    options = wire.execution_options(session.sync)

    async def restored() -> None:
        await connection.rollback()
        await connection.execution_options(isolation_level=level)

    try:
        await session.resting()
        yield session
    finally:
        if not session.external:
            await session.tidied(restored)
        wire.restore(session.sync, options)


def _external(connection: AsyncConnection, level: str) -> bool:
    """Whether a transaction of the caller is open; in autocommit SQLAlchemy only says so."""
    if level != "AUTOCOMMIT":
        return connection.in_transaction()
    sync = connection.sync_connection
    reason = wire.autocommit_in_transaction(sync) if sync is not None else ""
    if reason:
        raise TransactionRefused(f"The connection is in AUTOCOMMIT, and {reason}.")
    return False


def _transactional(level: str) -> str:
    # In autocommit a revision that fails half way would leave its first half behind.
    return "READ COMMITTED" if level == "AUTOCOMMIT" else level


def isolation_level(connection: Connection) -> str:
    """Return the isolation level that *connection* uses now, without asking the server."""
    level = wire.adapted(connection).isolation_level
    if level is None:
        return connection.default_isolation_level or "READ COMMITTED"
    return str(level).upper().replace("_", " ")


def _check(target: object) -> None:
    if isinstance(target, Engine | Connection):
        detail = f"{type(target).__name__} is synchronous."
        raise UnsupportedTarget(detail)
    if not isinstance(target, AsyncEngine | AsyncConnection):
        detail = f"{type(target).__module__}.{type(target).__qualname__} is neither."
        raise UnsupportedTarget(detail)
    if isinstance(target, AsyncConnection):
        _check_started(target)
    dialect = target.dialect
    if dialect.name != "postgresql" or dialect.driver != "asyncpg":
        detail = f"This one speaks {dialect.name} through {dialect.driver}."
        raise UnsupportedTarget(detail)


def _check_started(connection: AsyncConnection) -> None:
    try:
        usable = not connection.closed
    except InvalidRequestError:
        usable = False
    if usable and connection.invalidated and connection.in_transaction():
        detail = "The connection was lost in the middle of a transaction."
        raise UnsupportedTarget(detail, remedy="roll back first: `await connection.rollback()`.")
    if not usable:
        detail = "The connection is not open."
        raise UnsupportedTarget(
            detail, remedy="use it inside `async with engine.connect() as connection:`."
        )
