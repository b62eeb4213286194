"""The two lines of a new env.py.

::

    from schemakit.env import run
    run(target_metadata=Base.metadata)

It serves both: under schemakit the migrations run on the connection that schemakit brings; under
``alembic upgrade head`` they run on an engine made from ``sqlalchemy.url`` or ``DATABASE_URL``,
with schemakit's lock and its bridge for statements that asyncpg does not take as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, MetaData

    from schemakit.runner.settings import Settings

__all__ = ["run", "without_partitions"]


def run(*, settings: Settings | None = None, **configure: Any) -> None:  # noqa: ANN401 - context.configure says what they are
    """Configure Alembic and run what it was called for; call it at the end of env.py.

    Args:
        settings: the lock's, where Alembic itself is the caller; by default as the SCHEMAKIT_*
            variables say.
        configure: arguments of ``context.configure``: ``target_metadata``, ``version_table``,
            ``include_object``, …; ``transaction_per_migration`` is True unless given.

    Raises:
        ConfigurationError: called by Alembic, and no URL says which database.
        LockTimeout: another process is migrating, and did not end in ``settings.lock_wait``.
    """
    from schemakit.runner._alembic import standalone  # noqa: PLC0415 - importing env stays light

    standalone.run_environment(configure, settings)


def without_partitions(
    connection: Connection,
    target_metadata: MetaData | Sequence[MetaData] | None = None,
    include_name: Callable[..., bool] | None = None,
) -> Callable[..., bool]:
    """Return an ``include_name`` for an env.py of Alembic's own, that leaves partitions alone.

    ::

        context.configure(
            connection=connection,
            target_metadata=target_metadata,
            include_name=without_partitions(connection, target_metadata),
        )

    Under schemakit, and in `run`, it is there without being asked for.

    Args:
        connection: the one that Alembic compares.
        target_metadata: a leaf that is a table of theirs is compared like others.
        include_name: one of your own, which is asked about everything else.
    """
    from schemakit.runner._alembic.partitions import (  # noqa: PLC0415 - importing env stays light
        WithoutPartitions,
    )

    return WithoutPartitions(connection, target_metadata, include_name)
