"""The server that the tests run on, and a database of its own for each test.

``SCHEMAKIT_TEST_DATABASE_URL`` names a server; ``SCHEMAKIT_TEST_PG=14`` … ``18`` takes one from
the matrix (npm); otherwise it is the embedded one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from schemakit.embedded import EmbeddedServer

SETTINGS = {
    "max_connections": "300",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
}


#: A database for each test is a thousand files made and deleted: in memory, in half of the time.
MEMORY, ROOM_NEEDED = Path("/dev/shm"), 4 * 1024**3  # noqa: S108 - a private directory is made there


def _room(directory):
    return shutil.disk_usage(directory).free if directory.is_dir() else 0


class Loop:
    """An event loop in a thread of its own, for what outlives the loops of the tests."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _bindir():
    major = os.environ.get("SCHEMAKIT_TEST_PG")
    if not major:
        return None
    from tools.postgres_matrix import bindir  # noqa: PLC0415 - needs npm, and only here

    return bindir(int(major))


@pytest.fixture(scope="session")
def background():
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def server_url(background):
    """The URL of a server on which databases may be created."""
    given = os.environ.get("SCHEMAKIT_TEST_DATABASE_URL")
    if given:
        yield (
            make_url(given)
            .set(drivername="postgresql+asyncpg")
            .render_as_string(hide_password=False)
        )
        return
    server = EmbeddedServer(settings=SETTINGS, bindir=_bindir())
    with pytest.MonkeyPatch.context() as patch:
        if _room(MEMORY) >= ROOM_NEEDED:
            patch.setenv("SCHEMAKIT_PG_HOME", str(MEMORY / "schemakit-tests"))
        background.run(server.start())
    yield server.url
    background.run(server.stop())


@pytest.fixture(scope="session")
def dsn_of(server_url):
    """Turn a database's name into a URL for asyncpg and libpq."""

    def dsn(database):
        url = make_url(server_url).set(drivername="postgresql", database=database)
        return url.render_as_string(hide_password=False)

    return dsn


@pytest.fixture(scope="session")
def url_of(server_url):
    """Turn a database's name into a URL for SQLAlchemy."""

    def url(database):
        return make_url(server_url).set(database=database).render_as_string(hide_password=False)

    return url


@pytest.fixture
async def new_database(server_url, dsn_of, url_of):
    """Make empty databases; they are dropped at the end."""
    made = []
    admin = await asyncpg.connect(dsn_of(make_url(server_url).database))

    async def make(prefix="t"):
        name = f"{prefix}_{uuid4().hex[:12]}"
        await admin.execute(f'CREATE DATABASE "{name}"')
        made.append(name)
        return url_of(name)

    yield make
    for name in made:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture
async def database_url(new_database):
    """A URL of an empty database for SQLAlchemy."""
    return await new_database()


@pytest.fixture
async def connect(database_url):
    """Open plain asyncpg connections to the test's database: the oracle's own line."""
    opened = []

    async def connection():
        url = make_url(database_url).set(drivername="postgresql")
        opened.append(await asyncpg.connect(url.render_as_string(hide_password=False)))
        return opened[-1]

    yield connection
    for each in opened:
        await each.close(timeout=5)


@pytest.fixture
async def oracle(connect):
    """A plain asyncpg connection to the test's database."""
    return await connect()


@pytest.fixture
async def engine(database_url):
    """An engine on the test's database."""
    async with disposing(create_async_engine(database_url)) as engine:
        yield engine


@asynccontextmanager
async def disposing(engine):
    """Dispose of *engine* at the end."""
    try:
        yield engine
    finally:
        await engine.dispose()


def pool_free(url, **options):
    """An engine that keeps no connection."""
    return create_async_engine(url, poolclass=NullPool, **options)
