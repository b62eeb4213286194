"""A table that was moved away comes back: the same objects, tied to the living again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, Source, shown
from schemakit.catalog.kept import renumbered
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.portray import portray
from schemakit.errors import BackupMissing, RestoreRefused
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.safety.manifest import Manifest
from schemakit.safety.moves import move

from .counting import rows_of
from .elsewhere import parents_there
from .homing import home
from .moving import SPOKEN, Drop
from .pins import under
from .proving import proven
from .registry import Registry
from .results import Restored
from .sending import sent
from .verifying import content, same_content, same_facets, same_number


@dataclass(frozen=True, slots=True)
class Return:
    """A move that is to be undone.

    Attributes:
        backup: the move.
        registry: which has it.
        days: for how many days what is overwritten is kept.
        overwrite: whether what has its name now may be moved away.
        reason: why rows may be destroyed.
        unverified: whether it may come back as it is now, whatever that is.
    """

    backup: Backup
    registry: Registry
    days: int
    overwrite: bool = False
    reason: str = ""
    unverified: bool = False

    def flow(self) -> Flow[Restored]:
        """A flow that brings the table back, within one transaction."""
        return under(SPOKEN, self._returned())

    def _returned(self) -> Flow[Restored]:
        if not self.backup.there:
            raise BackupMissing(f"{shown(self.backup.relation)} is not there.")
        manifest = yield from self.registry.manifest(self.backup)
        if self.backup.transplanted:
            now: Portrait = yield Fetch(partial(portray, oid=self.backup.oid))
            manifest = replace(manifest, portrait=renumbered(manifest.portrait, now))
        yield from parents_there(manifest.portrait)
        if not (yield from self.registry.forgotten(self.backup)):
            raise BackupMissing(f"{self.backup.name} was restored or removed by another process.")
        rows, exact = yield from self._looked_at(manifest)
        overwritten = yield from self._out_of_the_way()
        left = yield from home(manifest.portrait, manifest.places)
        way = move(manifest.portrait, self.backup.name)
        yield from sent(way.back)
        unproven = yield from proven(way.proofs)
        name = self.backup.original
        return Restored(name, self.backup, rows, overwritten, unproven, left, exact)

    def _looked_at(self, manifest: Manifest) -> Flow[tuple[int, bool]]:
        """A flow that counts what comes back, and compares it with what is known of it.

        A digest is what somebody wanted to rely on: it is worth reading the table for. Without one
        nobody can tell an edit, and the return stays instantaneous.
        """
        backup = self.backup
        if backup.digest is not None and not self.unverified:
            yield Run(f"LOCK TABLE {backup.relation} IN ACCESS EXCLUSIVE MODE")
            yield from same_facets(backup, manifest)
            found = yield from content(backup.relation)
            same_content(backup, found)
            return found.rows, True
        source: Source | None
        place = backup.relation
        source = yield Fetch(partial(archive.source, name=place.name, schema=place.schema))
        rows = (backup.rows, False) if source is None else (yield from rows_of(source))
        if rows[1] and backup.exact and not self.unverified:
            same_number(backup, rows[0])
        return rows

    def _out_of_the_way(self) -> Flow[Backup | None]:
        name = self.backup.original
        found: Source | None
        found = yield Fetch(partial(archive.source, name=name.name, schema=name.schema))
        if found is None:
            return None
        if not self.overwrite:
            raise RestoreRefused(f"There is another {shown(name)} now.")
        drop = Drop(name, self.registry, self.days, reason=self.reason, action="restore_backup")
        return (yield from drop.flow())
