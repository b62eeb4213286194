"""An engine and a connection that env.py may use as its own, and that are the caller's.

env.py opens engines and closes connections; here it gets objects of SQLAlchemy's own classes that
share all state with the caller's, and on which opening, closing and disposing do nothing. Nothing
it does opens a second engine, and nothing it closes is taken from the caller.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection, Engine

from schemakit.errors import EnvironmentRefused, TransactionRefused

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        """Begin what Alembic asks for; env.py gets a `DeferredTransaction`, or a savepoint.

        A transaction that env.py begins around everything would forbid Alembic its own: no
        transaction_per_migration, no autocommit_block.
        """
        state = self.__dict__
        if state["_schemakit_external"]:
            return super().begin_nested()
        if state.get("_schemakit_managed") or self.in_transaction():
            return super().begin()
        return DeferredTransaction(self)

    def _autobegin(self) -> None:  # SQLAlchemy's own: the first statement begins, and at once
        if self.__dict__["_schemakit_external"]:
            raise TransactionRefused("env.py or a revision has ended it.")
        with managed(self):
            super()._autobegin()

    def get_transaction(self) -> Any:
        """Return the transaction; the caller's in a form that cannot end it."""
        if self.__dict__["_schemakit_external"] and self.in_transaction():
            return DeferredTransaction(self)
        return super().get_transaction()

    def still_in(self, transaction: object) -> bool:
        """Whether *transaction* is the open one."""
        return super().get_transaction() is transaction

    def execution_options(self, **options: Any) -> BorrowedConnection:
        """Set *options*; the isolation level of the caller's transaction is the caller's."""
        state = self.__dict__
        if state["_schemakit_external"] and not state.get("_schemakit_in_revision"):
            options.pop("isolation_level", None)
        super().execution_options(**options)
        return self

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


class DeferredTransaction:
    """A transaction that begins with its first statement and ends as its connection lets it."""

    is_active = is_valid = True
    nested = False

    def __init__(self, connection: BorrowedConnection) -> None:
        self.connection = connection

    def commit(self) -> None:
        """Commit what is open."""
        self.connection.commit()

    def rollback(self) -> None:
        """Roll back what is open."""
        self.connection.rollback()

    close = rollback

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()


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
        """Yield the connection, and commit what is still open at the end."""
        connection = self.connect()
        with connection.begin():
            yield connection

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


@contextmanager
def managed(connection: Connection | None) -> Iterator[None]:
    """What begins inside the block is begun by Alembic, and so at once."""
    state = connection.__dict__ if connection is not None else {}
    before = state.get("_schemakit_managed", False)
    state["_schemakit_managed"] = True
    try:
        yield
    finally:
        state["_schemakit_managed"] = before
