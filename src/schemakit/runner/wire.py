"""SQLAlchemy's connections: the few private things schemakit needs of them.

One home for them, since they are no public API: `tests/runner/test_wire.py` runs against the
lowest and the newest SQLAlchemy that `pyproject.toml` admits.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection


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
    async with adapted_connection._execute_mutex:  # noqa: SLF001 - see the module
        if adapted_connection._transaction is None:  # noqa: SLF001
            await adapted_connection._start_transaction()  # noqa: SLF001
        status = await adapted_connection.driver_connection.execute(sql)
    return str(status)


def standard_strings(adapted_connection: Any) -> bool:
    """Whether a backslash in ``'…'`` is a backslash there (``standard_conforming_strings``)."""
    settings = adapted_connection.driver_connection.get_settings()
    return getattr(settings, "standard_conforming_strings", "on") == "on"


def forget_statements(adapted_connection: Any) -> None:
    """Forget prepared statements: DDL sent as text makes ``SELECT *`` another one."""
    cache = adapted_connection._prepared_statement_cache  # noqa: SLF001 - see the module
    if cache is not None:
        cache.clear()
