"""A connection that could not be had, or that broke: which errors say so, and in what words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.exc import DBAPIError

from schemakit.errors import ConnectionFailed, ConnectionLost, PoolerRefused, SchemakitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

#: What asyncpg and SQLAlchemy raise where a connection cannot be had, or is no more.
DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError)

_REMEDIES = {
    "3D000": "create it (createdb), or mend the name at the end of the URL.",
    "28000": "look at the user in the URL, and at the server's pg_hba.conf.",
    "28P01": "look at user and password in the URL; special characters are percent-encoded.",
    "53300": "wait until clients have gone, or raise the server's max_connections.",
    "57P03": "the server is starting or stopping: try again in a moment.",
}


def links(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error* and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def origin(error: BaseException) -> Any:
    """Return the driver's own error below SQLAlchemy's; *error* itself where there is none."""
    original = getattr(error, "orig", None)
    return getattr(original, "__cause__", None) or original or error


def is_lost(error: BaseException) -> bool:
    """Whether *error* comes from a connection that is no more."""
    return any(map(_says_so, links(error)))


def first(error: BaseException) -> BaseException:
    """Return the link of *error* that was the first to say that the connection is no more.

    What tidied up after it says only that it could not.
    """
    return [error, *filter(_says_so, links(error))][-1]


def _says_so(error: BaseException) -> bool:
    if isinstance(error, ConnectionLost):
        return True
    if isinstance(error, DBAPIError):  # SQLAlchemy has asked the driver
        return error.connection_invalidated
    if isinstance(error, asyncpg.InterfaceError):
        return "connection is closed" in str(error)
    if isinstance(error, asyncpg.PostgresError):
        # A server's own 08003 may be about a connection of dblink; asyncpg's has no severity.
        severity = getattr(error, "severity_en", None)
        local = severity is None and isinstance(error, asyncpg.ConnectionDoesNotExistError)
        return local or severity in ("FATAL", "PANIC")
    return False


def place(url: URL) -> str:
    """Return where *url* leads, without the password."""
    host, port = url.host or url.query.get("host"), url.port or url.query.get("port")
    parts = (
        f"database {url.database!r}" if url.database else "the default database",
        f"on {host}" if host else "",
        f":{port}" if host and port else "",
        f" as {url.username!r}" if url.username else "",
    )
    return f"{parts[0]} {''.join(parts[1:])}".strip()


def failed(where: str, error: BaseException) -> SchemakitError:
    """Return the error of a connection to *where* that could not be had, because of *error*."""
    for link in links(error):
        if isinstance(link, SchemakitError):  # of an engine that connects in a way of its own
            return link
    cause = origin(error)
    said = str(cause).strip().partition("\n")[0] or "no answer in time"
    remedy = _REMEDIES.get(str(getattr(cause, "sqlstate", "")))
    return ConnectionFailed(f"{where}: {type(cause).__name__}: {said}", remedy=remedy)


#: SQLSTATEs: invalid_sql_statement_name, duplicate_prepared_statement.
_PREPARED = frozenset({"26000", "42P05"})


def by_a_pooler(error: BaseException) -> PoolerRefused | None:
    """Return the typed error for *error*, if it comes from a prepared statement that got lost.

    Behind a transaction pooler a statement is prepared on one backend and executed on another,
    and two clients choose the same name for theirs.
    """
    for link in links(error):
        if getattr(link, "sqlstate", None) in _PREPARED:
            return PoolerRefused(str(link).partition("\n")[0])
    return None
