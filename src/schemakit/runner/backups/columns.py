"""Columns are dropped after their values were put aside with the primary key, and put back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, Source, SourceColumn, shown
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.portray import portray
from schemakit.catalog.table import Column
from schemakit.errors import (
    BackupMissing,
    RestoreRefused,
    TableUnknown,
)
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.safety.manifest import Manifest
from schemakit.safety.permission import Loss, permitted
from schemakit.safety.readd import readd
from schemakit.safety.refill import held_off, let_go, read_back
from schemakit.sql.name import Name, quote
from schemakit.sql.words import counted

from . import sources
from .copying import Copy
from .counting import rows_of
from .moving import SPOKEN
from .pins import WHOLE, under
from .proving import attempted, proven
from .referring import refuse_irrevocable
from .registry import Registry
from .results import Restored
from .sending import sent
from .verifying import refuse_damaged, same_facets


@dataclass(frozen=True, slots=True)
class ColumnDrop:
    """Columns that are to go.

    Attributes:
        table: whose.
        columns: which ones.
        registry: where they are noted.
        days: for how many days they are kept.
        revision: of the migration that asks.
        reason: why rows may be destroyed; empty if nobody said.
    """

    table: Name
    columns: tuple[str, ...]
    registry: Registry
    days: int
    revision: str | None = None
    reason: str = ""

    def flow(self) -> Flow[Backup]:
        """A flow that copies them and drops them, within one transaction."""
        source = yield from sources.found(self.table)
        sources.refuse_strangers(source)
        return (yield from under(WHOLE, self._dropped(source)))

    def _dropped(self, found: Source) -> Flow[Backup]:
        if not self.reason:  # who is not allowed to does not even wait for the lock
            yield from self._examined(found)
        # Writers are held off from before the copy until the column is gone; readers, for a moment.
        source = yield from sources.held(found, "SHARE")
        reason, columns = yield from self._examined(source)
        copy = Copy(
            source.name,
            self.registry,
            self.days,
            revision=self.revision,
            lock="SHARE",
            reason=reason,
            columns=self.columns,
        )
        backup = yield from copy.flow()
        actions = ", ".join(f"DROP COLUMN {quote(name)}" for name in columns)
        yield Run(f"ALTER TABLE {source.name} {actions}", long=True)
        return backup

    def _examined(self, source: Source) -> Flow[tuple[str, tuple[str, ...]]]:
        """A flow that asks whether they may go; returns why, and in which order they can."""
        known: tuple[SourceColumn, ...] = yield Fetch(partial(archive.columns, oid=source.oid))
        missing = set(self.columns) - {each.name for each in known}
        if missing:
            detail = f"{shown(source.name)} has no column {', '.join(sorted(missing))}."
            raise TableUnknown(detail, remedy="give the names as the catalog has them, unquoted.")
        yield from refuse_irrevocable(source.name, [source.oid], self.columns)
        rows = yield from rows_of(source)
        losses = [Loss("column", f"{shown(source.name)}.{name}", *rows) for name in self.columns]
        reason = permitted("drop_column", losses, reason=self.reason)
        # What is computed goes first: the server does not look ahead in its list of actions.
        computed = {each.name for each in known if each.generated}
        return reason, tuple(sorted(self.columns, key=lambda name: name not in computed))


@dataclass(frozen=True, slots=True)
class ColumnReturn:
    """Dropped columns that are to be put back.

    Attributes:
        backup: the copy of them.
        registry: which has it.
    """

    backup: Backup
    registry: Registry

    def flow(self) -> Flow[Restored]:
        """A flow that puts them back, within one transaction."""
        return under(SPOKEN, self._restored())

    def _restored(self) -> Flow[Restored]:
        if not self.backup.there:
            raise BackupMissing(f"{shown(self.backup.relation)} is not there.")
        manifest = yield from self.registry.manifest(self.backup)
        yield from same_facets(self.backup, manifest)
        key = self._key(manifest)
        live = yield from sources.locked(self.backup.original, "ACCESS EXCLUSIVE")
        now: Portrait = yield Fetch(partial(portray, oid=live.oid, heirs=False))
        self._refuse_present(manifest, now)
        way = readd(manifest.portrait, now, manifest.columns)
        yield from sent((*held_off(now), *way.added))
        rows = yield from self._filled(manifest, key)
        yield from sent((*way.after, *let_go(now)))
        left: tuple[str, ...] = ()
        if rows < self.backup.rows:
            lost = counted(self.backup.rows - rows, "row")
            left = (
                f"the values of {', '.join(manifest.columns)} of {lost}, whose key is not there",
            )
        for claim in way.claims:
            if not (yield from attempted(claim.statements)):
                left += (claim.what,)
        unproven = yield from proven(way.proofs)
        return Restored(live.name, self.backup, rows, None, unproven, left)

    def _key(self, manifest: Manifest) -> tuple[Column, ...]:
        table = manifest.portrait.table
        keys = [each.columns for each in table.constraints if each.kind == "p"]
        if not keys:
            detail = f"{shown(self.backup.original)} has no primary key to tell its rows by."
            remedy = "the backup holds whole rows: restore it beside the table with to=… (--to)"
            raise RestoreRefused(detail, remedy=f"{remedy}.")
        known = {each.name: each for each in table.columns}
        return tuple(known[name] for name in keys[0])

    def _refuse_present(self, manifest: Manifest, now: Portrait) -> None:
        there = {each.name for each in now.table.columns} & set(manifest.columns)
        if there:
            detail = f"{shown(now.name)} has a column {', '.join(sorted(there))} again."
            raise RestoreRefused(detail, remedy="drop it first, or restore with to=… (--to).")

    def _filled(self, manifest: Manifest, key: tuple[Column, ...]) -> Flow[int]:
        """A flow that gives the columns their values; returns how many rows have got theirs."""
        known = {each.name: each for each in manifest.portrait.table.columns}
        columns = [known[name] for name in manifest.columns if not known[name].generated]
        sealed = f"WHERE xmin = '{int(self.backup.seal)}'::xid" if self.backup.seal else ""
        rows: int = yield Fetch(
            partial(archive.counted, sql=f"SELECT count(*) FROM {self.backup.relation} {sealed}")  # noqa: S608 - a quoted name
        )
        if rows != self.backup.rows:
            yield from refuse_damaged(self.backup, rows)
        if not columns:  # what is computed has its values by itself
            return rows
        tag: str = yield Run(_update(self.backup, columns, key), long=True)
        return int(tag.rsplit(maxsplit=1)[-1])


def _update(backup: Backup, columns: Iterable[Column], key: Iterable[Column]) -> str:
    values = ", ".join(f"{quote(each.name)} = kept.{quote(each.name)}" for each in columns)
    kept = ", ".join(f"{read_back(each)} AS {quote(each.name)}" for each in (*key, *columns))
    same = " AND ".join(f"live.{quote(each.name)} = kept.{quote(each.name)}" for each in key)
    return (
        f"UPDATE {backup.original} AS live SET {values}"  # noqa: S608 - quoted names
        f" FROM (SELECT {kept} FROM {backup.relation}) AS kept WHERE {same}"
    )
