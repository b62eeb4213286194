"""The only place where schemakit's own statements meet a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from . import wire
from .flow import Fetch, Flow, Notify, Run, Sleep

if TYPE_CHECKING:
    from sqlalchemy import Connection

_T = TypeVar("_T")


def drive(connection: Connection, flow: Flow[_T], notify: Callable[[Any], None]) -> _T:
    """Run *flow* on the connection that ``AsyncConnection.run_sync`` hands out (Alembic's too).

    Args:
        connection: where its statements go.
        flow: the work.
        notify: gets the events it yields.

    Returns:
        What the flow returns.
    """
    answer: Any = None
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as done:
            result: _T = done.value
            return result
        match step:
            case Run(sql, long=True):
                answer = run_simple(connection, sql)
            case Run(sql):
                with wire.time_limit(connection):
                    answer = run_simple(connection, sql)
            case Fetch(read):
                with wire.time_limit(connection):
                    answer = read(connection)
            case Sleep(seconds):
                answer = await_only(anyio.sleep(seconds))
            case Notify(event):
                notify(event)
                answer = None


def run_simple(connection: Connection, sql: str) -> str:
    """Send *sql* by the simple query protocol and return its status tag, e.g. ``SELECT 1``.

    Without a portal: inside a transaction the extended protocol leaves one open, whose snapshot
    makes CREATE INDEX CONCURRENTLY of another session wait for ever.
    """
    try:
        return await_only(wire.send_simple(wire.adapted(connection), sql))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise DBAPIError(sql, None, error) from error  # as SQLAlchemy raises them
