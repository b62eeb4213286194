"""The lock as a lease: one holder at a time, renewed while it is needed, gone when it is not."""

import asyncio

import pytest
from tests.runner.test_pooler import ended, while_it_runs
from tests.runner.watching import at_rest, until, versions

import schemakit
from schemakit import Settings
from schemakit.catalog.model import LeaseHolder
from schemakit.errors import AccessDenied, LockLost, LockTimeout
from schemakit.runner.holding import HoldingApart
from schemakit.runner.leases import LEASE_SECONDS, Lease
from schemakit.runner.locks import lock_key

LEASE = Settings(lock="lease")
HELD = "SELECT count(*) FROM schemakit.migration_lease WHERE expires > clock_timestamp()"
STEAL = """
    UPDATE schemakit.migration_lease SET holder = gen_random_uuid(),
           expires = clock_timestamp() + interval '1 hour'
"""


@pytest.fixture
def slow(directory):
    """A revision, and one that takes a second."""
    directory.tables(1).revision("slow", 'op.execute("SELECT pg_sleep(1)")').revision("after")
    return directory.settle()


async def is_free(oracle):
    return await oracle.fetchval("SELECT count(*) FROM schemakit.migration_lease") == 0


async def expire(oracle):
    """Have time pass."""
    await oracle.execute("UPDATE schemakit.migration_lease SET expires = now() - interval '1 s'")


@pytest.fixture
async def taken(engine, connect, directory):
    """A lease that somebody called ``deploy`` holds."""
    directory.tables(1).settle()
    await schemakit.upgrade(engine, migrations=directory, settings=LEASE)
    other = await connect()
    await other.execute(
        "INSERT INTO schemakit.migration_lease (key, holder, application_name, client, expires)"
        f" VALUES ({lock_key()}, gen_random_uuid(), 'deploy', 'host7, process 42',"
        " now() + interval '1 hour')"
    )
    directory.revision("r2").settle()
    return directory


async def test_it_is_had_and_given_back(engine, oracle, directory):
    result = await schemakit.upgrade(engine, migrations=directory.tables(2), settings=LEASE)
    assert result.heads_after == ("r2",)
    assert await is_free(oracle)


async def test_it_is_given_back_after_a_failure(engine, oracle, directory):
    directory.revision("bad", 'op.execute("SELECT nonsense")').settle()
    with pytest.raises(schemakit.errors.RevisionFailed):
        await schemakit.upgrade(engine, migrations=directory, settings=LEASE)
    assert await is_free(oracle)


async def test_it_is_given_back_after_a_cancellation(engine, oracle, slow):
    await ended(await while_it_runs(engine, slow, oracle, LEASE))
    assert await is_free(oracle)


async def test_it_holds_no_transaction_and_no_lock(engine, oracle, slow):
    task = await while_it_runs(engine, slow, oracle, LEASE)
    assert await oracle.fetchval(HELD) == 1
    assert await oracle.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    assert await oracle.fetchval(f"{idle} AND datname = current_database()") == 0
    await task


async def test_who_waits_is_told_the_holders_name(engine, taken):
    with pytest.raises(LockTimeout, match=r"host7, process 42 \(deploy\), by a lease") as caught:
        await schemakit.upgrade(
            engine, migrations=taken, settings=Settings(lock="lease", lock_wait=0)
        )
    (holder,) = caught.value.holders
    assert isinstance(holder, LeaseHolder)
    assert (holder.pid, holder.application_name, holder.state) == (0, "deploy", "lease")


async def test_waiting_for_it_leaves_the_others_lease_alone(engine, oracle, taken):
    with pytest.raises(LockTimeout):
        await schemakit.upgrade(
            engine, migrations=taken, settings=Settings(lock="lease", lock_wait=0.2)
        )
    assert await oracle.fetchval("SELECT application_name FROM schemakit.migration_lease") == (
        "deploy"
    )


async def test_one_that_has_expired_is_anybodys(engine, oracle, taken):
    await expire(oracle)
    result = await schemakit.upgrade(engine, migrations=taken, settings=LEASE)
    assert result.heads_after == ("r2",)


async def test_it_is_had_as_soon_as_it_expires(engine, oracle, taken):
    async def pass_time(event):
        if event.kind == "waiting_for_lock":
            await expire(oracle)

    result = await schemakit.upgrade(engine, migrations=taken, settings=LEASE, on_event=pass_time)
    assert (result.heads_after, result.waited > 0) == (("r2",), True)


