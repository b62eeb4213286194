"""How a database differs from its metadata: Alembic's autogenerate, as lines of text."""

from __future__ import annotations

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from schemakit.errors import ConfigurationError


def compare(context: MigrationContext) -> list[str]:
    """Return one line of Python source for each operation that would bring the database in line.

    Raises:
        ConfigurationError: there is no metadata to compare with.
    """
    metadata = context.opts.get("target_metadata")
    if metadata is None:
        raise ConfigurationError(
            "There is no metadata to compare the database with.",
            remedy="pass check(target, metadata), or set target_metadata in env.py.",
        )
    script = produce_migrations(context, metadata)
    if script.upgrade_ops is None:
        return []
    return [_line(operation, context) for operation in _flat(script.upgrade_ops)]


def _flat(container: ops.OpContainer) -> list[ops.MigrateOperation]:
    found: list[ops.MigrateOperation] = []
    for operation in container.ops:
        if isinstance(operation, ops.OpContainer):
            found.extend(_flat(operation))
        else:
            found.append(operation)
    return found


def _line(operation: ops.MigrateOperation, context: MigrationContext) -> str:
    source = render_python_code(
        ops.UpgradeOps([operation]),
        render_item=context.opts.get("render_item"),
        # One that belongs to no script: Alembic would ask that one for its metadata again.
        migration_context=MigrationContext.configure(dialect=context.dialect),
    )
    lines = (line.strip() for line in source.splitlines())
    return " ".join(line for line in lines if line and not line.startswith("#"))
