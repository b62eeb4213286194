"""The migration lock on a real server: who excludes whom, and how waiting ends."""

import asyncio

import pytest
from tests.runner.watching import LOCKS, at_rest, blocked, until, versions

import schemakit
from schemakit import Settings
from schemakit.errors import LockTimeout, RevisionFailed
from schemakit.runner.locks import lock_key

KEY, OTHER_KEY = lock_key(), lock_key("billing")
IMPATIENT = Settings(lock_wait=0)


@pytest.fixture
async def holder(connect):
    """Another tool, which holds the lock under the name ``deploy``."""
    connection = await connect()
    await connection.execute("SET application_name = 'deploy'")
    await connection.fetch("SELECT pg_advisory_lock($1), 'hunter2'", KEY)
    return connection


@pytest.fixture
def two(directory):
    return directory.tables(2).settle()


def test_the_key_is_what_the_documentation_says():
    assert KEY == 3176914061155598535


async def test_lock_wait_0_does_not_wait(engine, holder, two):
    with pytest.raises(LockTimeout):
        await schemakit.upgrade(engine, migrations=two, settings=IMPATIENT)


async def test_lock_wait_0_takes_a_free_lock(engine, two):
    result = await schemakit.upgrade(engine, migrations=two, settings=IMPATIENT)
    assert result.heads_after == ("r2",)


async def test_waiting_ends_with_an_error_after_lock_wait_seconds(engine, holder, two):
    with pytest.raises(LockTimeout):
        await schemakit.upgrade(engine, migrations=two, settings=Settings(lock_wait=0.3))


async def test_the_error_names_the_holder(engine, holder, two):
    with pytest.raises(LockTimeout) as caught:
        await schemakit.upgrade(engine, migrations=two, settings=IMPATIENT)
    (found,) = caught.value.holders
    assert found.pid == holder.get_server_pid()
    assert found.application_name == "deploy"
    assert found.state == "idle"
    assert found.client in {"127.0.0.1", "local"}
    assert found.seconds >= 0


async def test_the_holders_query_is_shown_without_its_literals(engine, holder, two):
    with pytest.raises(LockTimeout) as caught:
        await schemakit.upgrade(engine, migrations=two, settings=IMPATIENT)
    assert caught.value.holders[0].query == "SELECT pg_advisory_lock($1), ?"
    assert "hunter2" not in str(caught.value)


async def test_the_error_says_the_way_out(engine, holder, two):
    with pytest.raises(LockTimeout, match="Remedy: wait for it, raise Settings"):
        await schemakit.upgrade(engine, migrations=two, settings=IMPATIENT)


async def test_nothing_is_touched_while_another_holds_the_lock(engine, oracle, holder, two):
    with pytest.raises(LockTimeout):
        await schemakit.upgrade(engine, migrations=two, settings=IMPATIENT)
    assert await versions(oracle) is None


async def test_at_head_no_lock_is_taken(engine, connect, two):
    await schemakit.upgrade(engine, migrations=two)
    other = await connect()
    await other.execute(f"SELECT pg_advisory_lock({KEY})")
    assert not await schemakit.upgrade(engine, migrations=two, settings=IMPATIENT)


async def test_two_lock_names_do_not_exclude_each_other(engine, holder, two):
    settings = Settings(lock_wait=0, lock_name="billing")
    assert await schemakit.upgrade(engine, migrations=two, settings=settings)


async def test_a_lock_name_excludes_itself(engine, connect, two):
    other = await connect()
    await other.execute(f"SELECT pg_advisory_lock({OTHER_KEY})")
    settings = Settings(lock_wait=0, lock_name="billing")
    with pytest.raises(LockTimeout):
        await schemakit.upgrade(engine, migrations=two, settings=settings)


async def test_it_goes_on_when_the_holder_lets_go(engine, holder, two):
    async def let_go(event):
        if event.kind == "waiting_for_lock":
            await holder.execute(f"SELECT pg_advisory_unlock({KEY})")

    result = await schemakit.upgrade(engine, migrations=two, on_event=let_go)
    assert (result.heads_after, result.waited > 0) == (("r2",), True)


