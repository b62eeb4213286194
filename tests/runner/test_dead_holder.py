"""The lock's holder is killed: the next one goes on. How long that took is printed, not asserted.

The measurements of docs/replicas.md::

    SCHEMAKIT_TEST_LONG=1 SCHEMAKIT_TEST_ROUNDS=5 pytest -s -n 0 tests/runner/test_dead_holder.py

Without ``SCHEMAKIT_TEST_LONG=1`` nobody waits for a lease to expire: its time is made to pass.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from tests.fix_pooler import CONNECT_ARGS
from tests.runner.watching import INVALID, LONG, at_rest, until

import schemakit
from schemakit import Settings
from schemakit.runner.driver import drive
from schemakit.runner.orphans import build_is_over
from schemakit.sql import Name

WORKER = Path(__file__).with_name("pooled_worker.py")
ROUNDS = int(os.environ.get("SCHEMAKIT_TEST_ROUNDS", "1"))
#: Seconds that the holder's statement would take.
STATEMENT = 60
#: Whether the holder is to hang there; the next run finds no such file.
HANGS = "if pathlib.Path({flag!r}).exists():"
REVISIONS = {
    "idle": f"""
        import pathlib, time
        op.create_table("t2", sa.Column("id", sa.Integer))
        {HANGS}
            time.sleep(600)
    """,
    "in a statement": f"""
        import pathlib
        op.create_table("t2", sa.Column("id", sa.Integer))
        {HANGS}
            op.execute("SELECT pg_sleep({STATEMENT})")
    """,
    "in an index build": """
        with op.get_context().autocommit_block():
            op.create_index("i1", "t1", ["id"], postgresql_concurrently=True)
    """,
}
WAITS = {
    "idle": "state = 'idle in transaction' AND query LIKE '%CREATE TABLE t2%'",
    "in a statement": "wait_event = 'PgSleep'",
    "in an index build": "query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'",
}
WAYS = [
    ("direct", "session"),
    ("direct", "transaction"),
    ("direct", "lease"),
    ("pooled", "transaction"),
    ("pooled", "lease"),
    ("a session each", "session"),
]


@pytest.fixture
def url(database_url, request):
    """Lead to the database, directly or through a pooler."""
    poolers = {"pooled": "transaction_pooler", "a session each": "session_pooler"}

    def lead(road):
        if road == "direct":
            return database_url
        return request.getfixturevalue(poolers[road]).url(database_url)

    return lead


@asynccontextmanager
async def holder(url, directory, lock):
    """A process that migrates; killed at the latest at the end."""
    command = [sys.executable, str(WORKER), url, str(directory.path), lock]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        assert await process.stdout.readline() == b"ready\n"
        process.stdin.write(b"go\n")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.long
@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("how", REVISIONS)
@pytest.mark.parametrize(("road", "lock"), WAYS)
async def test_the_next_one_goes_on(
    url, oracle, connect, directory, tmp_path, road, lock, how, round_
):
    flag = tmp_path / "hang"
    flag.touch()
    directory.tables(1).revision("r2", REVISIONS[how].format(flag=str(flag))).settle()
    blocker = await connect()
    async with holder(url(road), directory, lock) as process:
        if how == "in an index build":
            await until(lambda: exists(oracle, "t1"), 30)
            await blocker.execute("BEGIN; LOCK TABLE t1 IN ROW EXCLUSIVE MODE")
        await until(lambda: counted(oracle, WAITS[how]), 30)
        process.kill()
        died = monotonic()
        flag.unlink()
        await process.wait()
        if lock == "lease" and not LONG:
            await oracle.execute("UPDATE schemakit.migration_lease SET expires = now()")
        if (road, how) == ("pooled", "in an index build"):
            # Nothing tells the server of the pooler's client: the build ends when it is done.
            await blocker.execute("ROLLBACK")
            await until(lambda: nobody_builds(oracle), 30)
        result = await next_one(url(road), directory, lock, unblocking(blocker, oracle))
    seconds = monotonic() - died
    sys.stdout.write(f"\n{road} | {lock} | {how} | {seconds:.2f} s\n")
    assert result.heads_after == ("r2",)
    assert await oracle.fetchval(INVALID) is None
    await at_rest(oracle, 90)


async def next_one(url, directory, lock, on_event=None):
    """Upgrade as a process would that finds the dead one's lock."""
    options = {"connect_args": CONNECT_ARGS} if "127.0.0.1" in url else {}
    engine = create_async_engine(url, poolclass=NullPool, **options)
    try:
        return await schemakit.upgrade(
            engine, migrations=directory, settings=Settings(lock=lock), on_event=on_event
        )
    finally:
        await engine.dispose()


def unblocking(blocker, oracle):
    """End what the index build waits for, as soon as the next one has got that far."""

    async def on_event(event):
        if event.kind == "revision_started" and event.revision.id == "r2":
            await blocker.execute("ROLLBACK")
            await until(lambda: nobody_builds(oracle), 30)

    return on_event


async def nobody_builds(oracle):
    return not await counted(oracle, WAITS["in an index build"].partition(" AND")[0])


# -- an index build that outlives its client -------------------------------------------------------


async def test_the_next_one_behind_a_pooler_waits_for_the_dead_ones_build(
    transaction_pooler, database_url, oracle, connect, directory
):
    directory.tables(1).revision("r2", REVISIONS["in an index build"]).settle()
    url, blocker = transaction_pooler.url(database_url), await connect()
    async with holder(url, directory, "transaction") as process:
        await until(lambda: exists(oracle, "t1"), 30)
        await blocker.execute("BEGIN; LOCK TABLE t1 IN ROW EXCLUSIVE MODE")
        await until(lambda: counted(oracle, WAITS["in an index build"]), 30)
        process.kill()
        await process.wait()

    async def unblock(event):
        if event.kind == "notice" and "is being built already" in event.message:
            await blocker.execute("ROLLBACK")

    result = await next_one(url, directory, "transaction", unblock)
    assert result.heads_after == ("r2",)
    assert await oracle.fetchval(INVALID) is None


async def test_the_next_one_waits_for_an_index_build_that_goes_on(oracle, connect, engine):
    builder, blocker = await connect(), await connect()
    await oracle.execute("CREATE TABLE t1 (id int)")
    await blocker.execute("BEGIN; LOCK TABLE t1 IN ROW EXCLUSIVE MODE")
    build = asyncio.ensure_future(builder.execute("CREATE INDEX CONCURRENTLY i1 ON t1 (id)"))
    await until(lambda: counted(oracle, WAITS["in an index build"]))
    told = []

    def wait(connection):
        drive(connection, build_is_over(Name("i1"), "upgrade"), told.append)

    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        waiting = asyncio.ensure_future(connection.run_sync(wait))
        await until(lambda: has_been(told))
        assert not waiting.done()
        await blocker.execute("ROLLBACK")
        await build
        await waiting
    assert [holder.pid for holder in told[0].holders] == [builder.get_server_pid()]
    assert await oracle.fetchval(INVALID) is None


async def test_what_nobody_builds_is_not_waited_for(engine):
    async with engine.connect() as connection:
        await connection.run_sync(
            lambda sync: drive(sync, build_is_over(Name("i1", "public"), "upgrade"), print)
        )


async def has_been(told):
    return bool(told)


async def exists(oracle, name):
    return await oracle.fetchval("SELECT to_regclass($1) IS NOT NULL", name)


async def counted(oracle, condition):
    return await oracle.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        f" AND pid <> pg_backend_pid() AND {condition}"
    )
