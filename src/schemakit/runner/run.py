"""A run: from the call to the result, by the cheapest way that is right.

Whatever a service at head needs is here; what it takes to migrate is imported when there is
something to migrate.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from schemakit.catalog.version_table import stored_versions

from . import decide
from .directory import Directory
from .locate import Source
from .reporter import OnEvent, Reporter
from .results import Command, Event, Result
from .settings import Settings
from .shelter import sheltered
from .target import Session, Target, opened

if TYPE_CHECKING:
    from schemakit.sql import Name


class Order(NamedTuple):
    """What was asked for."""

    command: Command
    revision: str
    migrations: Source = None
    settings: Settings = Settings()
    purge: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Run:
    """What a run has in its hands.

    Attributes:
        order: what was asked for.
        directory: of which migrations directory.
        session: on which connection.
        reporter: gets the events.
        began: when it began, monotonic seconds.
        waited: seconds spent waiting for the lock.
        ahead: revisions in the database that this code does not know.
    """

    order: Order
    directory: Directory
    session: Session
    reporter: Reporter
    began: float
    waited: float = 0.0
    ahead: tuple[str, ...] = ()

    @property
    def table(self) -> Name | None:
        """The version table, where it is known without running env.py."""
        recorded = self.directory.recorded
        return recorded.table if recorded else None

    async def versions(self) -> tuple[str, ...] | None:
        """Return what the version table holds; None where it takes the lock to find out."""
        if self.table is not None:
            return await self.session.ask(stored_versions, self.table)
        if self.session.external:
            return None  # env.py could fail and with it the caller's transaction
        probe = await asyncio.to_thread(import_module, f"{__package__}.probe")
        found: tuple[str, ...] | None = await probe.versions(self)
        return found

    def result(self, **found: Any) -> Result:
        """Return the result, with the fields of `Result` that are *found* besides its own."""
        duration = monotonic() - self.began
        return Result(
            self.order.command, waited=self.waited, duration=duration, ahead=self.ahead, **found
        )

    def nothing_done(self, versions: tuple[str, ...]) -> Result:
        """Return the result of a run that found *versions* and left them."""
        return self.result(heads_before=versions, heads_after=versions)


async def execute(target: Target, order: Order, on_event: OnEvent | None = None) -> Result:
    """Do *order* on *target*.

    Raises:
        SchemakitError: see `schemakit.errors`.
    """
    return await sheltered(partial(_execute, target, order, Reporter(on_event)))


async def _execute(target: Target, order: Order, reporter: Reporter) -> Result:
    began = monotonic()
    try:
        started = f"{order.command} to {order.revision}"
        await reporter.tell(Event("started", order.command, message=started))
        directory = await Directory.find(order.migrations, order.settings)
        async with opened(target, order.settings.server_timeout) as session:
            session.role = order.settings.role
            result = await _done(Run(order, directory, session, reporter, began))
        if order.settings.cleanup_backups and order.command == "upgrade":
            tidying = await asyncio.to_thread(import_module, f"{__package__}.backups.tidying")
            await tidying.tidied(target, order.settings, order.command, reporter)
        finished = Event("finished", order.command, seconds=result.duration, message=str(result))
        await reporter.tell(finished)
    except BaseException as error:
        reporter.close(error)
        raise
    return result


async def _done(run: Run) -> Result:
    if run.order.command == "upgrade":
        settled = await _at_head(run)
        if settled is not None:
            return settled
    migrate = await asyncio.to_thread(import_module, f"{__package__}.migrate")
    result: Result = await migrate.Migration(run).result()
    return result


async def _at_head(run: Run) -> Result | None:
    recorded = run.directory.recorded
    if recorded is None:
        return None
    if run.order.revision == "head" and len(recorded.heads) > 1:
        return None  # the full road raises MultipleHeads, if the server is reachable at all
    versions = await run.versions()
    if versions is not None and decide.is_settled(run.order.revision, versions, recorded.effective):
        return run.nothing_done(versions)
    return None
