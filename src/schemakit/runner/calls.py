"""The coroutines that schemakit offers at its top level."""

from __future__ import annotations

from .locate import Source
from .migrate import Order, execute
from .reporter import OnEvent
from .results import Result
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
    """Bring the database to *revision*."""
    settings = settings or Settings.from_environment()
    return await execute(target, Order("upgrade", revision, migrations, settings), on_event)