async def test_two_lock_names_do_not_exclude_each_other(engine, taken):
    settings = Settings(lock="lease", lock_name="billing", lock_wait=0)
    assert await schemakit.upgrade(engine, migrations=taken, settings=settings)


async def test_it_is_renewed(engine, oracle, directory, monkeypatch):
    monkeypatch.setattr(Lease, "every", 0.05)
    directory.revision("r1", 'op.execute("SELECT pg_sleep(60)")').settle()
    task = await while_it_runs(engine, directory, oracle, LEASE)
    before = await oracle.fetchval("SELECT expires FROM schemakit.migration_lease")

    async def later():
        now = await oracle.fetchval("SELECT expires FROM schemakit.migration_lease")
        return now > before

    await until(later)
    await ended(task)


@pytest.mark.parametrize("last", ["INSERT INTO", "UPDATE"])
async def test_it_is_renewed_on_another_connection_when_its_own_is_lost(
    engine, oracle, directory, monkeypatch, last
):
    monkeypatch.setattr(Lease, "every", {"INSERT INTO": 0.5, "UPDATE": 0.05}[last])
    directory.tables(1).revision("slow", 'op.execute("SELECT pg_sleep(2)")').settle()
    # The check before the first revision would be a renewal.
    monkeypatch.setattr(HoldingApart, "check", lambda self: None)
    task = await while_it_runs(engine, directory, oracle, LEASE)
    ended = f"""
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE query LIKE '{last} schemakit.migration_lease%' AND datname = current_database()
    """
    await until(lambda: oracle.fetchval(ended))
    assert (await task).heads_after == ("slow",)
    assert await is_free(oracle)


async def test_one_that_was_stolen_stops_the_run_before_it_commits(engine, oracle, slow):
    task = await while_it_runs(engine, slow, oracle, LEASE)
    await oracle.execute(STEAL)
    with pytest.raises(LockLost, match="another process's now"):
        await task
    assert "slow" not in (await versions(oracle) or [])
    assert await oracle.fetchval(HELD) == 1  # the thief's
    await at_rest(oracle)


async def test_the_next_revision_does_not_begin_without_it(engine, oracle, directory):
    directory.revision("r1", 'op.execute("SELECT pg_sleep(1)")', doc="first")
    directory.revision("r2", 'op.execute("CREATE TABLE second (id int)")').settle()
    begun = []

    async def steal(event):
        if event.kind == "revision_finished":
            await oracle.execute(STEAL)
        if event.kind == "revision_started":
            begun.append(event.revision.id)

    with pytest.raises(LockLost):
        await schemakit.upgrade(engine, migrations=directory, settings=LEASE, on_event=steal)
    assert await oracle.fetchval("SELECT to_regclass('second')") is None


async def test_ten_make_its_table_at_the_same_time(engine, oracle, directory):
    directory.tables(2).settle()
    runs = [schemakit.upgrade(engine, migrations=directory, settings=LEASE) for _ in range(5)]
    results = await asyncio.gather(*runs)
    assert sorted(step.revision for result in results for step in result.applied) == ["r1", "r2"]
    assert await is_free(oracle)


async def test_a_role_that_may_not_make_its_table_is_told_so(new_role, directory):
    engine = await new_role()
    with pytest.raises(AccessDenied, match="GRANT CREATE ON DATABASE"):
        await schemakit.upgrade(engine, migrations=directory.tables(1), settings=LEASE)


@pytest.fixture
async def new_role(database_url, oracle):
    """An engine of a role that may do nothing but connect."""
    from sqlalchemy import make_url  # noqa: PLC0415 - beside its use
    from tests.fix_postgres import pool_free  # noqa: PLC0415 - the same

    name = f"lease_{await oracle.fetchval('SELECT current_database()')}"
    engines = []

    async def make():
        await oracle.execute(f"CREATE ROLE {name} LOGIN; GRANT CREATE ON SCHEMA public TO {name}")
        url = make_url(database_url).set(username=name)
        engines.append(pool_free(url.render_as_string(hide_password=False)))
        return engines[0]

    yield make
    for engine in engines:
        await engine.dispose()
    await oracle.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_its_length_is_what_the_documentation_says():
    assert LEASE_SECONDS == 30
