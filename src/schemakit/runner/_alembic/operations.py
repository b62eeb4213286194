"""Alembic operations about backups: op.backup_table, op.safe_drop_table and op.restore_backup.

Registered when this is imported, once for a process, beside Alembic's own. What they do is imported
when a migration does it: most never do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import alembic.op
from alembic.operations import MigrateOperation, Operations

from schemakit.errors import ConfigurationError
from schemakit.sql.name import Name

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.catalog.backup import Backup
    from schemakit.runner.backups.inside import Migration
    from schemakit.runner.backups.results import Restored
    from schemakit.runner.flow import Flow


class _Ours(MigrateOperation):
    """An operation that is a flow."""

    name = ""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def flow(self, migration: Migration) -> Flow[Any]:
        """The flow, in *migration*."""
        raise NotImplementedError


@Operations.register_operation("backup_table")
class BackupTable(_Ours):
    """Copies a table into the backup schema."""

    name = "op.backup_table"

    @classmethod
    def backup_table(  # noqa: PLR0913 - each says one thing about the backup
        cls,
        operations: Operations,
        table_name: str,
        *,
        schema: str | None = None,
        where: str | None = None,
        retention_days: int | None = None,
        max_bytes: int | None = None,
    ) -> Backup:
        """Copy a table into the backup schema; see `schemakit.safety.backup_table`."""
        made: Backup = operations.invoke(
            cls(
                table=Name(table_name, schema),
                where=where,
                retention_days=retention_days,
                max_bytes=max_bytes,
            )
        )
        return made

    def flow(self, migration: Migration) -> Flow[Backup]:
        """The flow, in *migration*."""
        from schemakit.runner.backups.copying import Copy  # noqa: PLC0415 - see the module
        from schemakit.safety.retention import days_to_keep  # noqa: PLC0415 - the same

        values = dict(self.values)
        days = days_to_keep(values.pop("retention_days"))
        revision = migration.revision
        return Copy(registry=migration.registry, days=days, revision=revision, **values).flow()


@Operations.register_operation("safe_drop_table")
class SafeDropTable(_Ours):
    """Moves a table into the backup schema."""

    name = "op.safe_drop_table"

    @classmethod
    def safe_drop_table(  # noqa: PLR0913 - each says one thing about the drop
        cls,
        operations: Operations,
        table_name: str,
        *,
        schema: str | None = None,
        cascade: bool = False,
        backup: bool = True,
        retention_days: int | None = None,
    ) -> Backup | None:
        """Drop a table by moving it into the backup schema; see `schemakit.safety.drop_table`.

        Returns None where there is no such table, or no *backup* was asked for. A downgrade that
        is to restore it needs it: *retention_days* is as long as one shall be possible.
        """
        moved: Backup | None = operations.invoke(
            cls(
                name=Name(table_name, schema),
                cascade=cascade,
                backup=backup,
                days=retention_days,
            )
        )
        return moved

    def flow(self, migration: Migration) -> Flow[Backup | None]:
        """The flow, in *migration*."""
        from schemakit.runner.backups import legacy  # noqa: PLC0415 - the same

        moved, _ = yield from legacy.dropped(migration, revision=migration.revision, **self.values)
        return moved


@Operations.register_operation("restore_backup")
class RestoreBackup(_Ours):
    """Puts a backup back."""

    name = "op.restore_backup"

    @classmethod
    def restore_backup(  # noqa: PLR0913 - each says one thing about the restore
        cls,
        operations: Operations,
        backup: Backup | str | None = None,
        *,
        table: str | None = None,
        revision: str | None = None,
        to: str | None = None,
        schema: str | None = None,
        drop_backup: bool = False,
        overwrite: bool = False,
        unverified: bool = False,
    ) -> Restored:
        """Put a backup back, or make a table *to* of it in *schema*.

        Instead of the *backup* itself its *table* (in *schema*) may be named: the newest that
        *revision* has made of it is meant; by default, the revision that runs. See
        `schemakit.safety.restore_backup`.

        Raises:
            BackupUnknown: there is none.
            ConfigurationError: neither is named, or both are.
        """
        if (backup is None) == (table is None) or (revision is not None and table is None):
            detail = "op.restore_backup takes a backup, or a table and a revision."
            raise ConfigurationError(detail, remedy='give table="orders", revision="r2".')
        restored: Restored = operations.invoke(
            cls(
                backup=backup,
                table=None if table is None else Name(table, schema),
                revision=revision,
                to=None if to is None else Name(to, schema),
                drop_backup=drop_backup,
                overwrite=overwrite,
                unverified=unverified,
            )
        )
        return restored

    def flow(self, migration: Migration) -> Flow[Restored]:
        """The flow, in *migration*."""
        from schemakit.runner.backups.restoring import Restore  # noqa: PLC0415 - the same
        from schemakit.safety.retention import days_to_keep  # noqa: PLC0415 - the same

        values, registry = dict(self.values), migration.registry
        table, revision = values.pop("table"), values.pop("revision") or migration.revision
        if table is not None:
            values["backup"] = yield from registry.newest(table, revision)
        restore = Restore(registry=registry, days=days_to_keep(), reason=migration.reason, **values)
        return (yield from restore.flow())


@Operations.implementation_for(BackupTable)
@Operations.implementation_for(SafeDropTable)
@Operations.implementation_for(RestoreBackup)
def invoked(operations: Operations, operation: _Ours) -> Any:
    """Do *operation* on the connection of the migration; in a script there is none."""
    from schemakit.runner.backups.inside import inside  # noqa: PLC0415 - the same

    context = operations.migration_context
    connection = None if context.as_sql else context.connection
    return inside(connection, operation.name, operation.flow)


def running() -> Connection | None:
    """Return the connection of the migration that runs in this task, if one does."""
    try:
        context = alembic.op.get_context()
    except NameError:  # what Alembic raises outside of one
        return None
    return None if context.as_sql else context.connection
