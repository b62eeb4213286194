"""A copy of a table: one heap with its rows, that needs nothing of what users have made.

What is of a user's type or collation is kept as text: DROP TYPE of what only a copy needs shall
succeed. A tree is copied as one, for its rows find their partitions again.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import partial

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, Source, SourceColumn, shown
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.portray import portray
from schemakit.errors import BackupTooLarge, TransactionRefused
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.safety.manifest import Manifest
from schemakit.safety.textual import as_text
from schemakit.sql.literal import literal
from schemakit.sql.name import Name, quote

from . import sources
from .pins import BULK, under
from .registry import Registry

_STALE = (
    "The caller's transaction sees the database as it was before the backup schema was made by "
    "another: begin it anew, or have it READ COMMITTED."
)


@dataclass(frozen=True, slots=True)
class Copy:
    """What is to be copied.

    Attributes:
        table: whose rows.
        registry: where the copy is kept and noted.
        days: for how many days.
        where: which rows, as SQL that the caller answers for; all by default.
        revision: of the migration that asks.
        max_bytes: how much space it may take, by the estimate.
        lock: what the table is locked by, as LOCK TABLE wants it.
        reason: why rows are about to be destroyed, if they are.
        columns: only these, with the primary key, are about to go; by default the table is copied.
    """

    table: Name
    registry: Registry
    days: int
    where: str | None = None
    revision: str | None = None
    max_bytes: int | None = None
    lock: str = "ACCESS SHARE"
    reason: str = ""
    columns: tuple[str, ...] = ()

    def flow(self) -> Flow[Backup]:
        """A flow that makes it, within one transaction."""
        return under(BULK, self._made())

    def _made(self) -> Flow[Backup]:
        yield from self.registry.checked()
        source = yield from sources.locked(self.table, self.lock)
        yield from self._fits(source)
        columns: tuple[SourceColumn, ...] = yield Fetch(partial(archive.columns, oid=source.oid))
        if self.columns:
            columns = _with_key(columns, self.columns)
        now = yield from self.registry.opened()
        name = yield from self.registry.free_name(source.name.name, now)
        copy = Name(name, self.registry.schema)
        portrait: Portrait = yield Fetch(partial(portray, oid=source.oid, heirs=False))
        tag: str = yield Run(copied(source, copy, columns, self.where), long=True)
        made: Source | None
        made = yield Fetch(partial(archive.source, name=copy.name, schema=copy.schema))
        if made is None:
            raise TransactionRefused(_STALE)
        kept: Portrait = yield Fetch(partial(portray, oid=made.oid))
        manifest = Manifest(portrait, kept=kept, columns=self.columns, part=self.where is not None)
        return (yield from self.registry.noted(name, self._row(source, copy, tag, manifest)))

    def _fits(self, source: Source) -> Flow[None]:
        share = 1.0
        if self.where is not None:
            share = yield Fetch(partial(archive.share, name=source.name, where=self.where))
        needed = int(source.bytes * share)
        if self.max_bytes is not None and needed > self.max_bytes:
            detail = (
                f"{shown(source.name)} takes about {needed:,} bytes, and max_bytes is "
                f"{self.max_bytes:,}."
            )
            raise BackupTooLarge(detail)

    def _row(self, source: Source, copy: Name, tag: str, manifest: Manifest) -> dict[str, str]:
        oid = f"{literal(str(copy))}::regclass"
        return {
            "kind": literal("column" if self.columns else "copy"),
            "original_schema": literal(source.name.schema),
            "original_table_name": literal(source.name.name),
            "backup_schema": literal(copy.schema),
            "relation_name": literal(copy.name),
            "backup_oid": oid,
            "record_count": literal(int(tag.rsplit(maxsplit=1)[-1])),
            "bytes": f"pg_catalog.pg_table_size({oid})",
            "seal": f"(SELECT xmin::text FROM {copy} LIMIT 1)",  # noqa: S608 - a quoted name
            "migration_revision": literal(self.revision),
            "retention_until": kept_for(self.days),
            "reason": literal(self.reason or None),
            "manifest": literal(json.dumps(manifest.to_json())),
        }


def copied(
    source: Source, copy: Name, columns: Iterable[SourceColumn], where: str | None = None
) -> str:
    """Return the CREATE TABLE AS for the rows of *source*, without those of its heirs."""
    only = "" if source.kind == "p" else "ONLY "
    condition = f" WHERE (\n{where}\n)" if where is not None else ""
    selected = ", ".join(map(_kept, columns))
    return f"CREATE TABLE {copy} AS SELECT {selected} FROM {only}{source.name}{condition}"  # noqa: S608 - quoted names; the condition is the caller's


def _with_key(
    columns: tuple[SourceColumn, ...], chosen: Container[str]
) -> tuple[SourceColumn, ...]:
    """The columns that tell the rows apart, and those *chosen*; without a key, all of them."""
    if not any(each.key for each in columns):
        return columns
    return tuple(each for each in columns if each.key or each.name in chosen)


def _kept(column: SourceColumn) -> str:
    name = quote(column.name)
    if column.own_type:
        return f'{as_text(name)} COLLATE pg_catalog."default" AS {name}'
    if column.own_collation:
        return f'{name} COLLATE pg_catalog."default" AS {name}'
    return name


def kept_for(days: int) -> str:
    """Return when what is made now expires, as SQL."""
    return f"pg_catalog.clock_timestamp() + pg_catalog.make_interval(days => {days})"
