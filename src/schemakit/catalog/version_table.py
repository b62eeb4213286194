"""What Alembic's version table holds: the one SELECT of a service that starts at head.

By itself, so that such a service loads nothing else of the catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from schemakit.errors import AccessDenied

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.sql import Name

#: SQLSTATEs of a version table that is not there: undefined_table, invalid_schema_name.
_NO_SUCH_TABLE = frozenset({"42P01", "3F000"})
_INSUFFICIENT_PRIVILEGE = "42501"


def stored_versions(connection: Connection, table: Name) -> tuple[str, ...]:
    """Return the revisions in Alembic's version *table*, sorted; none if there is no such table.

    One SELECT. On a connection without a transaction an absent table is found by the error; in a
    transaction that error would end it, so there its existence is asked for first.
    """
    if connection.in_transaction() and not _relation_exists(connection, table):
        return ()
    # Cast: a plan cached before the column's type changed would be refused.
    select = text(f"SELECT version_num::text FROM {table}")  # noqa: S608 - Name quotes
    try:
        # A revision may have left stream_results on: such a cursor needs a transaction.
        rows = connection.execute(select, execution_options={"stream_results": False})
        return tuple(sorted(rows.scalars()))
    except DBAPIError as error:
        sqlstate = getattr(error.orig, "sqlstate", None)
        if sqlstate in _NO_SUCH_TABLE:
            return ()
        if sqlstate == _INSUFFICIENT_PRIVILEGE:
            raise AccessDenied(f"Reading the version table {table} was refused.") from error
        raise


def _relation_exists(connection: Connection, table: Name) -> bool:
    found = text("SELECT to_regclass(:name) IS NOT NULL")
    return bool(connection.execute(found, {"name": str(table)}).scalar())
