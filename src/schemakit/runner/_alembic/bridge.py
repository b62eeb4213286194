"""Migrations born on psycopg2, on asyncpg: how their statements reach the server.

Two hooks, on one connection and for one run:

* before SQLAlchemy hands a statement to the driver, values are written into the text where the
  server takes no parameters (DDL, ``DO`` bodies, ``INTERVAL :x``);
* the adapted connection gets a cursor that sends DDL and scripts by the simple query protocol.

What to do is decided by `schemakit.sql.delivery`; here and in `cursor` it is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

import anyio.to_thread
from sqlalchemy import Connection, event
from sqlalchemy.util import await_only

from schemakit.errors import ConnectionLost, StatementRefused, TransactionRefused
from schemakit.runner import wire
from schemakit.sql import leading_keyword, without_literals
from schemakit.sql import parser as sql_parser
from schemakit.sql.delivery import needs_literals, statements_of
from schemakit.sql.text import copies, ends_transaction

from .carrier import carrying
from .cursor import bridged_class, send_first
from .pasted import with_values

_PYFORMAT = re.compile(r"(?<!%)%(?:s|\(\w+\)s)")
_NUMBERED = re.compile(r"\$\d")


class Observer(Protocol):
    """Who wants to know what is sent."""

    def statement(self, sql: str) -> None:
        """*sql* is about to be sent."""

    def transaction(self, connection: Connection) -> None:
        """A transaction begins."""

    def before(self, connection: Connection, sql: str) -> str:
        """Do what must be done before *sql*, and return what to send instead."""


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
    adapted = wire.adapted(connection)
    original: Any = type(adapted)
    if getattr(original, "_schemakit", False):  # a run inside a run, on the same connection
        yield
        return
    bridge = Bridge(adapted, observer, percent_escapes, external)
    rewrite, begun = bridge.rewrite, observer.transaction
    adapted.__class__ = bridged_class(original, bridge)
    event.listen(connection, "before_cursor_execute", rewrite, retval=True)
    event.listen(connection, "begin", begun)
    try:
        with carrying(adapted.driver_connection):
            yield
            send_first(adapted)
    finally:
        event.remove(connection, "begin", begun)
        event.remove(connection, "before_cursor_execute", rewrite)
        adapted.__class__ = original


@dataclass(frozen=True, slots=True, eq=False)
class Bridge:
    """One run's way over: what its two hooks share."""

    adapted: Any
    observer: Observer
    percent_escapes: bool
    external: bool

    def rewrite(  # noqa: PLR0913, PLR0917 - SQLAlchemy's signature
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,  # noqa: FBT001
    ) -> tuple[str, Any]:
        """Change what SQLAlchemy is about to hand to the driver, where it must be changed.

        Raises:
            ConnectionLost: the connection is another one, opened because the first was lost.
        """
        if wire.adapted(connection) is not self.adapted:
            detail = "The revision went on after that; a new connection does not hold the lock."
            raise ConnectionLost(detail)
        if self.percent_escapes and getattr(context, "compiled", None) is None:
            statement = statement.replace("%%", "%")
        self.look(statement, parameters)
        statement = self.observer.before(connection, statement)
        written = bool(parameters) and needs_literals(statement, split=self.split)
        write = partial(with_values, context, statement)
        if isinstance(cursor, type(self.adapted)._schemakit):  # noqa: SLF001 - our own mark
            # Written out by the cursor: logs and listeners see no values, as with psycopg2.
            cursor.seen, cursor.written = True, written
            cursor.write = write if parameters and context.compiled is not None else None
            if written and cursor.write is None:
                write()  # says why it cannot
        elif written and not executemany:  # a server-side cursor
            statement, parameters = write(), ()
        return statement, parameters

    def look(self, statement: str, parameters: Any) -> None:
        """Show *statement* to the observer; refuse what can only go wrong.

        Raises:
            StatementRefused: asyncpg has no way to run it.
            TransactionRefused: it would end the caller's transaction.
        """
        self.observer.statement(statement)
        if parameters and _PYFORMAT.search(statement) and not _NUMBERED.search(statement):
            detail = f"It uses psycopg2's placeholders: {without_literals(statement)}"
            remedy = "use text() with :name parameters; asyncpg knows neither %s nor %(name)s."
            raise StatementRefused(detail, remedy=remedy)
        if copies(statement):
            detail = f"Its data would come or go beside it: {without_literals(statement)}"
            remedy = "use op.bulk_insert(), or asyncpg's copy_records_to_table() in op.run_async()."
            raise StatementRefused(detail, remedy=remedy)
        if self.external:
            for part in statements_of(statement, self.split):
                if ends_transaction(part):
                    detail = f"{leading_keyword(part).upper()} as text would end it."
                    raise TransactionRefused(detail)

    def split(self, sql: str) -> list[str] | None:
        """Cut *sql* into statements; None if the parser cannot tell."""
        if not wire.standard_strings(self.adapted):
            return None  # the parser's grammar has no other ones
        _load_parser()
        return sql_parser.split(sql)


@cache
def _load_parser() -> None:  # off the loop, once
    await_only(anyio.to_thread.run_sync(sql_parser.load))
