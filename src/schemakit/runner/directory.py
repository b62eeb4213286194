"""The migrations directory of a call: found, looked at, and loaded only when it must be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import index
from .fingerprint import Fingerprint
from .index import Recorded
from .locate import Located, Source, locate
from .settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

    from schemakit.sql import Name

    from ._alembic.scripts import Scripts


@dataclass(slots=True, eq=False, repr=False)
class Directory:
    """A migrations directory and what is known of it so far.

    Attributes:
        located: where it is.
        settings: of the call.
        recorded: what an earlier load found, while its files are unchanged.
    """

    located: Located
    settings: Settings
    recorded: Recorded | None
    _scripts: Scripts | None = None
    _seen: Fingerprint | None = None

    @classmethod
    async def find(cls, source: Source, settings: Settings) -> Directory:
        """Find the directory that *source* means and look at its files, off the loop."""
        located, recorded = await asyncio.to_thread(_find, source, settings)
        return cls(located, settings, recorded)

    async def load(self, url: URL | None = None) -> Scripts:
        """Execute its revisions, off the loop, once in the life of this value."""
        if self._scripts is not None:
            return self._scripts
        scripts, self._seen = await asyncio.to_thread(_load, self.located, url)
        self._scripts = scripts
        return scripts

    def remember(self, table: Name | None) -> None:
        """Keep what the load found, and the version table if env.py need not run to tell it."""
        if self._scripts is None or self._seen is None:
            if self.recorded is not None and table is not None:
                self.recorded = self.recorded._replace(table=table)
            return
        scripts = self._scripts
        self.recorded = Recorded(
            heads=scripts.heads,
            effective=scripts.effective_heads,
            folders=scripts.folders,
            recursive=scripts.directory.recursive_version_locations,
            table=table,
        )
        index.remember(self.located, self._seen, self.recorded, self.settings.index)


def _find(source: Source, settings: Settings) -> tuple[Located, Recorded | None]:
    located = locate(source)
    return located, index.look(located, settings.index)


def _load(located: Located, url: URL | None) -> tuple[Scripts, Fingerprint]:
    from ._alembic import config, scripts  # noqa: PLC0415 - Alembic is imported here, in a thread

    built = config.build_config(located, url)
    bare = scripts.environment_directory(built)
    folders = tuple(bare._version_locations)  # noqa: SLF001 - the resolved ones
    seen = index.before_load(located, folders, recursive=bare.recursive_version_locations)
    return scripts.load(built), seen