async def test_who_did_not_wait_says_so(engine, two):
    result = await schemakit.upgrade(engine, migrations=two)
    assert result.waited == 0.0


async def test_a_waiter_leaves_as_soon_as_the_database_is_at_head(
    engine, oracle, holder, directory
):
    directory.tables(1).settle()
    schema = "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"

    async def finish_the_work(event):
        if event.kind == "waiting_for_lock":
            await holder.execute(f"{schema}; INSERT INTO alembic_version VALUES ('r1')")

    result = await schemakit.upgrade(engine, migrations=directory, on_event=finish_the_work)
    assert (result.applied, result.heads_before, result.heads_after) == ((), ("r1",), ("r1",))
    assert result.waited > 0
    assert await oracle.fetchval(LOCKS) == 1  # the holder's


async def test_the_lock_is_free_afterwards(engine, oracle, two):
    await schemakit.upgrade(engine, migrations=two)
    assert await oracle.fetchval(LOCKS) == 0


async def test_the_lock_is_free_after_a_failure(engine, oracle, directory):
    directory.revision("bad", 'op.execute("SELECT nonsense")').settle()
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval(LOCKS) == 0


async def test_downgrade_and_stamp_wait_for_the_lock_too(engine, connect, two):
    await schemakit.upgrade(engine, migrations=two)
    other = await connect()
    await other.execute(f"SELECT pg_advisory_lock({KEY})")
    with pytest.raises(LockTimeout):
        await schemakit.downgrade(engine, "base", migrations=two, settings=IMPATIENT)
    with pytest.raises(LockTimeout):
        await schemakit.stamp(engine, "base", migrations=two, settings=IMPATIENT)


async def test_on_a_connection_in_a_transaction_the_lock_lasts_until_its_commit(
    engine, oracle, two
):
    async with engine.begin() as connection:
        await schemakit.upgrade(connection, migrations=two)
        assert await oracle.fetchval(LOCKS) == 1
    assert await oracle.fetchval(LOCKS) == 0


async def test_who_waits_inside_a_transaction_does_not_hold_up_an_index_build(
    engine, oracle, connect, two
):
    builder = await connect()
    await builder.execute(f"CREATE TABLE t (id int); SELECT pg_advisory_lock({KEY})")
    waiting = asyncio.Event()

    async def replica():
        async with engine.begin() as connection:
            await schemakit.upgrade(
                connection, migrations=two, on_event=lambda event: note(event, waiting)
            )

    task = asyncio.ensure_future(replica())
    await waiting.wait()
    await asyncio.wait_for(builder.execute("CREATE INDEX CONCURRENTLY i ON t (id)"), 10)
    await builder.execute(f"SELECT pg_advisory_unlock({KEY})")
    await task
    assert await versions(oracle) == ["r2"]


def note(event, waiting):
    if event.kind == "waiting_for_lock":
        waiting.set()


async def test_the_lock_of_a_holder_that_is_killed_is_free(engine, oracle, directory):
    directory.revision("r1", 'op.execute("SELECT pg_sleep(60)")').settle()
    task = asyncio.ensure_future(schemakit.upgrade(engine, migrations=directory))
    await blocked(oracle)
    await oracle.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        " AND datname = current_database()"
    )
    with pytest.raises(RevisionFailed):
        await task
    await at_rest(oracle)


async def test_an_unlock_of_what_is_not_held_never_reaches_the_servers_log(
    engine, connect, holder, two
):
    notices = []
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        raw.add_log_listener(lambda _, message: notices.append(message.message))
        with pytest.raises(LockTimeout):
            await schemakit.upgrade(connection, migrations=two, settings=IMPATIENT)
    assert notices == []


async def test_ten_callers_in_one_process_exclude_each_other(engine, oracle, two):
    runs = [schemakit.upgrade(engine, migrations=two) for _ in range(10)]
    results = await asyncio.gather(*runs)
    assert sorted(step.revision for result in results for step in result.applied) == ["r1", "r2"]
    await until(lambda: free(oracle))


async def free(oracle):
    return await oracle.fetchval(LOCKS) == 0
