"""A database and its migrations directory, side by side: what every look begins with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from schemakit.catalog.version_table import stored_versions

from . import decide, failure
from .directory import Directory
from .environment import Observation, run
from .limits import Limits
from .locate import Source
from .reporter import Reporter
from .revisions import Revision
from .settings import Settings
from .target import Session, Target, opened
from .watchdog import watching

if TYPE_CHECKING:
    from schemakit.sql import Name


@dataclass(frozen=True, slots=True)
class View:
    """A database and its migrations directory.

    Attributes:
        session: on which connection.
        directory: of which migrations directory.
        table: the version table.
        versions: what it holds.
    """

    session: Session
    directory: Directory
    table: Name
    versions: tuple[str, ...]

    async def pending(self) -> tuple[Revision, ...]:
        """Return the revisions that `upgrade` to heads would apply, in that order."""
        return await _pending(self.directory, self.versions)


@asynccontextmanager
async def viewed(
    target: Target, migrations: Source, settings: Settings | None = None
) -> AsyncIterator[View]:
    """Yield a `View` of *target* beside *migrations*."""
    settings = settings or Settings.from_environment()
    directory = await Directory.find(migrations, settings)
    async with opened(target, settings.server_timeout) as session:
        session.role = settings.role
        recorded = directory.recorded
        table = recorded.table if recorded else None
        if table is not None:
            versions = await session.ask(stored_versions, table)
        else:
            shown = await _environment(session, directory, settings)
            directory.remember(shown.table)
            table, versions = shown.version_table, shown.heads
        yield View(session, directory, table, versions)


async def _environment(session: Session, directory: Directory, settings: Settings) -> Any:
    limits = Limits(settings, local=True, each=True)
    observation, reporter = Observation(lambda _: [], limits=limits), Reporter(None)
    try:
        async with watching(session, settings, observation, "upgrade", reporter):
            return await run(session, directory, "upgrade", reporter, observation, probing=True)
    except Exception as error:  # noqa: BLE001 - env.py is anybody's code
        failure.reraise(error, observation, external=session.external)


async def _pending(directory: Directory, versions: Sequence[str]) -> tuple[Revision, ...]:
    recorded = directory.recorded
    if recorded is not None and decide.is_settled("heads", versions, recorded.effective):
        return ()
    scripts = await directory.load()
    return await anyio.to_thread.run_sync(scripts.pending, versions)
