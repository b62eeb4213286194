"""Expired backups go when an upgrade has ended well, where that was asked for."""

from __future__ import annotations

from schemakit.runner import failure
from schemakit.runner.reporter import Reporter
from schemakit.runner.results import Event
from schemakit.runner.settings import Settings
from schemakit.runner.target import Target

from .calls import cleanup_backups


async def tidied(target: Target, settings: Settings, command: str, reporter: Reporter) -> None:
    """Remove expired backups, and report it; nothing that goes wrong is raised."""
    try:
        done = await cleanup_backups(target, settings=settings)
        message = str(done) if done.removed or done.failed else ""
    except Exception as error:  # noqa: BLE001 - it must not fail what has ended well
        message = f"Expired backups were not removed: {failure.brief(error)}"
    if message:
        await reporter.tell(Event("notice", command, message=message))
