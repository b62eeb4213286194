"""What is done with backups that there are: kept longer, removed when they expire, summed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, shown
from schemakit.errors import BackupMissing, HasDependants, SchemakitError
from schemakit.runner import broken, failure
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.runner.transactions import Transactions
from schemakit.safety.naming import is_backup_name
from schemakit.safety.permission import Loss, permitted
from schemakit.sql.name import Name, quote
from schemakit.sql.words import counted

from .copying import kept_for
from .registry import Registry

_EXPIRED = "retention_until <= pg_catalog.clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What `cleanup_backups` did.

    Attributes:
        removed: the backups that are gone, or would be.
        failed: those that are still there, each with the reason.
        dry_run: whether nothing was done.
    """

    removed: tuple[Backup, ...] = ()
    failed: tuple[tuple[Backup, str], ...] = ()
    dry_run: bool = False

    def __str__(self) -> str:
        """A line for each."""
        verb = "would remove" if self.dry_run else "removed"
        lines = [f"{verb} {backup}" for backup in self.removed]
        lines += [f"kept {backup.name}: {why}" for backup, why in self.failed]
        return "\n".join(lines) or "no expired backups"


@dataclass(frozen=True, slots=True)
class Overview:
    """How the backups of a database stand.

    Attributes:
        backups: those of the registry, newest first.
        orphans: what looks like a backup and is in no registry; a schema has an empty name.
    """

    backups: tuple[Backup, ...] = ()
    orphans: tuple[Name, ...] = ()

    @property
    def missing(self) -> tuple[Backup, ...]:
        """Those that are in the registry and not there."""
        return tuple(backup for backup in self.backups if not backup.there)

    @property
    def rows(self) -> int:
        """The rows of all together."""
        return sum(backup.rows for backup in self.backups if backup.there)

    @property
    def bytes(self) -> int:
        """The space of all together."""
        return sum(backup.bytes for backup in self.backups if backup.there)

    def with_status(self, status: str) -> tuple[Backup, ...]:
        """Return those that are ``ACTIVE``, ``EXPIRING SOON`` or ``EXPIRED``."""
        return tuple(backup for backup in self.backups if backup.status == status)

    def __str__(self) -> str:
        """How many of each, in lines."""
        counts = ", ".join(
            f"{len(self.with_status(status))} {status}"
            for status in ("ACTIVE", "EXPIRING SOON", "EXPIRED")
        )
        size = f"{counted(self.rows, 'row')}, {counted(self.bytes, 'byte')}"
        lines = [f"{counted(len(self.backups), 'backup')}: {counts}; {size}"]
        lines += [f"missing: {backup.name}" for backup in self.missing]
        lines += [f"in no registry: {_orphan(each)}" for each in self.orphans]
        return "\n".join(lines)


def overview(registry: Registry) -> Flow[Overview]:
    """A flow that compares the registry with what is there."""
    backups = yield from registry.entries()
    orphans: tuple[Name, ...] = yield Fetch(partial(archive.orphans, schema=registry.schema))
    return Overview(backups, orphans)


def extended(registry: Registry, backup: Backup | str, days: int) -> Flow[Backup]:
    """A flow that keeps a backup for *days* from now on; never for a shorter time than it was."""
    entry = yield from _adopted(registry, backup)
    later = f"greatest(retention_until, {kept_for(days)})"
    yield from registry.changed(entry, "retention_until IS NOT NULL", retention_until=later)
    return (yield from registry.entry(entry))


def removed(
    means: Transactions,
    registry: Registry,
    chosen: Sequence[Backup | str] | None,
    reason: str,
    *,
    dry_run: bool,
) -> Flow[Cleaned]:
    """A flow that removes the expired backups, or those *chosen*, each in its own transaction."""
    backups = yield from _chosen(registry, chosen)
    if dry_run or not backups:
        return Cleaned(backups, dry_run=dry_run)
    losses = [_loss(each) for each in backups if each.status != "EXPIRED" and each.there]
    permitted("cleanup_backups", losses, reason=reason)
    yield from means.atomically(registry.opened)
    gone: list[Backup] = []
    failed: list[tuple[Backup, str]] = []
    for backup in backups:
        only = _EXPIRED if chosen is None else "true"
        try:
            done = yield from means.atomically(partial(_removed, registry, backup, only))
        except (DBAPIError, SchemakitError) as error:
            if broken.is_lost(error):
                raise
            failed.append((backup, _why(error)))
        else:
            gone += [backup] if done else []
    return Cleaned(tuple(gone), tuple(failed))


def _chosen(registry: Registry, chosen: Sequence[Backup | str] | None) -> Flow[tuple[Backup, ...]]:
    if chosen is None:
        found = yield from registry.entries()
        # The oldest first: a type that two of them need lies with the one that was made last.
        return tuple(each for each in reversed(found) if each.status == "EXPIRED")
    entries: tuple[Backup, ...] = ()
    for each in chosen:
        entries += ((yield from registry.entry(each)),)
    return entries


def _why(error: Exception) -> str:
    return error.detail if isinstance(error, SchemakitError) else failure.brief(error)


def _loss(backup: Backup) -> Loss:
    return Loss("backup", f"{backup.name} of {shown(backup.original)}", backup.rows, backup.exact)


def _removed(registry: Registry, backup: Backup, where: str) -> Flow[bool]:
    entries = yield from registry.entries(backup.name)  # adopted meanwhile, it has a number
    entry = entries[0] if entries else backup
    # The row goes last, for it says what to drop; until then it is locked against all others.
    if not (yield from registry.changed(entry, where, reason="reason")):
        return False
    yield from dropped(registry, entry)
    return (yield from registry.forgotten(entry))


def dropped(registry: Registry, backup: Backup) -> Flow[None]:
    """A flow that drops what a backup is made of, if it is that; never with what others made of it.

    What the registry says is not believed: a row may name anybody's table.
    """
    if not backup.there:
        return
    if backup.kind == "move":
        yield from _place_dropped(registry, backup)
        return
    ours = backup.relation.schema == registry.schema and backup.oid
    if not (ours or (backup.relation.schema == "public" and is_backup_name(backup.name))):
        detail = f"{shown(backup.relation)} is no backup of schemakit's."
        raise BackupMissing(detail, remedy="see to it by hand; nothing was dropped.")
    yield Run(f"DROP TABLE {backup.relation}", long=True)


def _place_dropped(registry: Registry, backup: Backup) -> Flow[None]:
    manifest = yield from registry.manifest(backup)
    marked: tuple[str, ...] = yield Fetch(archive.given_to_backups)
    schemas = tuple(manifest.places.values())
    if not set(schemas) <= set(marked):
        detail = f"The schemas of {backup.name} are not those that were made for it."
        raise BackupMissing(detail, remedy="see to it by hand; nothing was dropped.")
    outsiders: tuple[str, ...] = yield Fetch(partial(archive.outsiders, schemas=schemas))
    if outsiders:
        detail = f"On {backup.name} depend {', '.join(outsiders)}."
        raise HasDependants(detail, dependants=outsiders)
    yield Run(f"DROP SCHEMA {', '.join(map(quote, schemas))} CASCADE", long=True)


def _adopted(registry: Registry, backup: Backup | str) -> Flow[Backup]:
    entry = yield from registry.entry(backup)
    if entry.id:
        return entry
    yield from registry.opened()
    return (yield from registry.entry(entry))


def _orphan(name: Name) -> str:
    return shown(name) if name.name else f"schema {name.schema}"
