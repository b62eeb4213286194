"""The coroutines that only look: nothing here writes, and none takes the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import anyio
import anyio.to_thread

from schemakit.catalog import read
from schemakit.errors import ConfigurationError, NotCurrent

from . import decide, failure
from .directory import Directory
from .environment import Observation, run
from .findings import Drift, Status
from .ledger import checksum
from .locate import Source
from .reporter import Reporter
from .results import heads_text
from .revisions import Revision
from .settings import Settings
from .target import Target, opened
from .view import View, viewed
from .watchdog import watching

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from schemakit.catalog.model import Entry

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


async def current(target: Target, *, migrations: Source = None) -> tuple[str, ...]:
    """Return the revisions that the database stands at, sorted; none for an empty database."""
    async with viewed(target, migrations) as view:
        return view.versions


async def heads(*, migrations: Source = None) -> tuple[Revision, ...]:
    """Return the heads of the migrations directory; needs no database."""
    return tuple(revision for revision in await history(migrations=migrations) if revision.is_head)


async def history(*, migrations: Source = None) -> tuple[Revision, ...]:
    """Return every revision of the migrations directory, newest first; needs no database."""
    directory = await Directory.find(migrations, Settings.from_environment())
    return (await directory.load()).history()


async def pending(target: Target, *, migrations: Source = None) -> tuple[Revision, ...]:
    """Return the revisions that `upgrade` to heads would apply, in that order.

    Raises:
        UnknownRevision: the database stands at a revision that this code does not know.
    """
    async with viewed(target, migrations) as view:
        return await view.pending()


async def status(target: Target, *, migrations: Source = None) -> Status:
    """Return where the database stands, and what is amiss in it: see `Status`."""
    async with viewed(target, migrations) as view:
        server = await view.session.ask(read.server)
        scripts = await view.directory.load()
        unknown = tuple(version for version in view.versions if not scripts.knows(version))
        waiting = () if unknown else await view.pending()
        recorded = await view.session.ask(read.checksums, view.table)
        return Status(
            database=server.database,
            server=server.version,
            current=view.versions,
            heads=scripts.heads,
            pending=waiting,
            unknown=unknown,
            changed=await anyio.to_thread.run_sync(_changed, scripts.history(), waiting, recorded),
            invalid_indexes=await view.session.ask(read.invalid_indexes),
            key_triggers=await view.session.ask(read.key_triggers),
        )


def _changed(
    known: Sequence[Revision], waiting: Sequence[Revision], recorded: Mapping[str, str]
) -> tuple[Revision, ...]:
    """Return those of the *known* revisions that were applied from another file than is there."""
    ids = {revision.id for revision in waiting}
    return tuple(
        revision
        for revision in reversed(known)
        if revision.id not in ids
        and recorded.get(revision.id, "") not in ("", checksum(revision.path))
    )


async def recorded(target: Target) -> tuple[Entry, ...]:
    """Return the durable history that runs with ``Settings(record=True)`` keep, newest first.

    Args:
        target: as for `upgrade`.

    Raises:
        AccessDenied: the role may not read ``schemakit.history``.
    """
    settings = Settings.from_environment()
    async with opened(target, settings.server_timeout) as session:
        session.role = settings.role
        return await session.ask(read.history)


async def wait_until_current(
    target: Target,
    *,
    timeout: float = 300.0,  # noqa: ASYNC109 - it ends in an error of its own, which says where
    migrations: Source = None,
) -> tuple[str, ...]:
    """Wait until another process has brought the database to heads; for those that do not migrate.

    A database that is ahead of this code counts as current.

    Args:
        target: as for `upgrade`. An engine's connection goes back to the pool between two looks.
        timeout: seconds.
        migrations: as for `upgrade`.

    Returns:
        What the database stands at.

    Raises:
        NotCurrent: it did not get there in time.
    """
    deadline = monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        async with viewed(target, migrations) as view:
            if await _is_current(view):
                return view.versions
        left = deadline - monotonic()
        if left <= 0:
            detail = f"It is at {heads_text(view.versions)} after {timeout:g} s."
            raise NotCurrent(detail)
        await anyio.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


async def _is_current(view: View) -> bool:
    recorded = view.directory.recorded
    if recorded is not None and decide.is_settled("heads", view.versions, recorded.effective):
        return True
    scripts = await view.directory.load()
    if decide.is_settled("heads", view.versions, scripts.effective_heads):
        return True
    return any(not scripts.knows(version) for version in view.versions)


async def check(
    target: Target, metadata: MetaData | None = None, *, migrations: Source = None
) -> Drift:
    """Compare the database with *metadata*, as ``alembic check`` does.

    Args:
        target: as for `upgrade`.
        metadata: what the database should look like; by default env.py's ``target_metadata``.
        migrations: as for `upgrade`; its env.py's filters (``include_object``, …) apply.

    Returns:
        The differences, and the revisions that are pending; falsy if there are none.

    Raises:
        ConfigurationError: neither *metadata* nor env.py says what to compare with.
    """
    async with viewed(target, migrations) as view:
        waiting = await view.pending()
        observation = Observation(lambda _: [], metadata=metadata, compare=True)
        reporter = Reporter(None)
        try:
            async with watching(
                view.session, Settings.from_environment(), observation, "upgrade", reporter
            ):
                await run(
                    view.session, view.directory, "upgrade", reporter, observation, probing=True
                )
        except Exception as error:  # noqa: BLE001 - the same
            failure.reraise(error, observation, external=False)
        return Drift(tuple(observation.differences), waiting)


async def render_sql(
    revision: str = "head",
    *,
    direction: Literal["upgrade", "downgrade"] = "upgrade",
    migrations: Source = None,
) -> str:
    """Return the SQL of a migration as one script, without a database (``alembic … --sql``).

    Args:
        revision: the end, or ``start:end``; an upgrade starts at ``base`` by default, a downgrade
            must say where it starts.
        direction: ``upgrade`` or ``downgrade``.
        migrations: as for `upgrade`.

    Raises:
        ConfigurationError: a downgrade without a start.
        RevisionFailed: a revision asks the database something, which a script cannot.
    """
    start, _, end = revision.rpartition(":")
    if direction == "downgrade" and not start:
        detail = f"A downgrade to {revision!r} must say where it starts."
        raise ConfigurationError(detail, remedy=f'give "start:{revision}".')
    directory = await Directory.find(migrations, Settings.from_environment())
    scripts = await directory.load()
    return await anyio.to_thread.run_sync(_render, directory, scripts, direction, start, end)


def _render(
    directory: Directory,
    scripts: Any,
    direction: Literal["upgrade", "downgrade"],
    start: str,
    end: str,
) -> str:
    from ._alembic import offline  # noqa: PLC0415 - Alembic is imported where it is used

    return offline.render(directory.located, scripts, direction, start, end)
