"""A backup comes out of a file: as a copy that the registry knows, on any database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from schemakit.catalog import archive, read
from schemakit.catalog.backup import Backup, Source
from schemakit.catalog.model import Server
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.portray import portray
from schemakit.errors import BackupFileDamaged
from schemakit.runner import wire
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.runner.transactions import Transactions
from schemakit.safety.exported import Exported
from schemakit.safety.manifest import Manifest
from schemakit.sql.literal import literal
from schemakit.sql.name import Name

from .copying import kept_for
from .exporting import once
from .progress import Progress
from .registry import Registry
from .unpacking import Contents, unpacking


@dataclass(frozen=True, slots=True)
class Import:
    """What is to be imported.

    Attributes:
        registry: where it will be kept.
        file: which one; whole, as was seen before.
        contents: what is in it.
        manifest: what its original was like, if anybody knew.
        days: for how many days it is to be kept.
        progress: is told how far it is.
    """

    registry: Registry
    file: BinaryIO
    contents: Contents
    manifest: Manifest | None
    days: int
    progress: Progress

    def flow(self, means: Transactions) -> Flow[Backup]:
        """A flow that imports it, in one transaction."""
        return means.atomically(self._imported)

    def _imported(self) -> Flow[Backup]:
        about = self.contents.about
        yield from self.registry.checked()
        now = yield from self.registry.opened()
        name = yield from self.registry.free_name(about.original.name, now)
        copy = Name(name, self.registry.schema)
        columns = ", ".join(column.definition for column in about.columns)
        yield Run(f"CREATE TABLE {copy} ({columns})")
        yield from once(partial(self._copied, copy))
        made: Source = yield Fetch(partial(archive.source, name=copy.name, schema=copy.schema))
        kept: Portrait = yield Fetch(partial(portray, oid=made.oid))
        server: Server = yield Fetch(read.server)
        backup = yield from self.registry.noted(name, self._row(copy, kept, server.version))
        if self.manifest is None:  # as the reference's are, of which nothing else was noted
            yield from self.registry.changed(backup, schemakit="''")
        return (yield from self.registry.entry(name))

    async def _copied(self, copy: Name, driver: Any) -> None:
        async with unpacking(self.file, self.progress) as unpacker:
            rows = [await self._copy_in(driver, copy, part) async for part in unpacker.parts()]
        if tuple(rows) != self.contents.rows:
            raise BackupFileDamaged("It does not have as many rows as it says.")
        await self.progress.done(sum(rows))

    async def _copy_in(self, driver: Any, copy: Name, part: AsyncIterator[bytes]) -> int:
        columns: Sequence[str] = [column.name for column in self.contents.about.columns]
        work = driver.copy_to_table(
            copy.name,
            source=_to(driver, part),
            schema_name=copy.schema,
            columns=columns,
            format="binary",
        )
        tag: str = await wire.while_open(driver, work)
        return int(tag.rsplit(maxsplit=1)[-1])

    def _row(self, copy: Name, kept: Portrait, version: str) -> dict[str, str]:
        about, oid = self.contents.about, f"{literal(str(copy))}::regclass"
        same = about.server_version.partition(".")[0] == version.partition(".")[0]
        return {
            "kind": literal("column" if about.kind == "column" else "copy"),
            "original_schema": literal(about.original.schema),
            "original_table_name": literal(about.original.name),
            "backup_schema": literal(copy.schema),
            "relation_name": literal(copy.name),
            "backup_oid": oid,
            "record_count": literal(sum(self.contents.rows)),
            "bytes": f"pg_catalog.pg_table_size({oid})",
            "seal": f"(SELECT xmin::text FROM {copy} LIMIT 1)",  # noqa: S608 - a quoted name
            # What a hash is may be another from one major version to the next.
            "digest": literal(about.digest if same else None),
            "manifest": literal(_json(self.manifest, kept)),
            "migration_revision": literal(about.revision),
            "reason": literal(about.reason),
            "retention_until": kept_for(self.days),
        }


async def _to(driver: Any, part: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield *part* for as long as anybody is there; asyncpg would send all of it to nobody."""
    async for rows in part:
        wire.refuse_closed(driver)
        yield rows


def manifest_of(about: Exported) -> Manifest | None:
    """Return what a file says its original was like; None if nobody knew.

    Raises:
        ConfigurationError: another schemakit has written it.
        BackupFileDamaged: it makes no sense.
    """
    if about.manifest is None:
        return None
    try:
        return Manifest.from_json(about.manifest, about.name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackupFileDamaged("Its manifest makes no sense.") from error


def _json(manifest: Manifest | None, kept: Portrait) -> str | None:
    if manifest is None:
        return None
    return json.dumps(Manifest(manifest.portrait, kept=kept, columns=manifest.columns).to_json())
