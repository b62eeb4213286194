"""SQLAlchemy's connections: the few private things schemakit needs of them.

One home for them, since they are no public API: `tests/runner/test_wire.py` runs against the
lowest and the newest SQLAlchemy that `pyproject.toml` admits.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import (
    AssertionPool,
    Connection,
    NullPool,
    QueuePool,
    SingletonThreadPool,
    StaticPool,
)
from sqlalchemy.util import await_only

_T = TypeVar("_T")


def adapted(connection: Connection) -> Any:
    """Return the adapted asyncpg connection below *connection*."""
    return connection.connection.dbapi_connection


def autocommit_in_transaction(connection: Connection) -> str:
    """Return what makes *connection*, which is in autocommit, be in a transaction all the same."""
    if connection._trans_context_manager is not None:  # noqa: SLF001 - see the module
        return "the call stands inside its begin() block"
    if adapted(connection).driver_connection.is_in_transaction():
        return "BEGIN was sent on it as text"
    return ""


def execution_options(connection: Connection) -> Any:
    """Return the execution options as they are stored."""
    return connection._execution_options  # noqa: SLF001 - see the module


def restore(connection: Connection, options: Any) -> None:
    """Put *options* back, without the ones set meanwhile, and forget schemakit's own marks."""
    connection._execution_options = options  # noqa: SLF001 - see the module
    for mark in [key for key in connection.__dict__ if key.startswith("_schemakit")]:
        del connection.__dict__[mark]


async def send_simple(adapted_connection: Any, sql: str) -> str:
    """Send *sql* by the simple query protocol, inside the transaction SQLAlchemy thinks is open.

    SQLAlchemy begins lazily, with the first cursor: a statement that goes round the cursor must
    begin as the cursor would have.

    Returns:
        The status tag of the last statement, e.g. ``UPDATE 3``.
    """
    return str(await with_driver(adapted_connection, lambda driver: driver.execute(sql)))


async def with_driver(adapted_connection: Any, work: Callable[[Any], Awaitable[_T]]) -> _T:
    """Await *work* with asyncpg's own connection, in the same way."""
    async with adapted_connection._execute_mutex:  # noqa: SLF001 - see the module
        if adapted_connection._transaction is None:  # noqa: SLF001
            with _begin_held_back(carrier(adapted_connection)):
                await adapted_connection._start_transaction()  # noqa: SLF001
        return await work(adapted_connection.driver_connection)


