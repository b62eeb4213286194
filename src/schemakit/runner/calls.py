"""The coroutines that change a database: what the top level offers of `migrate`."""

from __future__ import annotations

from collections.abc import Sequence

from schemakit.errors import ConfigurationError

from .locate import Source
from .reporter import OnEvent
from .results import Result
from .run import Order, execute
from .settings import Settings
from .target import Target


async def upgrade(
    target: Target,
    revision: str = "head",
    *,
    migrations: Source = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Result:
    """Bring the database to *revision*; at head that is one SELECT, and no lock is taken.

    Any number of processes may call it at once on one database: one migrates, the others wait
    and find the work done.

    Args:
        target: an ``AsyncEngine`` on asyncpg, or an ``AsyncConnection`` of one. On a connection
            with an open transaction everything happens in that transaction, whose commit stays
            the caller's and until which the lock is held.
        revision: ``head``, ``heads``, ``+1``, an id or the beginning of one, a branch label,
            ``branch@head``.
        migrations: a folder, ``package:folder``, an Alembic ``Config``, a `Migrations`; None
            searches the working directory (``docs/migrations.md``).
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
        on_event: a function or coroutine function that gets every `Event`.

    Returns:
        What was applied, and where the database stands now.

    Raises:
        LockTimeout: another process is migrating, and did not end in ``settings.lock_wait``.
        RevisionFailed: a revision failed; says what the database has kept.
        MultipleHeads: ``head`` is ambiguous.
        UnknownRevision: there is no such revision.
        DatabaseAhead: the database is newer than this code, and ``on_ahead`` is ``error``.
        MigrationsNotFound: there is no such directory.
        UnsupportedTarget: *target* is no asyncio engine or connection on asyncpg.
        UnsupportedServer: PostgreSQL 13 or older.
        EnvironmentFailed: env.py raised.
        EnvironmentRefused: env.py brought a connection of its own.
    """
    _one_revision(revision)
    order = Order("upgrade", revision, migrations, settings or Settings.from_environment())
    return await execute(target, order, on_event)


async def downgrade(
    target: Target,
    revision: str,
    *,
    migrations: Source = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Result:
    """Take the database back to *revision*: ``-1``, ``base``, an id, ``branch@base``.

    Arguments, result and errors are those of `upgrade`; a database that stands at a revision
    unknown to this code is always a `DatabaseAhead`.
    """
    _one_revision(revision)
    order = Order("downgrade", revision, migrations, settings or Settings.from_environment())
    return await execute(target, order, on_event)


async def stamp(  # noqa: PLR0913 - upgrade's options, and one
    target: Target,
    revision: str | Sequence[str],
    *,
    purge: bool = False,
    migrations: Source = None,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Result:
    """Write *revision* into the version table and run nothing.

    Args:
        target: as for `upgrade`.
        revision: one or several; ``heads`` for all of them, ``base`` for none.
        purge: empty the version table first, whatever it holds.
        migrations: as for `upgrade`.
        settings: as for `upgrade`.
        on_event: as for `upgrade`.

    Returns:
        Where the database stands now.
    """
    revisions = (revision,) if isinstance(revision, str) else tuple(revision)
    for one in revisions:
        _one_revision(one)
    settings = settings or Settings.from_environment()
    order = Order("stamp", " ".join(revisions), migrations, settings, purge=purge)
    return await execute(target, order, on_event)


def _one_revision(revision: object) -> None:
    if not isinstance(revision, str) or not revision.strip():
        raise ConfigurationError(
            f"revision={revision!r} is no revision.", remedy='give "head", an id, "+1" or "base".'
        )
    if ":" in revision:
        raise ConfigurationError(
            f"{revision!r} is a range.", remedy="ranges are for render_sql(); give one revision."
        )
