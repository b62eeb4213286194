"""What can go wrong with backups, and where rows are destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .root import ConfigurationError, SchemakitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemakit.safety.permission import Loss


class TableUnknown(ConfigurationError):
    """There is no such table."""

    remedy = (
        "give the name as the catalog has it, unquoted, and its schema apart: "
        'table="Chunks", schema="app" (Chunks --schema app).'
    )


class BackupUnknown(ConfigurationError):
    """There is no such backup in the registry."""

    remedy = "see `list_backups` (schemakit backups list) for those there are."


class DestructiveMigrationBlocked(SchemakitError):
    """This destroys rows, and nobody has allowed it; nothing was touched."""

    remedy = (
        'say why: Settings(allow_destructive="…") (--allow-destructive "…") for one call, '
        'SCHEMAKIT_ALLOW_DESTRUCTIVE="…" or ALLOW_DESTRUCTIVE_MIGRATIONS=true for the process.'
    )

    def __init__(
        self, detail: str = "", *, losses: Sequence[Loss] = (), remedy: str | None = None
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.losses = tuple(losses)


class HasDependants(SchemakitError):
    """Other objects depend on the table; nothing was touched."""

    remedy = (
        "drop them first, or take them along with cascade=True: whatever goes with the table comes "
        "back with it."
    )
    #: As the server calls it: dependent_objects_still_exist.
    sqlstate = "2BP01"

    def __init__(
        self, detail: str = "", *, dependants: Sequence[str] = (), remedy: str | None = None
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.dependants = tuple(dependants)


class BackupTooLarge(SchemakitError):
    """The backup would take more space than was allowed; nothing was touched."""

    remedy = "raise max_bytes, or back up a part of it with where=…."


class BackupDamaged(SchemakitError):
    """A backup is not what was put away."""

    remedy = "do not rely on it: take another one while the original is there."

    def __init__(
        self, detail: str = "", *, differences: Sequence[str] = (), remedy: str | None = None
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.differences = tuple(differences)


class BackupMissing(BackupDamaged):
    """A backup, or a part of it, is gone."""


class BackupTruncated(BackupDamaged):
    """A backup does not have as many rows as were put away."""


class BackupEdited(BackupDamaged):
    """The rows of a backup are not those that were put away."""


class BackupAltered(BackupDamaged):
    """The columns or other facets of a backup are not those that were put away."""


class BackupFileDamaged(BackupDamaged):
    """The file of a backup was cut or changed; the database was not touched."""

    remedy = "fetch it again from where it was kept, or export the backup anew."


class BackupFileUnknown(ConfigurationError):
    """That is no backup that this schemakit can read."""

    remedy = "give a file that export_backup (schemakit backups export) has written."


class BackupFileFailed(SchemakitError):
    """The file or stream of a backup could not be written or read."""

    remedy = "see to what the operating system names, and try again: nothing half is left."


class RestoreRefused(SchemakitError):
    """The restore would destroy something, or lacks something; nothing was touched."""

    remedy = "restore it beside with to=… (--to), or allow it with overwrite=True (--overwrite)."
