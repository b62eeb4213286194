"""For migrations that were written with a ``migration_safety`` of their own: its names, unchanged.

Change the import, and the documented pattern runs under `schemakit.upgrade`::

    from schemakit.migration_safety import (
        create_table_backup, require_destructive_flag, safe_drop_table, verify_backup,
    )

    def upgrade():
        conn = op.get_bind()
        require_destructive_flag("DROP TABLE chunks CASCADE")
        name, rows = create_table_backup(conn, "chunks", revision, check_exists=True)
        if name and rows > 0 and not verify_backup(conn, name, rows):
            raise RuntimeError("Backup verification failed")
        safe_drop_table(conn, "chunks", revision, cascade=True, backup=True)

The functions are synchronous, for use inside a migration, and do by the same flows what the
coroutines of `schemakit.safety` do outside of one. An error is raised, and never a False or a 0
that hides one. In SQL scripts (``--sql``) they are refused.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from schemakit.runner.backups import legacy
from schemakit.runner.backups.inside import inside, migration
from schemakit.safety.naming import is_backup_name
from schemakit.safety.permission import Loss, permitted
from schemakit.sql.name import Name

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "check_table_exists",
    "create_table_backup",
    "ensure_migration_backups_table",
    "get_table_row_count",
    "is_temporary_migration_table",
    "require_destructive_flag",
    "restore_from_backup",
    "safe_drop_table",
    "verify_backup",
]

_log = logging.getLogger("schemakit")
_TEMPORARY = re.compile(r"_(?:old|new|temp|tmp)\Z")


def require_destructive_flag(
    operation_description: str = "destructive migration", conn: Connection | None = None
) -> None:
    """Refuse to go on unless somebody has allowed rows to be destroyed.

    Args:
        operation_description: what is about to be done, for the message.
        conn: of the migration; by default that which is running.

    Raises:
        DestructiveMigrationBlocked: neither ``Settings(allow_destructive="…")`` of the run nor
            ``ALLOW_DESTRUCTIVE_MIGRATIONS=true`` allows it.
    """
    if conn is None:
        from schemakit.runner._alembic import operations  # noqa: PLC0415 - the seam to Alembic

        conn = operations.running()
    reason = migration(conn).reason
    permitted(operation_description, [Loss("data of", operation_description)], reason=reason)
    _log.warning("%s goes on: %s", operation_description, reason)


def check_table_exists(conn: Connection | None, table: str, *, schema: str | None = None) -> bool:
    """Say whether there is a table of that name in *schema*, or on the search_path.

    Raises:
        TableUnknown: there is one in another schema only, or what is there is no table.
    """
    name = Name(table, schema)
    found = inside(conn, "check_table_exists", lambda _: legacy.there(name))
    return found is not None


def get_table_row_count(conn: Connection | None, table: str, *, schema: str | None = None) -> int:
    """Count the rows of a table.

    Raises:
        TableUnknown: there is none.
    """
    name = Name(table, schema)
    return inside(conn, "get_table_row_count", lambda _: legacy.counted(name))


def ensure_migration_backups_table(conn: Connection | None) -> None:
    """Make the registry if there is none; a backup does that by itself."""
    inside(conn, "ensure_migration_backups_table", lambda found: found.registry.opened())


def is_temporary_migration_table(table: str) -> bool:
    """Say whether *table* is called as one of a migration's own, or as a backup.

    No name exempts a table from anything here: one with rows takes permission.
    """
    return _TEMPORARY.search(table) is not None or is_backup_name(table)


def create_table_backup(  # noqa: PLR0913 - the reference's signature, and a schema
    conn: Connection | None,
    table: str,
    migration_revision: str | None = None,
    check_exists: bool = True,  # noqa: FBT001, FBT002 - the reference's signature
    require_data: bool = False,  # noqa: FBT001, FBT002 - the same
    *,
    schema: str | None = None,
) -> tuple[str | None, int]:
    """Copy a table into the backup schema; see `schemakit.safety.backup_table`.

    Args:
        conn: ``op.get_bind()``.
        table: its name as the catalog has it.
        migration_revision: to be noted; by default that which is running.
        check_exists: do nothing where there is no such table in any schema.
        require_data: do nothing where it has no rows.
        schema: where it is; by default wherever the search_path finds it.

    Returns:
        The name of the backup and how many rows it has; ``(None, 0)`` where nothing was done.

    Raises:
        TableUnknown: there is none, or only in another schema.
    """
    name = Name(table, schema)
    made = inside(
        conn,
        "create_table_backup",
        lambda found: legacy.copied(
            found,
            name,
            migration_revision or found.revision,
            check_exists=check_exists,
            require_data=require_data,
        ),
    )
    return (None, 0) if made is None else (made.name, made.rows)


def verify_backup(conn: Connection | None, backup_table_name: str, expected_count: int) -> bool:
    """Compare a backup with what was put away; see `schemakit.safety.verify_backup`.

    Returns:
        Whether it is that, with *expected_count* rows. What is wrong is logged. False is an answer:
        the backup is unknown, gone, truncated, edited or altered. That it could not be looked at is
        an error, and raised.
    """
    return inside(
        conn,
        "verify_backup",
        lambda found: legacy.is_whole(found, backup_table_name, expected_count),
    )


def safe_drop_table(  # noqa: PLR0913 - the reference's signature, and a schema
    conn: Connection | None,
    table: str,
    migration_revision: str | None = None,
    cascade: bool = False,  # noqa: FBT001, FBT002 - the reference's signature
    backup: bool = True,  # noqa: FBT001, FBT002 - the same
    *,
    schema: str | None = None,
) -> tuple[str | None, int]:
    """Drop a table by moving it into the backup schema; see `schemakit.safety.drop_table`.

    Args:
        conn: ``op.get_bind()``.
        table: its name as the catalog has it.
        migration_revision: to be noted; by default that which is running.
        cascade: take what depends on it along.
        backup: whether to keep it; without, it is gone.
        schema: where it is; by default wherever the search_path finds it.

    Returns:
        The name of the backup, None without one, and how many rows the table had; ``(None, 0)``
        where there is no such table in any schema.

    Raises:
        DestructiveMigrationBlocked: it holds rows, and nobody has allowed it.
        HasDependants: others depend on it, and *cascade* is not given.
        TableUnknown: there is one in another schema only.
    """
    name = Name(table, schema)
    made, rows = inside(
        conn,
        "safe_drop_table",
        lambda found: legacy.dropped(
            found, name, migration_revision or found.revision, cascade=cascade, backup=backup
        ),
    )
    return (None if made is None else made.name), rows


def restore_from_backup(
    conn: Connection | None,
    original_table_name: str,
    backup_table_name: str,
    drop_backup: bool = False,  # noqa: FBT001, FBT002 - the reference's signature
    *,
    schema: str | None = None,
) -> bool:
    """Put a backup back over the table it was made of; see `schemakit.safety.restore_backup`.

    What is there now is backed up first, and takes permission where it has rows.

    Returns:
        True: what goes wrong is raised.

    Raises:
        BackupUnknown: there is none of that name.
        RestoreRefused: it is a backup of another table.
        DestructiveMigrationBlocked: it would replace rows, and nobody has allowed it.
    """
    name = Name(original_table_name, schema)
    return inside(
        conn,
        "restore_from_backup",
        lambda found: legacy.restored(found, name, backup_table_name, drop_backup=drop_backup),
    )
