"""What a verb is handed: the options that all verbs share, understood."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from schemakit.errors import ConfigurationError

from . import database, password, progress
from .url import Address, address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

    from sqlalchemy.ext.asyncio import AsyncEngine

    from schemakit import Migrations, Settings

    from .output import Output

DATA = ".schemakit/pg"


@dataclass(frozen=True, slots=True)
class Embedded:
    """A database in a server that schemakit starts, with its data in *data*."""

    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One use of the program.

    Attributes:
        where: the database; None if none was named and the verb can do without.
        named: whether the database was named on the command line, not by DATABASE_URL.
        migrations: the migrations directory.
        settings: the environment's, with what the options say instead.
        output: where the verb's words go.
    """

    where: Address | Embedded | None
    named: bool
    migrations: Migrations
    settings: Settings
    output: Output

    @asynccontextmanager
    async def engine(self, *, directory: bool = True) -> AsyncIterator[AsyncEngine]:
        """Yield an engine on the database.

        Args:
            directory: whether the verb is of no use without a migrations directory.

        Raises:
            ConfigurationError: no database was named; no migrations directory to start one for.
        """
        match self.where:
            case Address() as where:
                async with database.connected(where) as engine:
                    yield engine
            case Embedded(data):
                from schemakit.runner.locate import locate  # noqa: PLC0415 - not for `--help`

                if directory:
                    locate(self.migrations)  # before a server is started in vain
                self.output.note(f"PostgreSQL in {data} ...")
                async with database.embedded(data) as engine:
                    yield engine
            case None:
                raise ConfigurationError(
                    "No database was named.",
                    remedy="give --database-url, set DATABASE_URL, or let --embedded start one.",
                )

    def watching(self) -> AbstractContextManager[progress.Lines | progress.Live | None]:
        """Return what shows a run while it runs; yields the run's ``on_event``."""
        return progress.watching(self.output)


def where(
    *, url: str | None, password_file: str | None, named: bool, embedded: bool, data: str | None
) -> Address | Embedded | None:
    """Return the database that the options name.

    Args:
        url: the URL.
        password_file: the file with the password for it.
        named: whether it was an option, rather than DATABASE_URL, which any option overrides.
        embedded: whether to start a server.
        data: for that.

    Raises:
        ConfigurationError: the options contradict each other, or the URL cannot be read.
    """
    if embedded and named:
        raise ConfigurationError(
            "--embedded and --database-url name two databases.", remedy="give one of them."
        )
    if data is not None and not embedded:
        raise ConfigurationError("--data is for --embedded.", remedy="give both, or neither.")
    if password_file is not None and (embedded or url is None):
        raise ConfigurationError(
            "--password-file is for a database that a URL names.",
            remedy="give --database-url or set DATABASE_URL; --embedded needs no password.",
        )
    if embedded:
        return Embedded(data or DATA)
    if url is None:
        return None
    found = address(url)
    return found if password_file is None else replace(found, password=password.read(password_file))


def settings(**given: float | str | None) -> Settings:
    """Return the environment's settings, with those in *given* that are not None instead."""
    from schemakit import Settings  # noqa: PLC0415 - keeps SQLAlchemy out of `--help`

    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(Settings.from_environment(), **chosen)
