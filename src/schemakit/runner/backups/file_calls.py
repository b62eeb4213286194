"""The public coroutines that take a backup out of a database and into one."""

from __future__ import annotations

from typing import get_args

from schemakit.catalog.backup import Backup
from schemakit.errors import ConfigurationError
from schemakit.runner.perform import perform
from schemakit.runner.reporter import OnEvent, Reporter
from schemakit.runner.settings import Settings
from schemakit.runner.target import Target
from schemakit.safety.container import Compression, zstd
from schemakit.safety.retention import days_to_keep

from .arguments import backup_given, settings_given
from .exporting import Export
from .importing import Import, manifest_of
from .packing import packing
from .progress import Progress
from .registry import Registry
from .streams import Destination, Source, reading, writing
from .unpacking import looked_through


async def export_backup(  # noqa: PLR0913 - each says one thing about the export
    target: Target,
    backup: Backup | str,
    destination: Destination,
    *,
    compression: Compression = "zlib",
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Backup:
    """Write a backup into a file, or to a stream; the database is only read.

    The file is compressed, has a checksum in each block and one of the whole, and appears under its
    name when it is whole and on the disk. It is readable for its owner alone. Memory does not grow
    with the table, and a slow destination slows the server down.

    Args:
        target: as for `upgrade`; a standby will do.
        backup: it, or its name.
        destination: a path that is free, or an object with an ``async send(bytes)``, as anyio's
            ``ByteSendStream`` is; that is not closed.
        compression: ``zlib``, which every Python reads, or ``zstd``, which takes a third of the
            time and less space, and Python 3.14 or ``schemakit[zstd]`` on both sides.
        settings: how the call behaves.
        on_event: gets every `Event`; those of the kind ``progress`` have ``rows`` and ``bytes``.

    Returns:
        The backup that was exported.

    Raises:
        BackupUnknown: there is none of that name.
        BackupMissing: it is in the registry, and not there.
        BackupTruncated: it no longer has as many rows as were put away.
        BackupFileFailed: the file cannot be written, for instance since the disk is full.
        ConfigurationError: there is such a file already.
    """
    settings = settings_given(settings)
    command = "export_backup"
    _known(compression)
    registry, entry = Registry(settings.backup_schema), backup_given(backup)
    progress = Progress(Reporter(on_event), command)
    async with writing(destination) as write:
        with packing(write, progress, compression) as packer:
            return await perform(
                target,
                Export(registry, entry, packer).flow,
                command=command,
                settings=settings,
                on_event=on_event,
                writes=False,
            )


def _known(compression: str) -> None:
    if compression not in get_args(Compression):
        detail = f"compression={compression!r} is unknown."
        raise ConfigurationError(detail, remedy=f"choose {' or '.join(get_args(Compression))}.")
    if compression == "zstd":
        zstd()


async def import_backup(
    target: Target,
    source: Source,
    *,
    retention_days: int | None = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Backup:
    """Take a backup out of a file or stream that `export_backup` has written, into the registry.

    The file may come from an older or newer PostgreSQL, 14 to 18, and from another database. All of
    it is looked through before the database is touched; what comes as a stream is kept in a
    temporary file for that. The backup is a copy then, under a name of its own, which
    `restore_backup` puts back.

    Args:
        target: as for `upgrade`.
        source: a path, or an async iterable of bytes, as anyio's ``ByteReceiveStream`` or the
            stream of a request is.
        retention_days: for how many days it is kept; by default MIGRATION_BACKUP_RETENTION_DAYS,
            or 7.
        settings: how the call behaves.
        on_event: gets every `Event`; those of the kind ``progress`` have ``rows`` and ``bytes``.

    Returns:
        The backup, as the registry has it.

    Raises:
        BackupFileUnknown: it is no backup, or one that a newer schemakit wrote.
        BackupFileDamaged: it was cut or changed.
        BackupFileFailed: it cannot be read.
        OperationFailed: the server refused, for instance because its disk is full; nothing is left.
    """
    settings = settings_given(settings)
    command, days = "import_backup", days_to_keep(retention_days)
    async with reading(source) as file:
        contents = await looked_through(file)
        rows = sum(contents.rows)
        progress = Progress(Reporter(on_event), command, rows, contents.bytes)
        manifest = manifest_of(contents.about)
        work = Import(Registry(settings.backup_schema), file, contents, manifest, days, progress)
        return await perform(
            target, work.flow, command=command, settings=settings, on_event=on_event
        )
