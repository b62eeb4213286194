"""The only place where schemakit's own statements meet a connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from . import wire
from .flow import Fetch, Flow, Inside, Notify, Request, Run, Sleep, Stream
from .target import isolation_level

if TYPE_CHECKING:
    from sqlalchemy import Connection

_T = TypeVar("_T")


def _unnoted(_: Request) -> None:
    pass


def drive(
    connection: Connection,
    flow: Flow[_T],
    notify: Callable[[Any], None],
    note: Callable[[Request], None] = _unnoted,
) -> _T:
    """Run *flow* on the connection that ``AsyncConnection.run_sync`` hands out (Alembic's too).

    Args:
        connection: where its statements go.
        flow: the work.
        notify: gets the events it yields.
        note: gets each request before it is met.

    Returns:
        What the flow returns.
    """
    proceed = partial(flow.send, None)
    while True:
        try:
            request = proceed()
        except StopIteration as done:
            result: _T = done.value
            return result
        try:
            note(request)
            proceed = partial(flow.send, _answer(connection, request, notify))
        except BaseException as error:  # noqa: BLE001 - the flow tidies up, and lets it through
            proceed = partial(flow.throw, error)


def _answer(  # noqa: PLR0911 - one for each request there is
    connection: Connection, request: Request, notify: Callable[[Any], None]
) -> Any:
    match request:
        case Run(sql, long=True):
            return run_simple(connection, sql)
        case Run(sql):
            with wire.time_limit(connection):
                return run_simple(connection, sql)
        case Fetch(read):
            with wire.time_limit(connection):
                return read(connection)
        case Stream(copy):
            return _stream(connection, copy)
        case Inside():
            return _inside(connection)
        case Sleep(seconds):
            return await_only(anyio.sleep(seconds))
        case Notify(event):
            return notify(event)


def _inside(connection: Connection) -> bool:
    adapted = wire.adapted(connection)
    autocommit = isolation_level(connection) == "AUTOCOMMIT"
    return not autocommit or bool(adapted.driver_connection.is_in_transaction())


def _stream(connection: Connection, copy: Callable[[Any], Awaitable[_T]]) -> _T:
    try:
        return await_only(wire.with_driver(wire.adapted(connection), copy))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise DBAPIError("COPY", None, error) from error  # as SQLAlchemy raises them


def run_simple(connection: Connection, sql: str) -> str:
    """Send *sql* by the simple query protocol and return its status tag, e.g. ``SELECT 1``.

    Without a portal: inside a transaction the extended protocol leaves one open, whose snapshot
    makes CREATE INDEX CONCURRENTLY of another session wait for ever.
    """
    try:
        return await_only(wire.send_simple(wire.adapted(connection), sql))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise DBAPIError(sql, None, error) from error  # as SQLAlchemy raises them
