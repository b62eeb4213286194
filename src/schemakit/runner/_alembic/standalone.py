"""`schemakit.env` at work: inside a run of ours, or where ``alembic`` itself is the caller."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from alembic import context
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from schemakit.errors import ConfigurationError
from schemakit.runner import holding, poolers
from schemakit.runner.driver import drive
from schemakit.runner.environment import Observation
from schemakit.runner.heal import resumed
from schemakit.runner.limits import Limits
from schemakit.runner.reporter import Reporter
from schemakit.runner.roles import assumed
from schemakit.runner.settings import Settings
from schemakit.runner.target import Session, opened

from . import operations  # noqa: F401 - registers its own
from .bridge import bridged
from .config import STAND_IN_URL
from .partitions import WithoutPartitions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.sql.resumable import Resumable

#: Commands that write say where to; the others (current, check, revision) take no lock.
_WRITES = "destination_rev"


def run_environment(configure: dict[str, Any], settings: Settings | None) -> None:
    """Do what env.py is there for, whoever called it."""
    configure.setdefault("transaction_per_migration", True)
    connection = context.config.attributes.get("connection")
    if context.is_offline_mode():
        options = {"literal_binds": True, "dialect_opts": {"paramstyle": "named"}, **configure}
        context.configure(url=STAND_IN_URL, **options)
        _run_migrations()
    elif connection is not None:
        _migrate(connection, configure)
    else:
        asyncio.run(_alone(configure, settings or Settings.from_environment()))


def _migrate(connection: Connection, configure: dict[str, Any]) -> None:
    include, metadata = configure.get("include_name"), configure.get("target_metadata")
    configure |= {"include_name": WithoutPartitions(connection, metadata, include)}
    context.configure(connection=connection, **configure)
    _run_migrations()


def _run_migrations() -> None:
    with context.begin_transaction():
        context.run_migrations()


async def _alone(configure: dict[str, Any], settings: Settings) -> None:
    engine = create_async_engine(_url(), poolclass=NullPool)
    try:
        async with opened(engine) as session:
            if _WRITES in context._proxy.context_opts:  # type: ignore[attr-defined]  # noqa: SLF001 - the environment that Alembic has entered
                await _under_lock(session, configure, settings)
            else:
                await session.migrating()
                await session.connection.run_sync(_migrate, configure)
    finally:
        await engine.dispose()


async def _under_lock(session: Session, configure: dict[str, Any], settings: Settings) -> None:
    reporter = Reporter(None)
    session.role = settings.role
    server = await poolers.met(session)
    held = await holding.holding(session, settings, server, reporter)
    limits = Limits.of(session, settings)
    try:
        await held.acquire("upgrade", None)
        if not limits.each:
            await assumed(session, settings.role, limits.opening())
        await session.migrating()
        with held.fenced(session.sync):
            await session.connection.run_sync(_bridged, configure, limits, reporter)
    finally:
        await held.release()


def _bridged(
    connection: Connection, configure: dict[str, Any], limits: Limits, reporter: Reporter
) -> None:
    def resume(connection: Connection, step: Resumable, sql: str) -> str:
        return drive(connection, resumed(step, sql, "upgrade"), reporter)

    observer = Observation(lambda _: [], resume, limits=limits)
    with bridged(connection, observer, percent_escapes=False, external=False):
        _migrate(connection, configure)


def _url() -> Any:
    given = context.config.get_main_option("sqlalchemy.url") or os.environ.get("DATABASE_URL")
    if not given:
        raise ConfigurationError(
            "Neither sqlalchemy.url nor DATABASE_URL says which database to migrate.",
            remedy="set one of them, or call schemakit.upgrade(engine).",
        )
    return make_url(given).set(drivername="postgresql+asyncpg")