async def while_open(driver: Any, work: Awaitable[_T]) -> _T:
    """Await *work* on asyncpg's connection *driver*, for as long as that is open.

    COPY FROM STDIN needs it: asyncpg waits until the socket takes more, and one that is gone while
    it was full never says so (asyncpg 0.32, ``CoreProtocol.writing_allowed``).

    Raises:
        ConnectionDoesNotExistError: it is not, any more.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK))[0]:
            refuse_closed(driver)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=PATIENCE)
    return task.result()


def refuse_closed(driver: Any) -> None:
    """Raise as asyncpg does where its connection *driver* was lost in the middle of something."""
    if driver.is_closed():
        raise asyncpg.ConnectionDoesNotExistError(_CLOSED)


def carrier(adapted_connection: Any) -> Any:
    """Return the `Carrier` of the run that it is in; None outside of one."""
    return getattr(adapted_connection.driver_connection, "_schemakit", None)


@contextmanager
def _begin_held_back(held_by: Any) -> Iterator[None]:
    if held_by is None:
        yield
        return
    held_by.begins = True
    try:
        yield
    finally:
        held_by.begins = False


def observer(adapted_connection: Any) -> Any:
    """Return who observes the run that it is in; None outside of one."""
    bridge = getattr(getattr(type(adapted_connection), "_schemakit", None), "bridge", None)
    return getattr(bridge, "observer", None)


def in_transaction(adapted_connection: Any) -> bool:
    """Whether SQLAlchemy has begun a transaction on it that is to be committed."""
    return adapted_connection._transaction is not None  # noqa: SLF001 - see the module


def standard_strings(adapted_connection: Any) -> bool:
    """Whether a backslash in ``'…'`` is a backslash there (``standard_conforming_strings``)."""
    settings = adapted_connection.driver_connection.get_settings()
    return getattr(settings, "standard_conforming_strings", "on") == "on"


def forget_statements(adapted_connection: Any) -> None:
    """Forget prepared statements: DDL sent as text makes ``SELECT *`` another one."""
    cache = adapted_connection._prepared_statement_cache  # noqa: SLF001 - see the module
    if cache is not None:
        cache.clear()


def backend_pid(adapted_connection: Any) -> int:
    """Return the process id that the server, or a pooler before it, gave at connection."""
    return int(adapted_connection.driver_connection.get_server_pid())


def busy(adapted_connection: Any) -> bool:
    """Whether a statement is under way."""
    return bool(adapted_connection._execute_mutex.locked())  # noqa: SLF001 - see the module


@contextmanager
def occupied(adapted_connection: Any) -> Iterator[None]:
    """Have `busy` say yes in the block; for what SQLAlchemy sends without saying so itself."""
    mutex = adapted_connection._execute_mutex  # noqa: SLF001 - see the module
    await_only(mutex.acquire())
    try:
        yield
    finally:
        mutex.release()


def terminate(adapted_connection: Any) -> None:
    """Cut the connection: what waits for an answer gets an error."""
    adapted_connection.driver_connection.terminate()


_CLOSED = "connection was closed in the middle of operation"
#: Seconds between two looks at a connection that something is written to.
_LOOK = 1.0
#: Seconds that the server may take for a short statement, unless the settings say otherwise.
PATIENCE = 30.0


def be_patient(connection: Connection, seconds: float) -> None:
    """Have `patience` say *seconds* for *connection*."""
    connection.__dict__["_schemakit_patience"] = seconds


def patience(connection: Connection) -> float:
    """Return how many seconds the server may take for a short statement on *connection*."""
    return float(connection.__dict__.get("_schemakit_patience", PATIENCE))


class time_limit:  # noqa: N801 - a context manager, used as the functions are
    """Cut the connection if the block takes longer than the `patience` with it.

    What waits for an answer in it gets an error then. Costs some microseconds: a class, and a timer
    of the loop. For schemakit's own short statements.
    """

    __slots__ = ("_adapted", "_seconds", "_timer")

    def __init__(self, connection: Connection) -> None:
        self._adapted, self._seconds = adapted(connection), patience(connection)

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._seconds, terminate, self._adapted)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def has_room(pool: Any) -> bool:
    """Whether *pool* can give another connection now, and not the one that is in use already."""
    if isinstance(pool, NullPool):
        return True
    if not isinstance(pool, QueuePool):  # StaticPool and its like share one connection
        return False
    overflow = pool._max_overflow  # noqa: SLF001 - see the module
    return overflow < 0 or pool.checkedout() < pool.size() + overflow


@contextmanager
def unhurried(adapted_connection: Any) -> Iterator[None]:
    """Suspend the engine's ``command_timeout``, which would cut off what takes its time."""
    driver = adapted_connection.driver_connection
    config = driver._config  # noqa: SLF001 - see the module
    driver._config = config._replace(command_timeout=None)  # noqa: SLF001
    try:
        yield
    finally:
        driver._config = config  # noqa: SLF001


_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


def keep_alive(adapted_connection: Any) -> None:
    """Have the operating system notice that the other side of a TCP connection is gone."""
    transport = adapted_connection.driver_connection._transport  # noqa: SLF001 - see the module
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):  # not every platform has them
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def is_single(pool: Any) -> bool:
    """Whether *pool* never has two connections out at a time."""
    if isinstance(pool, QueuePool):
        return pool.size() == 1 and pool._max_overflow == 0  # noqa: SLF001 - see the module
    return isinstance(pool, StaticPool | SingletonThreadPool | AssertionPool)


def is_closed(adapted_connection: Any) -> bool:
    """Whether the connection is known to be gone; asks nobody."""
    return bool(adapted_connection.driver_connection.is_closed())
