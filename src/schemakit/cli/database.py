"""The only place in schemakit that makes an engine, or starts a server for one."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemakit.errors import ConfigurationError

from .url import Address, address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine


@asynccontextmanager
async def embedded(data: str) -> AsyncIterator[AsyncEngine]:
    """Run a server on *data* and yield an engine on it; the last one to leave stops it."""
    from schemakit.embedded import EmbeddedServer  # noqa: PLC0415 - seldom needed

    _unversioned(Path(data))
    async with EmbeddedServer(data) as server, connected(address(server.dsn)) as engine:
        yield engine


def _unversioned(data: Path) -> None:
    """Have git overlook a folder that is made for *data*, as virtual environments do."""
    if data.parent.name == ".schemakit" and not data.parent.exists():
        data.parent.mkdir(parents=True)
        (data.parent / ".gitignore").write_text("*\n", "utf-8")


@asynccontextmanager
async def connected(where: Address) -> AsyncIterator[AsyncEngine]:
    """Yield an engine on *where*; asyncpg reads the URL, which knows what libpq knows."""
    from sqlalchemy import NullPool  # noqa: PLC0415 - `--help` must not wait for SQLAlchemy
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    async def connection() -> object:
        return await _connection(where)

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connection, poolclass=NullPool
    )
    try:
        yield engine
    finally:
        await engine.dispose()


async def _connection(where: Address) -> object:
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types; as above

    options: dict[str, Any] = {} if where.timeout is None else {"timeout": where.timeout}
    if where.password is not None:
        options["password"] = where.password
    if not where.named:
        name = os.environ.get("PGAPPNAME") or "schemakit"
        options["server_settings"] = {"application_name": name}
    try:
        return await asyncpg.connect(where.dsn, **options)
    except asyncpg.ClientConfigurationError as error:
        raise ConfigurationError(
            f"The database URL cannot be used: {error}.",
            remedy="mend what is named there; it may come from the service file or a PG* variable.",
        ) from error
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        from schemakit.runner import broken  # noqa: PLC0415 - as above

        raise broken.failed(where.place, error) from error
