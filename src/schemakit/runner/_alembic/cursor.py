"""A cursor that knows more than one way to send a statement."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import asyncpg  # type: ignore[import-untyped]  # it has no types
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_cursor
from sqlalchemy.util import await_only

from schemakit.errors import StatementRefused
from schemakit.runner import wire
from schemakit.sql import deliver, leading_keyword

_ROW_COUNT = re.compile(r"(?:SELECT|UPDATE|DELETE|MERGE|MOVE|COPY|INSERT \d+) (\d+)")
#: Statements after which the plans and types that the driver knows are still right.
_HARMLESS = frozenset(
    [
        "insert",
        "update",
        "delete",
        "merge",
        "savepoint",
        "release",
        "rollback",
        "commit",
        "begin",
        "lock",
        "comment",
    ]
)


class Bridge(Protocol):
    """What a cursor asks of the bridge it belongs to."""

    def look(self, statement: str, parameters: Any) -> None:
        """See *statement* before it is sent, and refuse what can only go wrong."""

    def split(self, sql: str) -> list[str] | None:
        """Cut *sql* into statements."""


def bridged_class(original: Any, bridge: Bridge) -> type:
    """Return a subclass of the adapted connection whose cursors deliver as `deliver` decides."""
    cursor_class = _bridged_cursor(original, bridge)

    def cursor(self: Any, server_side: bool = False) -> Any:  # noqa: FBT001, FBT002 - SQLAlchemy's
        if server_side:
            send_first(self)
            return original.cursor(self, server_side=True)
        return cursor_class(self)

    def set_isolation_level(self: Any, level: Any) -> None:
        if isinstance(level, int):
            detail = f"set_isolation_level({level}) is psycopg2's own."
            remedy = "use `with op.get_context().autocommit_block():`."
            raise StatementRefused(detail, remedy=remedy)
        original.set_isolation_level(self, level)

    def commit(self: Any) -> None:
        with wire.occupied(self):
            original.commit(self)

    def rollback(self: Any) -> None:
        with wire.occupied(self):
            original.rollback(self)

    members = {
        "__slots__": (),
        "commit": commit,
        "rollback": rollback,
        "_schemakit": cursor_class,
        "cursor": cursor,
        "set_isolation_level": set_isolation_level,
    }
    return type(original.__name__, (original,), members)


def send_first(adapted: Any) -> None:
    """Send what is held back: a prepared statement cannot carry it."""
    carrier = wire.carrier(adapted)
    if carrier is not None and (carrier.begin or carrier.update):
        with wire.occupied(adapted):
            await_only(adapted.driver_connection.first())


def _bridged_cursor(original: Any, bridge: Bridge) -> type:
    base: Any = getattr(original, "_cursor_cls", None) or AsyncAdapt_asyncpg_cursor
    return type(base.__name__, (_Bridged, base), {"bridge": bridge})


_Base: Any = object  # SQLAlchemy's cursor class, found at run time


class _Bridged(_Base):  # type: ignore[misc]  # as above
    """What a cursor does differently.

    Attributes:
        bridge: of the run.
        seen: whether the bridge has seen the statement before SQLAlchemy handed it over.
        written: whether its values must stand in the text.
        write: returns the statement with the values of an execution of it in the text.
    """

    bridge: Bridge
    seen: bool = False
    written: bool = False
    write: Callable[..., str] | None = None

    def __enter__(self) -> Any:  # SQLAlchemy's own has it since 2.1 only
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, operation: str, parameters: Any = None) -> None:
        written, write = self._taken_over(operation, parameters)
        if written and write is not None:
            self._deliver(write(), None)
            return
        try:
            self._deliver(operation, parameters)
        except Exception as error:
            if write is None or not _never_sent(error):
                raise
            # The value is none that asyncpg takes for the column's type, such as a date as
            # text; psycopg2 left that to the server.
            self._deliver(_written(write, error), None)

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:
        written, write = self._taken_over(operation, seq_of_parameters)
        if not written or write is None:
            send_first(self._adapt_connection)
            super().executemany(operation, seq_of_parameters)
            return
        for row in range(len(seq_of_parameters)):
            self._deliver(write(row), None)

    def _taken_over(
        self, operation: str, parameters: Any
    ) -> tuple[bool, Callable[..., str] | None]:
        """Return what the bridge has left here for this statement, once."""
        if not self.seen:  # from a raw cursor
            self.bridge.look(operation, parameters)
        found = self.written, self.write
        self.seen, self.written, self.write = False, False, None
        return found

    def _deliver(self, operation: str, parameters: Any) -> None:
        way = deliver(operation, parameters=bool(parameters), split=self.bridge.split)
        if way.how == "prepared":
            send_first(self._adapt_connection)
            super().execute(way.sql, parameters)
        elif way.how == "script":
            with self._one_transaction():
                self._simple(way.head)
                send_first(self._adapt_connection)
                super().execute(way.sql, parameters)
        elif way.how == "simple":
            self._simple(way.sql)
        else:
            self._tell(-1)

    @contextmanager
    def _one_transaction(self) -> Iterator[None]:
        """In autocommit, what the server does with a script that comes as one message."""
        if not self._adapt_connection.autocommit:
            yield
            return
        self._simple("BEGIN")
        try:
            yield
        except BaseException:
            with suppress(Exception):  # it must not hide what went wrong
                await_only(self._send("ROLLBACK"))
            raise
        await_only(self._send("COMMIT"))

    def _simple(self, sql: str) -> None:
        status = await_only(self._send(sql))
        count = _ROW_COUNT.match(status)
        self._tell(int(count[1]) if count else -1)
        if leading_keyword(sql) not in _HARMLESS or ";" in sql:
            wire.forget_statements(self._adapt_connection)

    def _tell(self, rows: int) -> None:
        # Public attributes up to SQLAlchemy 2.0, properties over private ones since 2.1.
        mark = "_" if hasattr(self, "_rowcount") else ""
        setattr(self, f"{mark}description", None)
        setattr(self, f"{mark}rowcount", rows)
        self._rows.clear()

    async def _send(self, sql: str) -> str:
        try:
            return await wire.send_simple(self._adapt_connection, sql)
        except Exception as error:  # translated, as the cursor's own are
            self._handle_exception(error)
            raise


def _written(write: Callable[..., str], error: Exception) -> str:
    try:
        return write()
    except StatementRefused:
        raise error from error.__cause__


def _never_sent(error: BaseException) -> bool:
    """Whether asyncpg could not encode a value: the server knows nothing of it."""
    cause = error.__cause__
    return isinstance(cause, asyncpg.DataError) and str(cause).startswith("invalid input for query")
