"""A backup goes into a file: under one snapshot, with all that its registry knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.exc import DBAPIError

from schemakit import __version__
from schemakit.catalog import archive, read
from schemakit.catalog.backup import Backup, Leaf, PortableColumn, shown
from schemakit.catalog.model import Server
from schemakit.errors import BackupMissing, BackupTruncated, ConfigurationError
from schemakit.runner import broken, failure
from schemakit.runner.flow import Fetch, Flow, Run, Stream
from schemakit.runner.perform import operation_failed
from schemakit.runner.transactions import Transactions
from schemakit.safety.exported import Exported, FileColumn
from schemakit.safety.textual import as_text
from schemakit.sql.name import Name, quote
from schemakit.sql.words import counted

from .packing import Packer
from .pins import WHOLE, under
from .registry import Registry

#: One snapshot for all leaves. A caller's transaction keeps its own.
_MODE = "ISOLATION LEVEL REPEATABLE READ, READ ONLY"
#: So that what an oid stands for, as a regclass, has its schema with it.
_QUALIFIED = WHOLE | {"search_path": ""}


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be exported.

    Attributes:
        registry: where the backup is kept.
        backup: it, or its name.
        packer: takes what it is made of.
    """

    registry: Registry
    backup: Backup | str
    packer: Packer

    def flow(self, means: Transactions) -> Flow[Backup]:
        """A flow that exports it, and changes nothing."""
        return means.atomically(lambda: under(_QUALIFIED, self._exported()), mode=_MODE)

    def _exported(self) -> Flow[Backup]:
        backup = yield from self.registry.entry(self.backup)
        if not backup.there:
            raise BackupMissing(f"{backup.name} is in the registry, and not there.")
        yield Run(f"LOCK TABLE {backup.relation} IN ACCESS SHARE MODE")
        oid: int = yield Fetch(partial(read.relation_oid, name=str(backup.relation)))
        leaves: tuple[Leaf, ...] = yield Fetch(partial(archive.leaves, oid=oid))
        _one_table(backup, leaves)
        columns: tuple[PortableColumn, ...] = yield Fetch(partial(archive.portable, oid=oid))
        manifest: dict[str, Any] = yield Fetch(
            partial(archive.noted, schema=self.registry.schema, number=backup.id)
        )
        server: Server = yield Fetch(read.server)
        about = _about(backup, columns, manifest or None, server.version)
        self.packer.progress.rows = backup.rows
        self.packer.progress.of_bytes = backup.bytes
        yield from once(partial(self._copied, about, [each.name for each in leaves], columns))
        return backup

    async def _copied(
        self,
        about: Exported,
        leaves: Sequence[Name],
        columns: Sequence[PortableColumn],
        driver: Any,
    ) -> None:
        await self.packer.begin(about.to_json())
        rows = []
        for leaf in leaves:
            await self.packer.part({"schema": leaf.schema, "name": leaf.name})
            tag = await _copy_out(driver, leaf, columns, self.packer)
            await self.packer.part_ended()
            rows.append(int(tag.rsplit(maxsplit=1)[-1]))
        if about.rows not in (None, sum(rows)):
            detail = f"{about.name} has {counted(sum(rows), 'row')}; {about.rows:,} were put away."
            raise BackupTruncated(detail)
        await self.packer.end(rows)


def once(copy: Any) -> Flow[None]:
    """A flow that awaits *copy* with the connection; what fails there is not tried again.

    A stream cannot be sent or read twice.
    """
    try:
        yield Stream(copy)
    except DBAPIError as error:
        if broken.is_lost(error):
            raise
        raise operation_failed(error) from failure.cause_of(error)


def _one_table(backup: Backup, leaves: Sequence[Leaf]) -> None:
    heirs = [shown(each.name) for each in leaves if each.heir]
    if heirs:
        detail = f"From {shown(backup.original)} others inherit: {', '.join(heirs)}."
        remedy = "a file holds one table: restore it, and export a backup_table() of each."
        raise ConfigurationError(detail, remedy=remedy)


async def _copy_out(
    driver: Any, leaf: Name, columns: Sequence[PortableColumn], packer: Packer
) -> str:
    selected = ", ".join(map(_selected, columns))
    query = f"SELECT {selected} FROM ONLY {leaf}"  # noqa: S608 - quoted names
    tag: str = await driver.copy_from_query(query, output=packer.rows, format="binary")
    return tag


def _selected(column: PortableColumn) -> str:
    name = quote(column.name)
    return f"{as_text(name)} AS {name}" if column.as_text else name


def _about(
    backup: Backup,
    columns: Sequence[PortableColumn],
    manifest: dict[str, Any] | None,
    server_version: str,
) -> Exported:
    return Exported(
        name=backup.name,
        kind=backup.kind,
        original=backup.original,
        columns=tuple(FileColumn(c.name, "text" if c.as_text else c.type) for c in columns),
        rows=backup.rows if backup.exact else None,
        bytes=backup.bytes,
        created=backup.created,
        revision=backup.revision,
        reason=backup.reason,
        # Of what is text now, or was in several tables, it would be another.
        digest=None if backup.kind == "move" or any(c.as_text for c in columns) else backup.digest,
        manifest=manifest,
        schemakit=__version__,
        server_version=server_version,
    )
