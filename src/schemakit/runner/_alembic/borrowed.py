"""An engine and a connection that env.py may use as its own, and that are the caller's.

env.py opens engines and closes connections; here it gets objects of SQLAlchemy's own classes that
share all state with the caller's, and on which opening, closing and disposing do nothing. Nothing
it does opens a second engine, and nothing it closes is taken from the caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

from schemakit.errors import EnvironmentRefused, TransactionRefused


class BorrowedConnection(Connection):
    """The caller's connection, with its life cycle left to the caller."""

    def __init__(self, connection: Connection, *, external: bool) -> None:
        # One state in two objects: what either does, both have done.
        self.__dict__ = connection.__dict__
        self.__dict__["_schemakit_external"] = external

    def close(self) -> None:
        """Do nothing: the connection is the caller's."""

    def detach(self) -> None:
        """Do nothing: the connection is the caller's."""

    def connect(self, **_: Any) -> BorrowedConnection:
        """Return itself: `config.attributes["connection"]` is used as an engine by some."""
        return self

    def begin(self) -> Any:
        """Begin; inside the caller's transaction, a savepoint of it."""
        if self.__dict__["_schemakit_external"]:
            return super().begin_nested()
        return super().begin()

    def commit(self) -> None:
        """Commit; the caller's transaction is left to the caller."""
        if not self.__dict__["_schemakit_external"]:
            super().commit()
        elif self.__dict__.get("_schemakit_in_revision"):
            raise TransactionRefused("The revision commits, and the transaction is the caller's.")

    def rollback(self) -> None:
        """Roll back; the caller's transaction is left to the caller."""
        if not self.__dict__["_schemakit_external"]:
            super().rollback()
        elif self.__dict__.get("_schemakit_in_revision"):
            raise TransactionRefused("The revision rolls back a transaction that is the caller's.")


class BorrowedEngine(Engine):
    """The caller's engine, which only ever hands out the one connection of this run."""

    def __init__(self, connection: BorrowedConnection) -> None:
        self.__dict__ = {**connection.engine.__dict__, "_schemakit_connection": connection}

    def connect(self) -> BorrowedConnection:
        """Return the one connection of this run."""
        connection: BorrowedConnection = self.__dict__["_schemakit_connection"]
        return connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield the connection, and commit what is still open at the end.

        Not begun here: Alembic then manages the transactions itself, and autocommit_block works.
        """
        connection = self.connect()
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    def raw_connection(self) -> Any:
        """Refuse: statements sent there would escape the lock and the transaction."""
        raise EnvironmentRefused("env.py asks for a raw connection.")

    def execution_options(self, **options: Any) -> BorrowedEngine:  # type: ignore[override]
        """Set *options* on the connection and return the engine."""
        options.pop("isolation_level", None)  # Alembic's and schemakit's matter
        self.connect().execution_options(**options)
        return self

    def dispose(self, close: bool = True) -> None:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Do nothing: the pool is the caller's."""


def borrowed(connection: Connection, of: Connection) -> bool:
    """Whether *connection* is the connection *of*, under whatever name."""
    return connection is of or connection.__dict__ is of.__dict__
