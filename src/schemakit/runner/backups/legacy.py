"""What the reference's functions do, as flows: each by way of one that a coroutine has as well."""

from __future__ import annotations

import logging
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, Source, shown
from schemakit.errors import BackupDamaged, BackupUnknown, RestoreRefused
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.runner.transactions import Transactions
from schemakit.safety.permission import Loss, permitted
from schemakit.safety.retention import days_to_keep
from schemakit.sql.name import Name

from . import sources, verifying
from .copying import Copy
from .inside import Migration
from .moving import Drop
from .restoring import Restore

_log = logging.getLogger("schemakit")


def there(name: Name) -> Flow[Source | None]:
    """A flow that finds the table *name*; None if there is none of that name anywhere.

    Raises:
        TableUnknown: there is one in another schema, which may be the one that is meant; or what
            is there is no table.
    """
    if (yield from _nowhere(name)):
        return None
    return (yield from sources.found(name))


def _nowhere(name: Name) -> Flow[bool]:
    for each in (name, *_apart(name)):
        found: Source | None
        found = yield Fetch(partial(archive.source, name=each.name, schema=each.schema))
        if found is not None:
            return False
    others: tuple[str, ...] = yield Fetch(partial(archive.elsewhere, name=name.name))
    return not others


def _apart(name: Name) -> list[Name]:
    schema, _, rest = name.name.partition(".")
    return [Name(rest, schema)] if schema and rest else []


def counted(name: Name) -> Flow[int]:
    """A flow that counts the rows of a table, without those of its heirs."""
    source = yield from sources.found(name)
    only = "" if source.kind == "p" else "ONLY "
    rows: int = yield Fetch(
        partial(archive.counted, sql=f"SELECT count(*) FROM {only}{source.name}")  # noqa: S608 - a quoted name
    )
    return rows


def copied(
    migration: Migration,
    name: Name,
    revision: str | None,
    *,
    check_exists: bool = True,
    require_data: bool = False,
) -> Flow[Backup | None]:
    """A flow that copies a table; None if there is none, or no row in it, and that may be."""
    if check_exists and (yield from there(name)) is None:
        return None
    if require_data and (yield from counted(name)) == 0:
        return None
    copy = Copy(name, migration.registry, days_to_keep(), revision=revision)
    return (yield from copy.flow())


def is_whole(migration: Migration, name: str, rows: int) -> Flow[bool]:
    """A flow that verifies a backup; what is wrong with it is logged."""
    try:
        found = yield from verifying.verified(Transactions(), migration.registry, name, None)
    except (BackupDamaged, BackupUnknown) as error:
        _log.warning("%s", error)
        return False
    if found.rows != rows:
        _log.warning("%s has %s rows, and %s were expected.", name, found.rows, rows)
    return found.rows == rows


def dropped(  # noqa: PLR0913 - each says one thing about the drop
    migration: Migration,
    name: Name,
    revision: str | None,
    *,
    cascade: bool,
    backup: bool,
    days: int | None = None,
) -> Flow[tuple[Backup | None, int]]:
    """A flow that drops a table, by moving it away or, without a *backup*, for good."""
    keep = days_to_keep(days)
    if (yield from there(name)) is None:
        return None, 0
    if not backup:
        return None, (yield from _gone(migration, name, cascade=cascade))
    drop = Drop(
        name,
        migration.registry,
        keep,
        cascade,
        revision,
        migration.reason,
        action="safe_drop_table",
    )
    moved = yield from drop.flow()
    return moved, moved.rows


def _gone(migration: Migration, name: Name, *, cascade: bool) -> Flow[int]:
    source = yield from sources.locked(name, "ACCESS EXCLUSIVE")
    rows = yield from counted(source.name)
    loss = Loss("table", shown(source.name), rows)
    permitted("safe_drop_table", [loss], reason=migration.reason)
    yield Run(f"DROP TABLE {source.name}{' CASCADE' * cascade}")
    return rows


def restored(migration: Migration, name: Name, backup: str, *, drop_backup: bool) -> Flow[bool]:
    """A flow that restores *backup* over the table *name*, which must be its original."""
    entry = yield from migration.registry.entry(backup)
    if entry.original.name != name.name or name.schema not in (None, entry.original.schema):
        detail = f"{backup} is a backup of {shown(entry.original)}, and not of {shown(name)}."
        raise RestoreRefused(detail, remedy="use op.restore_backup(backup, to=…).")
    restore = Restore(
        entry,
        migration.registry,
        days_to_keep(),
        drop_backup=drop_backup,
        overwrite=True,  # as the reference does; what is there is backed up, and takes permission
        reason=migration.reason,
    )
    yield from restore.flow()
    return True
