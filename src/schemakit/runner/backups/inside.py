"""Flows inside a migration: on the connection that ``op.get_bind()`` gives, in its transaction.

The same flows as behind the coroutines. A savepoint around each leaves the transaction usable if it
fails; a lock that is in the way is the run's to wait for, which tries the whole revision again.
What is done shows in the run: in the statement that an error names, and in a rehearsal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine.mock import MockConnection

from schemakit.errors import StatementRefused, UnsupportedTarget
from schemakit.runner import wire
from schemakit.runner.driver import drive
from schemakit.runner.flow import Flow, Request, Run
from schemakit.runner.settings import Settings
from schemakit.runner.transactions import Transactions
from schemakit.safety.permission import reason_given
from schemakit.sql import leading_keyword

from .registry import Registry

if TYPE_CHECKING:
    from schemakit.runner.environment import Observation

_T = TypeVar("_T")

#: What a flow sends for itself, and not for the revision: savepoints, settings.
_PLUMBING = frozenset(("savepoint", "release", "rollback", "begin", "commit"))


@dataclass(frozen=True, slots=True)
class Migration:
    """The migration that a flow runs in.

    Attributes:
        settings: of the run; outside of one as the SCHEMAKIT_* variables say.
        revision: that is running, if one is.
    """

    settings: Settings
    revision: str | None = None

    @property
    def registry(self) -> Registry:
        """Where backups are kept."""
        return Registry(self.settings.backup_schema)

    @property
    def reason(self) -> str:
        """Why rows may be destroyed; empty if nobody said."""
        return reason_given(self.settings.allow_destructive)


def migration(connection: Connection | None) -> Migration:
    """Return the migration that runs on *connection*."""
    observation = _observation(connection)
    if observation is None:
        return Migration(Settings.from_environment())
    limits, journal = observation.limits, observation.journal
    settings = limits.settings if limits is not None else Settings.from_environment()
    running = journal.revision if journal is not None else None
    return Migration(settings, running.id if running is not None else None)


def inside(
    connection: Connection | None, command: str, work: Callable[[Migration], Flow[_T]]
) -> _T:
    """Do *work* on the connection of a migration, in its transaction.

    Args:
        connection: as ``op.get_bind()`` gives it.
        command: the call's name, for messages.
        work: makes the flow.

    Raises:
        StatementRefused: there is no connection, since a script is being written.
        UnsupportedTarget: it is not asyncpg's.
    """
    accepted = _accepted(connection, command)
    found, observation = migration(accepted), _observation(accepted)
    flow = Transactions(command).atomically(lambda: work(found))
    try:
        if observation is None:
            return drive(accepted, flow, _unheard)
        with observation.acting():
            return drive(accepted, flow, _unheard, _noting(observation))
    finally:
        wire.forget_statements(wire.adapted(accepted))


def _accepted(connection: Any, command: str) -> Connection:
    if connection is None or isinstance(connection, MockConnection):
        detail = f"{command} asks the database, and a script has none."
        remedy = "guard it with `if not op.get_context().as_sql:`, or upgrade online."
        raise StatementRefused(detail, remedy=remedy)
    if not isinstance(connection, Connection) or connection.dialect.driver != "asyncpg":
        kind = type(connection).__name__
        raise UnsupportedTarget(
            f"{command} got {kind!r}.",
            remedy="give what op.get_bind() returns under schemakit, which is on asyncpg.",
        )
    if not connection.in_transaction():
        connection.begin()  # as its first statement would have
    return connection


def _noting(observation: Observation) -> Callable[[Request], None]:
    def note(request: Request) -> None:
        if isinstance(request, Run) and not _is_plumbing(request.sql):
            observation.own(request.sql)
        else:
            observation.sends += 1

    return note


def _is_plumbing(sql: str) -> bool:
    keyword = leading_keyword(sql)
    return keyword in _PLUMBING or (keyword == "select" and ";" not in sql)


def _observation(connection: Connection | None) -> Observation | None:
    if connection is None or getattr(connection.dialect, "driver", "") != "asyncpg":
        return None
    found: Observation | None = wire.observer(wire.adapted(connection))
    return found


def _unheard(_: object) -> None:
    """Nobody listens: the events of a run are about its revisions."""
