r"""What destroys rows: who may, and how it is undone.

::

    from schemakit.safety import backup_table, cleanup_backups, list_backups

    backup = await backup_table(engine, "chunks", revision="0042")
    print(*await list_backups(engine), sep="\n")

Importing this package is light: a name's module is imported when the name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemakit._on_demand import on_demand

if TYPE_CHECKING:
    from schemakit.catalog.backup import Backup
    from schemakit.runner.backups.calls import (
        backup_status,
        backup_table,
        cleanup_backups,
        extend_backup,
        list_backups,
        verify_backup,
    )
    from schemakit.runner.backups.file_calls import export_backup, import_backup
    from schemakit.runner.backups.keeping import Cleaned, Overview
    from schemakit.runner.backups.results import Restored
    from schemakit.runner.backups.undoing import (
        drop_column,
        drop_table,
        guarded_table,
        restore_backup,
    )
    from schemakit.runner.backups.verifying import Verification

    from .permission import Loss, permitted, reason_given

__all__ = [
    "Backup",
    "Cleaned",
    "Loss",
    "Overview",
    "Restored",
    "Verification",
    "backup_status",
    "backup_table",
    "cleanup_backups",
    "drop_column",
    "drop_table",
    "export_backup",
    "extend_backup",
    "guarded_table",
    "import_backup",
    "list_backups",
    "permitted",
    "reason_given",
    "restore_backup",
    "verify_backup",
]

_HOMES = {
    "schemakit.catalog.backup": ("Backup",),
    "schemakit.safety.permission": ("Loss", "permitted", "reason_given"),
    # They act on a database: users look for them here, the layers want them there.
    "schemakit.runner.backups.calls": (
        "backup_status",
        "backup_table",
        "cleanup_backups",
        "extend_backup",
        "list_backups",
        "verify_backup",
    ),
    "schemakit.runner.backups.file_calls": ("export_backup", "import_backup"),
    "schemakit.runner.backups.keeping": ("Cleaned", "Overview"),
    "schemakit.runner.backups.results": ("Restored",),
    "schemakit.runner.backups.undoing": (
        "drop_column",
        "drop_table",
        "guarded_table",
        "restore_backup",
    ),
    "schemakit.runner.backups.verifying": ("Verification",),
}
__getattr__ = on_demand(globals(), _HOMES)


def __dir__() -> list[str]:
    return __all__
