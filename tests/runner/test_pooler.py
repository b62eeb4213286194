"""Behind pgbouncer: the lock holds, many processes apply each revision once, nothing is left."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AssertionPool, StaticPool
from tests.fix_pooler import CONNECT_ARGS
from tests.fix_postgres import disposing
from tests.runner.watching import INVALID, LOCKS, LONG, at_rest, until, versions

import schemakit
from schemakit import Settings
from schemakit.catalog import read
from schemakit.errors import (
    LockLost,
    LockRefused,
    LockTimeout,
    PoolerRefused,
    RevisionFailed,
)
from schemakit.runner import broken, poolers
from schemakit.runner.locks import lock_key
from schemakit.runner.target import opened

WORKER = Path(__file__).with_name("pooled_worker.py")
CONCURRENTLY = """
    with op.get_context().autocommit_block():
        op.create_index("{0}", "t1", ["id"], postgresql_concurrently=True)
    op.execute("INSERT INTO ran VALUES ('{0}')")
"""
METHODS = ["auto", "transaction", "lease"]


@pytest.fixture
def mixed(directory):
    """Tables and concurrent index builds; each revision but the first leaves a row when it ran."""
    directory.template("async")
    directory.revision(
        "r1", 'op.execute("CREATE TABLE ran (id text)"); op.execute("CREATE TABLE t1 (id int)")'
    )
    directory.revision("i1", CONCURRENTLY.format("i1"))
    directory.revision("r2", "op.execute(\"INSERT INTO ran VALUES ('r2')\")")
    directory.revision("i2", CONCURRENTLY.format("i2"))
    return directory.settle()


@pytest.fixture
def two(directory):
    return directory.tables(2).settle()


def pooled(pooler, database_url, **options):
    options.setdefault("connect_args", CONNECT_ARGS)
    return create_async_engine(pooler.url(database_url), **options)


async def replicas(count, url, directory, lock):
    """Start *count* processes at once; return what each applied."""
    command = [sys.executable, str(WORKER), url, str(directory.path), lock]
    started = [
        await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        for _ in range(count)
    ]
    for process in started:
        assert await process.stdout.readline() == b"ready\n"
    for process in started:
        process.stdin.write(b"go\n")
    answers = await asyncio.gather(*(process.communicate() for process in started))
    assert [process.returncode for process in started] == [0] * count
    return [json.loads(answer) for answer, _ in answers]


@pytest.fixture(scope="session")
def narrow_pooler(new_pooler):
    """A transaction pooler with fewer backends than the processes that come."""
    return new_pooler("transaction", backends=4)


# -- many processes --------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("round_", range(20 if LONG else 1))
@pytest.mark.parametrize("lock", ["auto", "lease"])
async def test_eight_processes_upgrade_one_empty_database(
    narrow_pooler, database_url, oracle, mixed, lock, round_
):
    answers = await replicas(8, narrow_pooler.url(database_url), mixed, lock)
    applied = [answer["applied"] for answer in answers if answer["applied"]]
    assert applied == [["r1", "i1", "r2", "i2"]]
    assert [answer["heads"] for answer in answers] == [["i2"]] * 8
    assert await oracle.fetchval("SELECT array_agg(id ORDER BY id) FROM ran") == ["i1", "i2", "r2"]
    assert await oracle.fetchval(INVALID) is None
    await at_rest(oracle)
    if lock == "lease":
        assert await oracle.fetchval("SELECT count(*) FROM schemakit.migration_lease") == 0


# -- a pooler shows itself -------------------------------------------------------------------------


async def shown(engine):
    async with opened(engine) as session:
        await poolers.met(session)
        return session.pooled


async def test_a_pooler_shows_itself(pooled_engine):
    assert await shown(pooled_engine) is True


async def test_a_session_pooler_shows_itself_too(session_pooler, database_url):
    async with disposing(pooled(session_pooler, database_url)) as engine:
        assert await shown(engine) is True


async def test_a_server_is_none(engine):
    assert await shown(engine) is False


async def shared(engine):
    async with engine.connect() as one, engine.connect() as other:
        for each in (one, other):
            await each.execution_options(isolation_level="AUTOCOMMIT")
        return await poolers.shares_backends(one, other)


async def test_a_transaction_pooler_lends_one_backend_to_two(pooled_engine):
    assert await shared(pooled_engine) is True


async def test_it_does_so_when_it_hands_them_out_in_turn(new_pooler, database_url):
    pooler = new_pooler("transaction", backends=2, further="server_round_robin = 1")
    async with disposing(pooled(pooler, database_url)) as engine:
        assert await shared(engine) is True


async def test_a_session_pooler_gives_each_its_own(session_pooler, database_url):
    async with disposing(pooled(session_pooler, database_url)) as engine:
        assert await shared(engine) is False


# -- the lock --------------------------------------------------------------------------------------


@pytest.fixture
def watched(directory, oracle):
    """A directory whose one revision waits until the test has looked."""
    directory.revision("r1", 'op.execute("SELECT pg_sleep(60)")')
    return directory.settle()


async def while_it_runs(engine, directory, oracle, settings):
    """Start an upgrade; return when its revision waits in pg_sleep."""
    task = asyncio.ensure_future(schemakit.upgrade(engine, migrations=directory, settings=settings))

    async def asleep():
        if task.done():
            await task
        return await oracle.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )

    await until(asleep)
    return task


async def ended(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_behind_a_pooler_an_idle_transaction_of_its_own_holds_the_lock(
    pooled_engine, oracle, watched
):
    task = await while_it_runs(pooled_engine, watched, oracle, Settings())
    held = await oracle.fetchrow(
        "SELECT a.state, a.wait_event, a.backend_xmin, a.query FROM pg_locks l"
        " JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert (held["state"], held["backend_xmin"]) == ("idle in transaction", None)
    await ended(task)
    await at_rest(oracle)


@pytest.mark.parametrize("lock", ["session", "transaction"])
async def test_each_way_excludes_the_other(engine, oracle, watched, lock):
    other = {"session": "transaction", "transaction": "session"}[lock]
    task = await while_it_runs(engine, watched, oracle, Settings(lock=lock))
    with pytest.raises(LockTimeout):
        await schemakit.upgrade(
            engine, migrations=watched, settings=Settings(lock=other, lock_wait=0)
        )
    await ended(task)


async def test_through_the_pooler_and_past_it_exclude_each_other(
    engine, pooled_engine, oracle, watched
):
    task = await while_it_runs(pooled_engine, watched, oracle, Settings())
    with pytest.raises(LockTimeout, match="pid"):
        await schemakit.upgrade(engine, migrations=watched, settings=Settings(lock_wait=0))
    await ended(task)


async def test_a_setting_of_the_server_does_not_end_the_idle_transaction(
    pooled_engine, connect, directory
):
    admin = await connect()
    await admin.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout"
        " = 200', current_database()); END $$"
    )
    directory.tables(1).revision("slow", 'op.execute("SELECT pg_sleep(1)")').settle()
    result = await schemakit.upgrade(pooled_engine, migrations=directory)
    assert result.heads_after == ("slow",)


async def test_a_waiter_leaves_no_transaction_open_between_its_tries(
    pooled_engine, connect, oracle, two
):
    holder = await connect()
    await holder.execute(f"SELECT pg_advisory_lock({lock_key()})")
    waiting = asyncio.Event()
    task = asyncio.ensure_future(
        schemakit.upgrade(
            pooled_engine,
            migrations=two,
            on_event=lambda event: event.kind == "waiting_for_lock" and waiting.set(),
        )
    )
    await waiting.wait()
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    idle += " AND datname = current_database()"
    seen = []
    for _ in range(20):
        seen.append(await oracle.fetchval(idle))
        await asyncio.sleep(0.02)
    assert seen.count(0) >= 15
    await holder.execute(f"SELECT pg_advisory_unlock({lock_key()})")
    assert (await task).heads_after == ("r2",)


async def test_who_waits_behind_a_pooler_sees_that_the_work_is_done(
    pooled_engine, connect, directory
):
    directory.tables(1).settle()
    holder = await connect()
    await holder.execute(f"SELECT pg_advisory_lock({lock_key()})")

    async def finish_the_work(event):
        if event.kind == "waiting_for_lock":
            await holder.execute(
                "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
                " INSERT INTO alembic_version VALUES ('r1')"
            )

    result = await schemakit.upgrade(pooled_engine, migrations=directory, on_event=finish_the_work)
    assert (result.applied, result.heads_after) == ((), ("r1",))


async def test_in_the_callers_transaction_the_lock_is_that_transactions(pooled_engine, oracle, two):
    async with pooled_engine.begin() as connection:
        await schemakit.upgrade(connection, migrations=two)
        assert await oracle.fetchval(LOCKS) == 1
    assert await oracle.fetchval(LOCKS) == 0


async def test_nothing_that_lasts_is_set_in_a_session_that_is_anybodys(
    new_pooler, database_url, mixed
):
    pooler = new_pooler("transaction", backends=2)
    async with disposing(pooled(pooler, database_url)) as engine:
        await schemakit.upgrade(engine, migrations=mixed)
        found = set()
        for _ in range(4):
            async with engine.connect() as connection:
                rows = await connection.exec_driver_sql(
                    "SELECT name FROM pg_settings WHERE source = 'session'"
                )
                found |= set(rows.scalars())
    # What pgbouncer keeps apart for each client, and what BEGIN itself says.
    kept_apart = {"client_encoding", "application_name", "DateStyle", "TimeZone"}
    assert found <= kept_apart | {"transaction_isolation"}


# -- the lock is lost ------------------------------------------------------------------------------


LATER = """
    op.execute("SELECT pg_sleep(1)")
