"""A pooler between client and server: how it shows itself, and what can be proved of it.

At connection the server tells its process id, so that the client can cancel. A pooler tells one
of its own making; the process that answers is another one. In which mode it pools it does not
say, but that shows too: who has a backend to himself is always answered by the same process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import TimeoutError as PoolTimeout

from schemakit.catalog import read
from schemakit.errors import LockRefused

from . import broken, wire
from .target import Session

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from schemakit.catalog.model import Server

#: Whom to ask, one after the other. No regular order: a pooler that hands its backends out in
#: turn would give each of two alternating clients always the same one.
_TURNS = (0, 1, 1, 0, 0, 1)
_TWO_CONNECTIONS = (
    "let the engine have two connections: pool_size=2 or more, max_overflow=1 or more, or "
    'poolclass=NullPool; or connect to the server itself with Settings(lock="session").'
)


async def met(session: Session) -> Server:
    """Return the server of *session*, having seen whether a pooler stands before it.

    It does where another process answers than the one that the connection was told of.
    """
    server = await session.ask(read.server)
    session.backend = server.backend_pid
    session.pooled = wire.backend_pid(wire.adapted(session.sync)) != server.backend_pid
    return server


async def second_session(session: Session) -> Session:
    """Return another connection of the engine of *session*, in autocommit.

    Raises:
        LockRefused: the engine gives none, or the same one again.
        ConnectionFailed: the server gives none.
    """
    engine = session.connection.engine
    pool = engine.sync_engine.pool
    if wire.is_single(pool):
        raise LockRefused(_pool("holds one connection"), remedy=_TWO_CONNECTIONS)
    connection = engine.connect()
    try:
        await connection.start()
    except PoolTimeout as error:
        raise LockRefused(_pool("had no second one to give"), remedy=_TWO_CONNECTIONS) from error
    except broken.DRIVER_ERRORS as error:
        raise broken.failed(broken.place(engine.url), error) from error
    await connection.execution_options(isolation_level="AUTOCOMMIT")
    return Session(connection, owned=True, external=False)


def _pool(what: str) -> str:
    return f"The lock needs a connection besides the one that migrates, and the pool {what}."


async def shares_backends(one: AsyncConnection, other: AsyncConnection) -> bool:
    """Whether two connections, both outside a transaction, are served by the same backends.

    True is certain. False is as good as certain: others would have had to take and give back
    backends such that both found theirs again each time.
    """
    pids: tuple[set[int], set[int]] = (set(), set())
    for turn in _TURNS:
        pids[turn].add(await (one, other)[turn].run_sync(read.backend_pid))
        if len(pids[turn]) > 1 or pids[0] & pids[1]:
            return True
    return False
