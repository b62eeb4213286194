"""What a call runs on: the caller's engine, or the caller's connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemakit.errors import UnsupportedTarget

from . import wire

#: Seconds that tidying up a connection may take after a failure or a cancellation.
TIDY_SECONDS = 5.0

Target = AsyncEngine | AsyncConnection


@dataclass(slots=True)
class Session:
    """The one connection that a call uses.

    Attributes:
        connection: the caller's, or one from the caller's engine.
        owned: whether it came from the engine and goes back there.
        external: whether the caller has a transaction open on it, whose commit stays the caller's.
        level: the isolation level for migrations: the caller's, unless that is AUTOCOMMIT.
        spent: whether migrations ran on it, so that it must not go back to the pool as it is.
    """

    connection: AsyncConnection
    owned: bool
    external: bool
    level: str = "READ COMMITTED"
    spent: bool = False

    @property
    def sync(self) -> Connection:
        """The connection that SQLAlchemy's synchronous code (Alembic) sees."""
        sync = self.connection.sync_connection
        if sync is None:
            raise UnsupportedTarget("The connection was never started.")
        return sync

    async def migrating(self) -> None:
        """Leave autocommit, for Alembic to begin and commit."""
        if not self.external:
            await self.connection.rollback()
            await self.connection.execution_options(isolation_level=self.level)

    async def resting(self) -> None:
        """Go back to autocommit; what is still open is rolled back."""
        if not self.external:
            await self.connection.rollback()
            await self.connection.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        return not (self.connection.closed or self.connection.invalidated)


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[Session]:
    """Yield a `Session` on *target*, in autocommit unless the caller has a transaction open.

    An engine's connection goes back to its pool unchanged; one on which migrations ran is closed
    instead, since a revision may have SET what the next user of the pool must not inherit.

    Raises:
        UnsupportedTarget: *target* is not of SQLAlchemy's asyncio API on asyncpg.
    """
    _check(target)
    if isinstance(target, AsyncConnection):
        session = Session(target, owned=False, external=target.in_transaction())
        async with _lent(session):
            yield session
        return
    async with target.connect() as connection:
        session = Session(connection, owned=True, external=False)
        session.level = _transactional(isolation_level(session.sync))
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            yield session
        finally:
            if session.spent and session.alive:
                with anyio.move_on_after(TIDY_SECONDS, shield=True):
                    await connection.invalidate()


@asynccontextmanager
async def _lent(session: Session) -> AsyncIterator[None]:
    if session.external:
        yield
        return
    level = isolation_level(session.sync)
    session.level = _transactional(level)
    await session.connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        yield
    finally:
        if session.alive:
            with anyio.move_on_after(TIDY_SECONDS, shield=True):
                await session.connection.rollback()
                await session.connection.execution_options(isolation_level=level)


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
    dialect = target.dialect
    if dialect.name != "postgresql" or dialect.driver != "asyncpg":
        detail = f"This one speaks {dialect.name} through {dialect.driver}."
        raise UnsupportedTarget(detail)
    if isinstance(target, AsyncConnection):
        _check_started(target)


def _check_started(connection: AsyncConnection) -> None:
    try:
        usable = not connection.closed
    except InvalidRequestError:
        usable = False
    if not usable:
        detail = "The connection is not open."
        raise UnsupportedTarget(
            detail, remedy="use it inside `async with engine.connect() as connection:`."
        )