"""


async def test_a_lock_that_is_lost_stops_the_run_before_it_commits(
    pooled_engine, oracle, directory
):
    directory.tables(1).revision("slow", LATER).revision("after").settle()
    task = await while_it_runs(pooled_engine, directory, oracle, Settings())
    await oracle.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with pytest.raises(LockLost, match="was lost while migrations ran"):
        await task
    assert "slow" not in (await versions(oracle) or [])
    await at_rest(oracle)


# -- where it cannot be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"pool_size": 1, "max_overflow": 0},
        {"poolclass": StaticPool},
        {"poolclass": AssertionPool},
    ],
    ids=["one connection", "StaticPool", "AssertionPool"],
)
@pytest.mark.parametrize("lock", ["transaction", "lease"])
async def test_an_engine_of_one_connection_is_refused(database_url, two, options, lock):
    async with disposing(create_async_engine(database_url, **options)) as engine:
        with pytest.raises(LockRefused, match="pool_size=2 or more"):
            await schemakit.upgrade(engine, migrations=two, settings=Settings(lock=lock))


async def test_a_pool_that_is_used_up_is_refused(database_url, two):
    engine = create_async_engine(database_url, pool_size=2, max_overflow=0, pool_timeout=0.2)
    async with disposing(engine), engine.connect():
        with pytest.raises(LockRefused, match="had no second one to give"):
            await schemakit.upgrade(engine, migrations=two, settings=Settings(lock="transaction"))


@pytest.mark.parametrize("lock", ["auto", "lease"])
async def test_a_pooler_of_one_backend_has_none_for_the_migrations(
    new_pooler, database_url, oracle, two, lock
):
    pooler = new_pooler("transaction", backends=1)
    async with disposing(pooled(pooler, database_url)) as engine:
        with pytest.raises(LockRefused, match="default_pool_size"):
            await schemakit.upgrade(
                engine, migrations=two, settings=Settings(lock=lock, server_timeout=0.5)
            )
    await at_rest(oracle)
    if lock == "lease":
        assert await oracle.fetchval("SELECT count(*) FROM schemakit.migration_lease") == 0


async def test_a_session_lock_behind_a_transaction_pooler_is_refused(pooled_engine, two):
    with pytest.raises(LockRefused, match="a session is anybody's"):
        await schemakit.upgrade(pooled_engine, migrations=two, settings=Settings(lock="session"))


@pytest.mark.parametrize("lock", ["auto", "session", "transaction", "lease"])
async def test_behind_a_session_pooler_every_lock_works(
    session_pooler, database_url, oracle, mixed, lock
):
    async with disposing(pooled(session_pooler, database_url)) as engine:
        result = await schemakit.upgrade(engine, migrations=mixed, settings=Settings(lock=lock))
    assert result.heads_after == ("i2",)
    await at_rest(oracle)


async def test_behind_a_session_pooler_a_revision_may_set_what_it_likes(
    session_pooler, database_url, directory
):
    directory.revision("r1", "op.execute(\"SET work_mem = '8MB'\")").settle()
    async with disposing(pooled(session_pooler, database_url)) as engine:
        assert (await schemakit.upgrade(engine, migrations=directory)).heads_after == ("r1",)


async def test_an_engine_that_keeps_prepared_statements_is_refused(new_pooler, database_url, two):
    pooler = new_pooler("transaction", backends=2)
    url = make_url(pooler.url(database_url)).set(drivername="postgresql")
    async with (
        disposing(pooled(pooler, database_url, connect_args={})) as engine,
        engine.connect() as connection,
    ):
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.run_sync(read.server)
        await connection.rollback()
        other = await asyncpg.connect(url.render_as_string(), statement_cache_size=0)
        await other.execute("BEGIN")  # it has the backend that knows the statement
        with pytest.raises(PoolerRefused, match="does not exist"):
            await schemakit.upgrade(connection, migrations=two)
        await other.execute("ROLLBACK")
        await other.close()


def test_prepared_statements_behind_a_pooler_are_explained():
    lost = asyncpg.InvalidSQLStatementNameError('prepared statement "x" does not exist')
    wrapped = DBAPIError("SELECT 1", None, lost)
    wrapped.__cause__ = lost
    found = broken.by_a_pooler(wrapped)
    assert isinstance(found, PoolerRefused)
    assert '"statement_cache_size": 0' in found.remedy
    assert broken.by_a_pooler(RuntimeError()) is None


# -- what a transaction pooler cannot honour -------------------------------------------------------


@pytest.mark.parametrize("sql", ["SET search_path = pg_catalog", "LISTEN news"])
async def test_what_needs_a_session_is_refused_by_name(pooled_engine, oracle, directory, sql):
    directory.tables(1).revision("r2", f'op.execute("{sql}")').settle()
    name = sql.split(" =")[0].split(" news")[0]
    with pytest.raises(RevisionFailed, match=f"{name} needs a session, and a transaction pooler"):
        await schemakit.upgrade(pooled_engine, migrations=directory)
    assert await versions(oracle) == ["r1"]


async def test_what_lasts_for_the_transaction_is_not(pooled_engine, directory):
    directory.revision("r1", 'op.execute("SET LOCAL work_mem = 4096")').settle()
    await schemakit.upgrade(pooled_engine, migrations=directory)


async def test_limits_and_role_hold_in_each_transaction(pooled_engine, oracle, directory):
    see = (
        """op.execute(\"INSERT INTO seen SELECT current_setting('lock_timeout'), current_user\")"""
    )
    make = 'op.execute("CREATE TABLE seen (lock_timeout text, role text)")\n'
    directory.revision("r1", make + see).revision("r2", see).settle()
    settings = Settings(lock_timeout=0.7, role="postgres")
    await schemakit.upgrade(pooled_engine, migrations=directory, settings=settings)
    rows = await oracle.fetch("SELECT DISTINCT lock_timeout, role FROM seen")
    assert [tuple(row) for row in rows] == [("700ms", "postgres")]
    async with pooled_engine.connect() as connection:
        shown = await connection.exec_driver_sql("SHOW lock_timeout")
        assert shown.scalar() == "0"


async def test_who_is_in_the_way_is_named_through_the_pooler(
    pooled_engine, oracle, connect, directory
):
    async def on_event(event):
        if event.kind == "retrying":
            named.extend(holder.application_name for holder in event.holders)
            await blocker.execute("ROLLBACK")

    named = []
    await oracle.execute("CREATE TABLE busy (id int)")
    blocker = await connect()
    await blocker.execute("SET application_name = 'report'; BEGIN; LOCK TABLE busy")
    directory.revision("r1", 'op.execute("ALTER TABLE busy ADD COLUMN x int")').settle()
    settings = Settings(lock_timeout=0.5)
    await schemakit.upgrade(
        pooled_engine, migrations=directory, settings=settings, on_event=on_event
    )
    assert named == ["report"]
