"""Migrating as another role than the one that connects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError

from schemakit.errors import AccessDenied
from schemakit.sql import Name

from . import wire
from .driver import run_simple
from .limits import assume_role

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .target import Session

_T = TypeVar("_T")
#: SQLSTATEs of SET ROLE: invalid_parameter_value (no such role), insufficient_privilege.
_REFUSED = frozenset({"22023", "42501"})
_SAVEPOINT = "schemakit_role"


async def ask_as(session: Session, role: str, function: Callable[..., _T], *arguments: Any) -> _T:
    """Return what *function* reads on *session* as *role*, in a transaction that is rolled back.

    So it leaves nothing behind in the session, whose next user may be another one.

    Raises:
        AccessDenied: the role cannot be assumed.
    """
    connection = session.connection
    with wire.time_limit(session.sync):
        if session.external:
            await connection.run_sync(run_simple, f"SAVEPOINT {_SAVEPOINT}")
        else:
            await session.migrating()
        try:
            await assumed(session, role, assume_role(role))
            return await connection.run_sync(function, *arguments)
        finally:
            if session.external:
                back = f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}"
                await connection.run_sync(run_simple, back)
            else:
                await session.resting()


async def assumed(session: Session, role: str, sql: str) -> None:
    """Send *sql*, which among others assumes *role*.

    Raises:
        AccessDenied: the role cannot be assumed.
    """
    with wire.time_limit(session.sync):  # not session.ask, which would assume the role
        await session.connection.run_sync(assume, role, sql)


def assume(connection: Connection, role: str, sql: str) -> None:
    """Do what `assumed` does, inside ``run_sync``."""
    try:
        run_simple(connection, sql)
    except DBAPIError as error:
        if role and getattr(error.orig, "sqlstate", None) in _REFUSED:
            said = str(error.orig).partition("\n")[0].rpartition(": ")[2]
            detail = f"The role {Name(role)} cannot be assumed: {said}."
            remedy = f"GRANT {Name(role)} TO the role that connects, or choose another role."
            if "exist" in said:
                remedy = "look at its name, or create it."
            raise AccessDenied(detail, remedy=remedy) from None
        raise
