"""Run env.py without the lock and without writing, to learn what it configures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from . import failure
from .environment import Observation, run
from .limits import Limits
from .watchdog import watching

if TYPE_CHECKING:
    from .run import Run


async def versions(of: Run) -> tuple[str, ...] | None:
    """Return what env.py's version table holds; None where it takes the lock to find out."""
    watch = Observation(lambda _: [], limits=Limits(of.order.settings, local=True, each=True))
    try:
        async with watching(of.session, of.order.settings, watch, of.order.command, of.reporter):
            shown = await run(
                of.session, of.directory, of.order.command, of.reporter, watch, probing=True
            )
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        # Another process may be creating what env.py looks for: the lock will sort that out.
        await of.session.resting()
        return None
    except Exception as error:  # noqa: BLE001 - env.py is anybody's code
        failure.reraise(error, watch, external=False)
    of.directory.remember(shown.table)
    # Of several version tables (a loop over tenants) the first says nothing of the others.
    return shown.heads if shown.single else None
