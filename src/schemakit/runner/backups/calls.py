"""The public coroutines about backups. Users look for them in `schemakit.safety`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from schemakit.catalog.backup import Backup
from schemakit.runner.flow import Flow
from schemakit.runner.perform import perform
from schemakit.runner.reporter import OnEvent
from schemakit.runner.settings import Settings
from schemakit.runner.target import Target
from schemakit.runner.transactions import Transactions
from schemakit.safety.permission import reason_given
from schemakit.safety.retention import days_to_keep
from schemakit.sql.name import Name

from . import keeping
from .arguments import (
    backup_given,
    backups_given,
    number_given,
    settings_given,
    table_given,
    text_given,
)
from .copying import Copy
from .keeping import Cleaned, Overview
from .registry import Registry
from .verifying import Verification, verified


async def backup_table(  # noqa: PLR0913 - each says one thing about the backup
    target: Target,
    table: str | Name,
    *,
    schema: str | None = None,
    where: str | None = None,
    revision: str | None = None,
    retention_days: int | None = None,
    max_bytes: int | None = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Backup:
    """Copy a table, or a partition tree, into the backup schema, as one snapshot shows it.

    Readers and writers go on meanwhile. On a connection with a transaction open, the copy is part
    of that.

    Args:
        target: as for `upgrade`.
        table: its name as the catalog has it, unquoted.
        schema: where it is; by default wherever the search_path finds it.
        where: which rows, as SQL: your own, for it is sent as it is.
        revision: of the migration that asks, to be noted.
        retention_days: for how many days it is kept; by default MIGRATION_BACKUP_RETENTION_DAYS,
            or 7.
        max_bytes: how much space it may take, by an estimate.
        settings: how the call behaves.
        on_event: gets every `Event`.

    Returns:
        The backup, as the registry has it.

    Raises:
        TableUnknown: there is no such table.
        BackupTooLarge: it would take more than *max_bytes*.
        AccessDenied: a right is missing.
        OperationFailed: the server refused, for instance because the disk is full; nothing is left.
    """
    settings = settings_given(settings)
    name = table_given(table, schema)
    condition = 'a condition as SQL, e.g. "id < 100"; without it, all rows'
    text_given("where", where, condition, empty=False)
    text_given("revision", revision, "the id of a revision, as a text")
    number_given("max_bytes", max_bytes, "a number of bytes, e.g. 1_000_000")
    copy = Copy(
        name,
        Registry(settings.backup_schema),
        days_to_keep(retention_days),
        where,
        revision,
        max_bytes,
    )

    def copying(means: Transactions) -> Flow[Backup]:
        means.attempt.changed = where is not None  # a function in it may SET what it likes
        return means.atomically(copy.flow)

    return await perform(
        target,
        copying,
        command="backup_table",
        settings=settings,
        on_event=on_event,
    )


async def list_backups(
    target: Target,
    *,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> tuple[Backup, ...]:
    """Return the backups of a database, newest first; none where nothing was ever backed up.

    Args:
        target: as for `upgrade`.
        settings: how the call behaves.
        on_event: gets every `Event`.
    """
    settings = settings_given(settings)
    return await perform(
        target,
        lambda means: means.atomically(Registry(settings.backup_schema).entries),
        command="list_backups",
        settings=settings,
        on_event=on_event,
        writes=False,
    )


async def backup_status(
    target: Target,
    *,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Overview:
    """Return how the backups stand: the registry, compared with what is there.

    Args:
        target: as for `upgrade`.
        settings: how the call behaves.
        on_event: gets every `Event`.
    """
    settings = settings_given(settings)
    return await perform(
        target,
        lambda means: means.atomically(partial(keeping.overview, Registry(settings.backup_schema))),
        command="backup_status",
        settings=settings,
        on_event=on_event,
        writes=False,
    )


async def extend_backup(
    target: Target,
    backup: Backup | str,
    days: int | None = None,
    *,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Backup:
    """Keep a backup for *days* from now on, and never for a shorter time than it was.

    Args:
        target: as for `upgrade`.
        backup: it, or its name.
        days: by default MIGRATION_BACKUP_RETENTION_DAYS, or 7.
        settings: how the call behaves.
        on_event: gets every `Event`.

    Returns:
        The backup as it is kept now.

    Raises:
        BackupUnknown: there is none of that name.
    """
    settings = settings_given(settings)
    registry, entry = Registry(settings.backup_schema), backup_given(backup)
    work = partial(keeping.extended, registry, entry, days_to_keep(days))
    return await perform(
        target,
        lambda means: means.atomically(work),
        command="extend_backup",
        settings=settings,
        on_event=on_event,
    )


async def verify_backup(
    target: Target,
    backup: Backup | str,
    *,
    workers: int | None = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Verification:
    """Compare a backup with what was put away: every facet, and the content.

    The content of a copy is told by a digest of an earlier verification, or by its seal: all rows
    are still those that were written when it was made. That of a move is compared with its first
    verification. All of it is read under one snapshot; nobody waits.

    Args:
        target: as for `upgrade`.
        backup: it, or its name.
        workers: how many processes read it beside the first; by default as the server thinks fit.
        settings: how the call behaves.
        on_event: gets every `Event`.

    Returns:
        What was compared, and with what.

    Raises:
        BackupUnknown: there is none of that name.
        BackupMissing: it, or a part of it, is gone.
        BackupTruncated: it has not as many rows as it had.
        BackupEdited: its rows are others.
        BackupAltered: its columns or other facets are others.
    """
    settings = settings_given(settings)
    number_given("workers", workers, "a number of processes, e.g. 2")
    registry, entry = Registry(settings.backup_schema), backup_given(backup)
    return await perform(
        target,
        lambda means: verified(means, registry, entry, workers),
        command="verify_backup",
        settings=settings,
        on_event=on_event,
    )


async def cleanup_backups(
    target: Target,
    backups: Backup | str | Iterable[Backup | str] | None = None,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Cleaned:
    """Remove the backups that have expired, each on its own: one that fails holds up no other.

    Args:
        target: as for `upgrade`.
        backups: remove these instead, one or several; for those that have not expired it takes
            permission.
        dry_run: only say which they are.
        settings: how the call behaves.
        on_event: gets every `Event`.

    Returns:
        What was removed, and what was not and why.

    Raises:
        BackupUnknown: there is none of that name.
        DestructiveMigrationBlocked: one has not expired, and nobody has allowed it.
    """
    settings = settings_given(settings)
    registry, reason = Registry(settings.backup_schema), reason_given(settings.allow_destructive)
    chosen = backups_given(backups)
    return await perform(
        target,
        lambda means: keeping.removed(means, registry, chosen, reason, dry_run=dry_run),
        command="cleanup_backups",
        settings=settings,
        on_event=on_event,
        writes=not dry_run,
    )
