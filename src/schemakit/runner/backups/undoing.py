"""The public coroutines that drop so that it can be undone, and that undo it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from anyio import CancelScope
from sqlalchemy.exc import DBAPIError

from schemakit.catalog.backup import Backup
from schemakit.errors import ConfigurationError, SchemakitError
from schemakit.runner import failure
from schemakit.runner.perform import perform
from schemakit.runner.reporter import OnEvent
from schemakit.runner.settings import Settings
from schemakit.runner.target import Target
from schemakit.safety.permission import reason_given
from schemakit.safety.retention import days_to_keep
from schemakit.sql.name import Name

from .arguments import backup_given, names_given, settings_given, table_given, text_given
from .calls import backup_table
from .columns import ColumnDrop
from .moving import Drop
from .registry import Registry
from .restoring import Restore
from .results import Restored

_REVISION = "the id of a revision, as a text"


async def drop_table(  # noqa: PLR0913 - each says one thing about the drop
    target: Target,
    table: str | Name,
    *,
    schema: str | None = None,
    cascade: bool = False,
    revision: str | None = None,
    retention_days: int | None = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Backup:
    """Drop a table by moving it into the backup schema, in no time at any size.

    It goes whole: indexes, constraints, triggers, sequences, grants, policies, partitions. What
    ties it to the living is taken down, and put back by `restore_backup`.

    Args:
        target: as for `upgrade`.
        table: its name as the catalog has it, unquoted.
        schema: where it is; by default wherever the search_path finds it.
        cascade: take views, incoming foreign keys and whatever else depends on it along.
        revision: of the migration that asks, to be noted.
        retention_days: for how many days it is kept; by default MIGRATION_BACKUP_RETENTION_DAYS,
            or 7.
        settings: how the call behaves; ``allow_destructive`` is the permission.
        on_event: gets every `Event`.

    Returns:
        The backup. Its rows were counted if that takes no time, else estimated.

    Raises:
        DestructiveMigrationBlocked: it holds rows, and nobody has allowed it.
        HasDependants: others depend on it, and *cascade* is not given.
        TableUnknown: there is no such table.
        AccessDenied: a right is missing.
        OperationFailed: the server refused; nothing was changed.
    """
    settings = settings_given(settings)
    text_given("revision", revision, _REVISION)
    drop = Drop(
        table_given(table, schema),
        Registry(settings.backup_schema),
        days_to_keep(retention_days),
        cascade,
        revision,
        reason_given(settings.allow_destructive),
    )
    return await perform(
        target,
        lambda means: means.atomically(drop.flow),
        command="drop_table",
        settings=settings,
        on_event=on_event,
    )


async def drop_column(  # noqa: PLR0913 - each says one thing about the drop
    target: Target,
    table: str | Name,
    column: str | Iterable[str],
    *,
    schema: str | None = None,
    revision: str | None = None,
    retention_days: int | None = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Backup:
    """Drop a column, or several, once their values are copied with the primary key.

    Writers are held off from before the copy until the column is gone. Its definition, indexes and
    constraints are noted; `restore_backup` puts it back, as the last column.

    Args:
        target: as for `upgrade`.
        table: its name as the catalog has it, unquoted.
        column: its name, or several. Of a table without a primary key all columns are copied.
        schema: where the table is; by default wherever the search_path finds it.
        revision: of the migration that asks, to be noted.
        retention_days: for how many days it is kept; by default MIGRATION_BACKUP_RETENTION_DAYS,
            or 7.
        settings: how the call behaves; ``allow_destructive`` is the permission.
        on_event: gets every `Event`.

    Returns:
        The backup.

    Raises:
        DestructiveMigrationBlocked: the table holds rows, and nobody has allowed it.
        TableUnknown: there is no such table, or column.
        AccessDenied: a right is missing.
        OperationFailed: the server refused, for instance because a view needs the column; nothing
            was changed.
    """
    settings = settings_given(settings)
    text_given("revision", revision, _REVISION)
    drop = ColumnDrop(
        table_given(table, schema),
        names_given("column", column),
        Registry(settings.backup_schema),
        days_to_keep(retention_days),
        revision,
        reason_given(settings.allow_destructive),
    )
    return await perform(
        target,
        lambda means: means.atomically(drop.flow),
        command="drop_column",
        settings=settings,
        on_event=on_event,
    )


@asynccontextmanager
async def guarded_table(
    target: Target,
    table: str | Name,
    *,
    schema: str | None = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> AsyncIterator[Backup]:
    """Back a table up, run the block, and put the table back if the block raises.

    ``async with guarded_table(engine, "chunks"): ...``. To put it back replaces what the block has
    made of the table, which is itself backed up; the permission for that is the block's own.

    Args:
        target: as for `upgrade`; an engine, if the block commits by itself.
        table: its name as the catalog has it, unquoted.
        schema: where it is; by default wherever the search_path finds it.
        settings: how the calls behave.
        on_event: gets every `Event`.

    Yields:
        The backup; it is kept after the block, too.
    """
    settings = settings_given(settings)
    backup = await backup_table(target, table, schema=schema, settings=settings, on_event=on_event)
    try:
        yield backup
    except BaseException as error:
        reason = settings.allow_destructive or f"guarded_table: {type(error).__name__}"
        allowed = replace(settings, allow_destructive=reason)
        try:
            with CancelScope(shield=True):
                await restore_backup(
                    target, backup, overwrite=True, settings=allowed, on_event=on_event
                )
        except (SchemakitError, DBAPIError) as failed:  # e.g. in a transaction that has failed
            why = failure.brief(failed)
            error.add_note(f"The table was not put back from {backup.name}: {why}")
        raise


async def restore_backup(  # noqa: PLR0913 - each says one thing about the restore
    target: Target,
    backup: Backup | str,
    *,
    to: str | Name | None = None,
    schema: str | None = None,
    drop_backup: bool = False,
    overwrite: bool = False,
    unverified: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Restored:
    """Put a backup back where it came from, as it was.

    A table that was moved away comes back itself, and is no backup any more. From a copy the table
    gets its rows back where it is, or is made anew where it is gone.

    Args:
        target: as for `upgrade`.
        backup: it, or its name.
        to: make a table of this name beside the original instead; the backup is kept. A text is the
            bare name, unquoted: a dot is a part of it. A `schemakit.partitioning.Name` may have a
            schema of its own.
        schema: where *to* is made; by default where the original was.
        drop_backup: remove a copy once it is restored.
        overwrite: allow to replace what has the name now, if that is another table, or its rows
            have changed: it is backed up first, and takes the same permission as dropping it.
        unverified: take a moved table back as it is now, even if it was changed since it was
            verified, or has lost rows. Without it, one that was ever verified is read once more.
        settings: how the call behaves.
        on_event: gets every `Event`.

    Returns:
        Where the rows are, what was overwritten, and which foreign keys do not hold any more.

    Raises:
        BackupUnknown: there is none of that name.
        ConfigurationError: *schema* is given without *to*.
        BackupDamaged: it is not what was put away; see `verify_backup`.
        RestoreRefused: it would replace something, and *overwrite* is not given.
        ConfigurationError: *schema* without *to*.
        DestructiveMigrationBlocked: it would replace rows, and nobody has allowed it.
        OperationFailed: the server refused; nothing was changed.
    """
    settings = settings_given(settings)
    restore = Restore(
        backup_given(backup),
        Registry(settings.backup_schema),
        days_to_keep(),
        _beside(to, schema),
        drop_backup=drop_backup,
        overwrite=overwrite,
        unverified=unverified,
        reason=reason_given(settings.allow_destructive),
    )
    return await perform(
        target,
        lambda means: means.atomically(restore.flow),
        command="restore_backup",
        settings=settings,
        on_event=on_event,
    )


def _beside(to: str | Name | None, schema: str | None) -> Name | None:
    if to is not None:
        return table_given(to, schema, argument="to")
    if schema is not None:
        detail = f"schema={schema!r} says where to=… is made, and that is not given."
        raise ConfigurationError(detail, remedy="give both, or neither.")
    return None
