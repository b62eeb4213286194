"""A copy is restored: into the table where it is, or the table is made anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, Source, shown
from schemakit.catalog.differences import differences
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.portray import portray
from schemakit.errors import BackupMissing, RestoreRefused
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.safety.columns import loadable
from schemakit.safety.dependants import dependants
from schemakit.safety.manifest import Manifest
from schemakit.safety.permission import Loss, permitted
from schemakit.safety.refill import filled, refill
from schemakit.safety.remake import remake
from schemakit.sql.words import counted

from . import keeping, sources
from .copying import Copy
from .counting import rows_of
from .elsewhere import makeable
from .homing import ready
from .moving import SPOKEN, Drop
from .pins import under
from .proving import proven
from .registry import Registry
from .results import Restored
from .sending import sent
from .verifying import content, refuse_damaged, same_facets

#: Memory that building the indexes of a large table is worth.
_BUILDING = {"maintenance_work_mem": "256MB"}
#: In what the table may differ from the portrait, and still take its rows back where it is.
_PASSING = frozenset({"identity of objects", "sequence positions"})


@dataclass(frozen=True, slots=True)
class Refilling:
    """A copy that is to be restored.

    Attributes:
        backup: the copy.
        registry: which has it.
        days: for how many days what is overwritten is kept.
        drop_backup: whether the copy is removed afterwards.
        overwrite: whether other rows may be replaced.
        reason: why rows may be destroyed.
    """

    backup: Backup
    registry: Registry
    days: int
    drop_backup: bool = False
    overwrite: bool = False
    reason: str = ""

    def flow(self) -> Flow[Restored]:
        """A flow that does it, within one transaction."""
        return under(SPOKEN | _BUILDING, self._restored())

    def _restored(self) -> Flow[Restored]:
        if not self.backup.there:
            raise BackupMissing(f"{shown(self.backup.relation)} is not there.")
        manifest = yield from self.registry.manifest(self.backup)
        yield from same_facets(self.backup, manifest)
        name = self.backup.original
        live: Source | None
        live = yield Fetch(partial(archive.source, name=name.name, schema=name.schema))
        if manifest.part:
            self._refuse_part(there=live is not None)
        if live is None:
            done = yield from self._anew(manifest.portrait)
        else:
            done = yield from self._over(manifest, live)
        if self.drop_backup:
            yield from keeping.dropped(self.registry, self.backup)
            yield from self.registry.forgotten(self.backup)
        return done

    def _refuse_part(self, *, there: bool) -> None:
        """Refuse some of the rows in the place of all, whether the table is there or gone."""
        state = "there" if there else "gone"
        detail = (
            f"{self.backup.name} holds some of the rows only, and {shown(self.backup.original)} "
            f"is {state}."
        )
        remedy = (
            "restore it beside the table with to=… (--to), and merge the rows by hand"
            f"{'' if there else ', into a table that you have made again'}."
        )
        raise RestoreRefused(detail, remedy=remedy)

    def _over(self, manifest: Manifest, found: Source) -> Flow[Restored]:
        sources.refuse_strangers(found)
        live = yield from sources.held(found, "ACCESS EXCLUSIVE")
        now: Portrait = yield Fetch(partial(portray, oid=live.oid, heirs=False))
        same = not differences(_alone(manifest.portrait), _alone(now), ignoring=_PASSING)
        rows = yield from rows_of(live)
        if rows != (0, True) and not self.overwrite:
            yield from self._refuse_others(live, manifest.portrait, rows[0], same=same)
            return Restored(live.name, self.backup, self.backup.rows)
        if not same:
            return (yield from self._exchanged(manifest.portrait, now))
        return (yield from self._in_place(live, now, manifest.portrait, rows))

    def _refuse_others(
        self, live: Source, as_it_was: Portrait, rows: int, *, same: bool
    ) -> Flow[None]:
        """A flow that refuses a table whose content is another than that of the backup."""
        if same:
            order = loadable(as_it_was.table)
            here = yield from content(live.name, only=order, heirs=live.kind == "p")
            kept = yield from content(self.backup.relation, only=order)
            if here.digest == kept.digest:
                return
        changed = "its rows are others" if same else "it is built otherwise"
        detail = (
            f"{shown(live.name)} holds {counted(rows, 'row')}, and {changed} than when it was "
            "backed up."
        )
        raise RestoreRefused(detail)

    def _in_place(
        self, live: Source, now: Portrait, as_it_was: Portrait, rows: tuple[int, bool]
    ) -> Flow[Restored]:
        loss = Loss("table", shown(live.name), *rows)
        reason = permitted("restore_backup", [loss], reason=self.reason)
        overwritten: Backup | None = None
        if not loss.harmless:
            copy = Copy(live.name, self.registry, self.days, reason=reason)
            overwritten = yield from copy.flow()
        way = refill(now, as_it_was)
        yield from sent(way.emptied)
        yield from self._loaded(as_it_was)
        yield from sent(way.after)
        unproven = yield from proven(way.proofs)
        return Restored(live.name, self.backup, self.backup.rows, overwritten, unproven)

    def _exchanged(self, as_it_was: Portrait, now: Portrait) -> Flow[Restored]:
        """A flow that moves the table away, and makes it anew as it was.

        What depends on it goes along if it depended on it then, too: it is made anew as well.
        """
        expected = set(dependants(now)) <= set(dependants(as_it_was))
        drop = Drop(
            self.backup.original,
            self.registry,
            self.days,
            cascade=expected,
            reason=self.reason,
            action="restore_backup",
        )
        overwritten = yield from drop.flow()
        done = yield from self._anew(as_it_was)
        return replace(done, overwritten=overwritten)

    def _anew(self, portrait: Portrait) -> Flow[Restored]:
        yield from ready(portrait)
        portrait, alone = yield from makeable(portrait)
        way = remake(portrait)
        yield from sent(way.tables)
        yield from self._loaded(portrait)
        for statements in way.indexes.values():
            yield from sent(statements)
        yield from sent((*way.rest, *way.dependants))
        unproven = yield from proven(way.proofs)
        return Restored(
            portrait.name, self.backup, self.backup.rows, None, unproven, (*alone, *way.left)
        )

    def _loaded(self, portrait: Portrait) -> Flow[None]:
        sql = filled(portrait.table, self.backup.relation, self.backup.seal)
        tag: str = yield Run(sql, long=True)
        rows = int(tag.rsplit(maxsplit=1)[-1])
        if rows != self.backup.rows:
            yield from refuse_damaged(self.backup, rows)


def _alone(portrait: Portrait) -> Portrait:
    """*portrait* without what depends on the table, and what the table needs."""
    return Portrait(portrait.tables, server_version=portrait.server_version)
