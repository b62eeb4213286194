"""SQLAlchemy's adapted asyncpg connection: the few private things schemakit needs of it.

One home for them, since they are no public API: `tests/runner/test_wire.py` runs against the
lowest and the newest SQLAlchemy that `pyproject.toml` admits.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection


def adapted(connection: Connection) -> Any:
    """Return the adapted asyncpg connection below *connection*."""
    return connection.connection.dbapi_connection


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
