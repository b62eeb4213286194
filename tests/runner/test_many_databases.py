"""Many databases in one process at the same time: each gets its own revisions, and nothing stays.

The long form (20 rounds) runs with ``SCHEMAKIT_TEST_LONG=1``.
"""

import asyncio
import gc
from pathlib import Path

import alembic
import alembic.context
import alembic.op
import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from tests.runner.watching import LONG, TABLES

import schemakit
from schemakit.errors import RevisionFailed

ASYNC_ENV = Path(alembic.__file__).parent / "templates" / "async" / "env.py"


def own(new_directory, number):
    """A directory whose three revisions make tables that carry its *number*."""
    made = new_directory(f"d{number}").env(ASYNC_ENV.read_text())
    for step in "abc":
        make = f'op.create_table("t{number}{step}", sa.Column("id", sa.Integer))'
        made.revision(f"{step}{number}", f"{make}; op.run_async(wait)")
        path = made.path / "versions" / f"{step}{number}.py"
        path.write_text(path.read_text().replace("import sqlalchemy as sa", WAIT, 1))
    return made.settle()


WAIT = """import asyncio
import sqlalchemy as sa


async def wait(connection):
    await asyncio.sleep(0.01)
"""


async def upgraded(url, directory):
    engine = create_async_engine(url, poolclass=NullPool)
    await schemakit.upgrade(engine, migrations=directory)
    await engine.dispose()


async def tables_of(url):
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    oracle = await asyncpg.connect(plain)
    try:
        return await oracle.fetchval(TABLES)
    finally:
        await oracle.close()


def expected(number):
    return ["alembic_version", f"t{number}a", f"t{number}b", f"t{number}c"]


@pytest.fixture
def directories(new_directory):
    return [own(new_directory, number) for number in range(20)]


@pytest.mark.long
async def test_twenty_databases_gathered_each_get_their_own_tables(new_database, directories):
    for _ in range(20 if LONG else 1):
        urls = [await new_database() for _ in directories]
        await asyncio.gather(*map(upgraded, urls, directories))
        found = [await tables_of(url) for url in urls]
        assert found == [expected(number) for number in range(20)]


async def test_threads_with_loops_of_their_own_each_get_their_own_tables(new_database, directories):
    urls = [await new_database() for _ in range(4)]
    threads = [
        asyncio.to_thread(asyncio.run, upgraded(url, directory))
        for url, directory in zip(urls, directories, strict=False)
    ]
    await asyncio.gather(*threads)
    assert [await tables_of(url) for url in urls] == [expected(number) for number in range(4)]


async def test_alembics_own_command_runs_in_a_thread_at_the_same_time(
    new_database, directories, new_directory
):
    theirs, ours = await new_database(), await new_database()
    plain = own(new_directory, 99)
    config = Config()
    config.set_main_option("script_location", str(plain.path))
    config.set_main_option("sqlalchemy.url", theirs.replace("%", "%%"))
    await asyncio.gather(
        asyncio.to_thread(command.upgrade, config, "head"), upgraded(ours, directories[0])
    )
    assert [await tables_of(theirs), await tables_of(ours)] == [expected(99), expected(0)]


def leftovers():
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, EnvironmentContext | Operations)]


async def test_no_proxy_config_or_connection_stays_after_success(engine, directories):
    await schemakit.upgrade(engine, migrations=directories[0])
    assert leftovers() == []
    assert (bool(alembic.op._proxy), bool(alembic.context._proxy)) == (False, False)
    assert not hasattr(alembic.context, "config")


async def test_no_proxy_config_or_connection_stays_after_failure(engine, directory):
    directory.env(ASYNC_ENV.read_text()).revision("bad", 'op.execute("SELECT nonsense")').settle()
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=directory)
    assert leftovers() == []
    assert (bool(alembic.op._proxy), bool(alembic.context._proxy)) == (False, False)
    assert not hasattr(alembic.context, "config")


async def test_a_proxy_used_outside_a_run_says_what_alembic_says(engine, directories):
    await schemakit.upgrade(engine, migrations=directories[0])
    with pytest.raises(NameError, match="Can't invoke function 'get_bind'"):
        alembic.op.get_bind()


async def test_a_thread_that_is_started_by_a_revision_does_not_see_the_run(engine, directory):
    seen = []
    alembic.seen = seen
    directory.env(ASYNC_ENV.read_text()).revision(
        "r1",
        """
        import alembic, threading
        thread = threading.Thread(target=lambda: alembic.seen.append(bool(op._proxy)))
        thread.start()
        thread.join()
        """,
    )
    try:
        await schemakit.upgrade(engine, migrations=directory.settle())
    finally:
        del alembic.seen
    assert seen == [False]


async def test_a_run_inside_a_callback_of_a_run_keeps_to_its_own_database(
    engine, new_database, directories
):
    other = await new_database()

    async def on_event(event):
        if event.kind == "revision_started" and event.position == 2:
            await upgraded(other, directories[1])

    await schemakit.upgrade(engine, migrations=directories[0], on_event=on_event)
    first = engine.url.render_as_string(hide_password=False)
    assert [await tables_of(first), await tables_of(other)] == [expected(0), expected(1)]
