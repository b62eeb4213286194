"""Migrations born on psycopg2, on asyncpg: how their statements reach the server.

Two hooks, on one connection and for one run:

* before SQLAlchemy hands a statement to the driver, values are written into the text where the
  server takes no parameters (DDL, ``DO`` bodies, ``INTERVAL :x``);
* the adapted connection gets a cursor that sends DDL and scripts by the simple query protocol.

What to do is decided by `schemakit.sql.delivery`; here it is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import anyio.to_thread
from sqlalchemy import Connection, TextClause, event
from sqlalchemy.exc import CompileError, StatementError
from sqlalchemy.util import await_only

from schemakit.errors import StatementRefused, TransactionRefused
from schemakit.runner import wire
from schemakit.sql import deliver, leading_keyword, without_literals
from schemakit.sql import parser as sql_parser
from schemakit.sql.delivery import needs_literals
from schemakit.sql.text import ends_transaction

_ROW_COUNT = re.compile(r"(?:SELECT|UPDATE|DELETE|MERGE|INSERT \d+) (\d+)")
_PYFORMAT = re.compile(r"(?<!%)%(?:s|\(\w+\)s)")
_NUMBERED = re.compile(r"\$\d")


class Observer(Protocol):
    """Who wants to know what is sent."""

    def statement(self, sql: str) -> None:
        """*sql* is about to be sent."""

    def before(self, connection: Connection, sql: str) -> None:
        """Do what must be done before *sql*; may send statements of its own."""


@contextmanager
def bridged(
    connection: Connection, observer: Observer, *, percent_escapes: bool, external: bool
) -> Iterator[None]:
    """Bridge everything that is sent on *connection* inside the block.

    Args:
        connection: the connection of the run.
        observer: gets every statement before it is sent.
        percent_escapes: un-double ``%%`` in driver SQL.
        external: the transaction is the caller's: COMMIT and ROLLBACK as text are refused.
    """
    rewrite = _rewriter(observer, percent_escapes=percent_escapes, external=external)
    adapted = wire.adapted(connection)
    original: Any = type(adapted)
    if getattr(original, "_schemakit", False):  # a run inside a run, on the same connection
        yield
        return
    adapted.__class__ = _bridged_class(original)
    event.listen(connection, "before_cursor_execute", rewrite, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", rewrite)
        adapted.__class__ = original


def _rewriter(
    observer: Observer, *, percent_escapes: bool, external: bool
) -> Callable[..., tuple[str, Any]]:
    def rewrite(  # noqa: PLR0913 - SQLAlchemy's signature
        connection: Connection,
        cursor: object,  # noqa: ARG001
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,  # noqa: FBT001
    ) -> tuple[str, Any]:
        written = getattr(context, "compiled", None) is None
        if written and percent_escapes:
            statement = statement.replace("%%", "%")
        observer.statement(statement)
        if external and ends_transaction(statement):
            detail = f"{leading_keyword(statement).upper()} as text would end it."
            raise TransactionRefused(detail)
        if parameters and not executemany and needs_literals(statement, split=_split):
            _refuse_pyformat(statement)
            statement, parameters = _literal(context, statement), ()
        observer.before(connection, statement)
        return statement, parameters

    return rewrite


def _refuse_pyformat(statement: str) -> None:
    if _PYFORMAT.search(statement) and not _NUMBERED.search(statement):
        detail = f"It uses psycopg2's placeholders: {without_literals(statement)}"
        raise StatementRefused(
            detail, remedy="use text() with :name parameters; asyncpg knows neither %s nor %(name)s."
        )


def _literal(context: Any, statement: str) -> str:
    """Return the statement with its values in the text, as psycopg2 sends it."""
    shown = without_literals(statement)
    if context.compiled is None or context.invoked_statement is None:
        detail = f"It has parameters where the server takes none: {shown}"
        raise StatementRefused(detail, remedy="write the values into the text, or use text().")
    clause = context.invoked_statement
    values = context.compiled_parameters[0] if context.compiled_parameters else {}
    try:
        names = clause.compile().params
        bind = clause.bindparams if isinstance(clause, TextClause) else clause.params
        bound = bind(**{name: values[name] for name in names if name in values})
        compiled = bound.compile(
            dialect=context.dialect,
            compile_kwargs={"literal_binds": True, "render_postcompile": True},
        )
    except (CompileError, StatementError, NotImplementedError) as error:
        detail = f"A value cannot be written as SQL text ({type(error).__name__}): {shown}"
        raise StatementRefused(
            detail, remedy="give the parameter a type: bindparams(bindparam('x', type_=String))."
        ) from None
    return str(compiled)


def _split(sql: str) -> list[str] | None:  # the parser is loaded off the loop, once
    _load_parser()
    return sql_parser.split(sql)


@cache
def _load_parser() -> None:
    await_only(anyio.to_thread.run_sync(sql_parser.load))


@cache
def _bridged_class(original: type) -> type:
    """Return a subclass of the adapted connection whose cursors deliver as `deliver` decides."""
    cursor_class = _bridged_cursor(_cursor_class(original))

    def cursor(self: Any, server_side: bool = False) -> Any:  # noqa: FBT001, FBT002 - SQLAlchemy's
        if server_side:
            return original.cursor(self, server_side=True)  # type: ignore[attr-defined]
        return cursor_class(self)

    return type(original.__name__, (original,), {"__slots__": (), "cursor": cursor, "_schemakit": True})


def _cursor_class(original: type) -> type:
    from sqlalchemy.dialects.postgresql import asyncpg  # noqa: PLC0415 - only where it is used

    return getattr(original, "_cursor_cls", None) or asyncpg.AsyncAdapt_asyncpg_cursor


def _bridged_cursor(original: Any) -> type:
    class BridgedCursor(original):  # type: ignore[misc]  # the class is SQLAlchemy's, found at run time
        """A cursor that knows more than one way to send a statement."""

        __slots__ = ()

        def execute(self, operation: str, parameters: Any = None) -> None:
            if parameters:
                _refuse_pyformat(operation)
            delivery = deliver(operation, parameters=bool(parameters), split=_split)
            if delivery.how == "prepared":
                super().execute(delivery.sql, parameters)
            elif delivery.how == "script":
                self._simple(delivery.head)
                super().execute(delivery.sql, parameters)
            else:
                self._simple(delivery.sql)

        def _simple(self, sql: str) -> None:
            status = await_only(self._send(sql))
            count = _ROW_COUNT.match(status)
            # Public attributes up to SQLAlchemy 2.0, properties over private ones since 2.1.
            mark = "_" if hasattr(self, "_rowcount") else ""
            setattr(self, f"{mark}description", None)
            setattr(self, f"{mark}rowcount", int(count[1]) if count else -1)

        async def _send(self, sql: str) -> str:
            try:
                return await wire.send_simple(self._adapt_connection, sql)
            except Exception as error:  # noqa: BLE001 - translated, as the cursor's own are
                self._handle_exception(error)
                raise

    return BridgedCursor
