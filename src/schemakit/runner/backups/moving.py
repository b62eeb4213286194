"""A table is dropped by moving it away whole: at any size in no time, and it can come back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, Source, shown
from schemakit.catalog.portrait import PINNED, Portrait
from schemakit.catalog.portray import portray
from schemakit.errors import AccessDenied, HasDependants
from schemakit.runner.flow import Fetch, Flow
from schemakit.safety.dependants import dependants, owners
from schemakit.safety.manifest import Manifest
from schemakit.safety.moves import move, opened
from schemakit.safety.permission import Loss, permitted
from schemakit.sql.literal import literal
from schemakit.sql.name import Name
from schemakit.sql.plan import Statement

from . import sources
from .copying import kept_for
from .counting import rows_of
from .pins import PLAIN, WHOLE, under
from .referring import refuse_irrevocable
from .registry import Registry, closed
from .sending import sent

#: Settings that the statements of a move SET for the transaction; others may share it.
SPOKEN = PINNED | PLAIN | {"check_function_bodies": "off"}


@dataclass(frozen=True, slots=True)
class Drop:
    """A table that is to go.

    Attributes:
        table: which.
        registry: where it is noted.
        days: for how many days it is kept.
        cascade: whether what depends on it goes along.
        revision: of the migration that asks.
        reason: why rows may be destroyed; empty if nobody said.
        action: what to call it in a message.
    """

    table: Name
    registry: Registry
    days: int
    cascade: bool = False
    revision: str | None = None
    reason: str = ""
    action: str = "drop_table"

    def flow(self) -> Flow[Backup]:
        """A flow that moves it away, within one transaction."""
        source = yield from sources.found(self.table)
        sources.refuse_strangers(source)
        return (yield from under(WHOLE | SPOKEN, self._moved(source)))

    def _moved(self, source: Source) -> Flow[Backup]:
        if not self.reason:  # who is not allowed to does not even wait for the lock
            yield from self._examined(source)
        yield from self.registry.checked(own_schema=True)
        source = yield from sources.held(source, "ACCESS EXCLUSIVE")
        now = yield from self.registry.opened()
        name = yield from self.registry.free_name(source.name.name, now)
        # Before the portraits: CREATE SCHEMA makes the server forget every plan that it has kept
        # (plancache.c, NAMESPACEOID), and to plan a portrait is most of the work here. A refusal
        # takes the schema back with the rest.
        yield from sent(opened(name))
        portrait, rows, reason = yield from self._examined(source)
        way = move(portrait, name, there=True)
        files: dict[int, int | None]
        oids = [each.oid for each in portrait.relations()]
        files = yield Fetch(partial(archive.files, oids=oids))
        yield from sent((*way.away, *map(Statement, map(closed, way.places.values()))))
        kept: Portrait = yield Fetch(partial(portray, oid=source.oid))
        having = {oid: file for oid, file in files.items() if file is not None}
        manifest = Manifest(portrait, way.places, having, kept)
        row = self._row(source, Name(source.name.name, name), rows, reason, manifest)
        return (yield from self.registry.noted(name, row))

    def _examined(self, source: Source) -> Flow[tuple[Portrait, tuple[int, bool], str]]:
        """A flow that asks whether it may go, before anything is touched."""
        portrait: Portrait = yield Fetch(partial(portray, oid=source.oid))
        with_it = dependants(portrait)
        if with_it and not self.cascade:
            detail = f"On {shown(source.name)} depend\n" + "\n".join(
                f"  {each}" for each in with_it
            )
            raise HasDependants(detail, dependants=with_it)
        others: tuple[str, ...] = ()
        if more := owners(portrait) - {portrait.table.owner}:
            others = yield Fetch(partial(archive.strangers, owners=more))
        if others:
            detail = f"To move {shown(source.name)} takes the rights of {', '.join(others)}."
            raise AccessDenied(detail, remedy="GRANT those roles to it, or connect as a superuser.")
        if any(each.references for table in portrait.tables for each in table.constraints):
            yield from refuse_irrevocable(source.name, [each.oid for each in portrait.tables])
        rows = yield from rows_of(source)
        loss = Loss("table", shown(source.name), *rows, dependants=with_it)
        return portrait, rows, permitted(self.action, [loss], reason=self.reason)

    def _row(
        self, source: Source, moved: Name, rows: tuple[int, bool], reason: str, manifest: Manifest
    ) -> dict[str, str]:
        return {
            "kind": "'move'",
            "original_schema": literal(source.name.schema),
            "original_table_name": literal(source.name.name),
            "backup_schema": literal(moved.schema),
            "relation_name": literal(moved.name),
            "backup_oid": literal(source.oid),
            "record_count": literal(rows[0]),
            "rows_exact": literal(rows[1]),
            "bytes": literal(source.bytes),
            "migration_revision": literal(self.revision),
            "retention_until": kept_for(self.days),
            "reason": literal(reason or None),
            "manifest": literal(json.dumps(manifest.to_json())),
        }
