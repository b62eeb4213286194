"""Calls that are a flow, on a real server: what they leave, what they give back, how they fail."""

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import text

from schemakit.errors import OperationFailed, PlanFailed, TransactionRefused
from schemakit.runner.flow import Run
from schemakit.runner.perform import perform
from schemakit.runner.settings import Settings
from schemakit.sql.plan import Plan, Statement, Step

QUICK = Settings(lock_timeout=0.1, retry_for=0)


def statements(*texts):
    return Step(tuple(Statement(text) for text in texts))


async def apply(target, plan, settings=QUICK, on_event=None):
    await perform(
        target,
        lambda means: means.applied(plan),
        command="apply",
        settings=settings,
        on_event=on_event,
    )


async def tables(oracle):
    rows = await oracle.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return sorted(row[0] for row in rows)


async def test_each_step_is_committed(engine, oracle):
    plan = Plan.of(
        statements("CREATE TABLE a (x int)", "CREATE TABLE b ()"),
        Step.of(Statement("CREATE INDEX CONCURRENTLY i ON a (x)", transactional=False)),
        statements("CREATE TABLE c ()"),
    )
    await apply(engine, plan)
    assert await tables(oracle) == ["a", "b", "c"]
    assert await oracle.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass")


async def test_a_step_that_fails_leaves_nothing_and_those_before_it_stay(engine, oracle):
    plan = Plan.of(
        statements("CREATE TABLE a ()"),
        statements("CREATE TABLE b ()", "CREATE TABLE a ()"),
        statements("CREATE TABLE c ()"),
    )
    with pytest.raises(PlanFailed, match=r'step 2 of 3.*\n.*relation "a" already exists') as caught:
        await apply(engine, plan)
    assert caught.value.done == 1
    assert await tables(oracle) == ["a"]


async def test_several_steps_are_refused_in_the_callers_transaction(engine, oracle):
    plan = Plan.of(statements("CREATE TABLE a ()"), statements("CREATE TABLE b ()"))
    async with engine.begin() as connection:
        with pytest.raises(TransactionRefused, match="2 steps, with a COMMIT after each"):
            await apply(connection, plan)
    assert await tables(oracle) == []


async def test_one_step_is_part_of_the_callers_transaction(engine, oracle):
    async with engine.connect() as connection:
        await connection.begin()
        await apply(connection, Plan.of(statements("CREATE TABLE a ()")))
        await connection.rollback()
    assert await tables(oracle) == []


@pytest.mark.parametrize("begun", [False, True])
async def test_a_lent_connection_keeps_its_settings(engine, begun):
    async with engine.connect() as connection:
        await connection.execute(text("SET lock_timeout = '7s'"))
        await connection.commit()
        if begun:
            await connection.begin()
        await apply(connection, Plan.of(statements("SET LOCAL work_mem = '5MB'")))
        assert (await connection.execute(text("SHOW lock_timeout"))).scalar() == "7s"
        assert (await connection.execute(text("SHOW work_mem"))).scalar() != "5MB"


async def session(engine):
    """Which session the pool gives, and what is set in it."""
    async with engine.connect() as connection:
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
        asked = text(
            "SELECT name, setting FROM pg_settings WHERE source = 'session'"
            " AND name <> 'transaction_isolation'"
        )
        return pid, sorted(map(tuple, await connection.execute(asked)))


async def test_a_pooled_connection_goes_back_as_it_was(engine):
    before = await session(engine)
    role = Settings(role="pg_monitor")
    await apply(engine, Plan.of(statements("SELECT 1", "SET LOCAL work_mem = '5MB'")), role)
    assert await session(engine) == before


@pytest.mark.parametrize(
    "plan",
    [
        Plan.of(Step.of(Statement("CREATE INDEX CONCURRENTLY i ON a (x)", transactional=False))),
        Plan.of(statements("SELECT 1 / 0")),
    ],
    ids=["its limits were lifted", "it failed"],
)
async def test_a_pooled_connection_is_closed_if(engine, oracle, plan):
    await oracle.execute("CREATE TABLE a (x int)")
    pid, settings = await session(engine)
    with suppress(PlanFailed):
        await apply(engine, plan)
    after = await session(engine)
    assert after[0] != pid
    assert after[1] == settings


async def test_a_step_that_meets_a_lock_is_tried_again_and_says_who_is_in_the_way(engine, connect):
    holder, events, met = await connect(), [], asyncio.Event()

    def heard(event):
        events.append(event)
        met.set()

    await holder.execute("CREATE TABLE a ()")
    await holder.execute("BEGIN; LOCK TABLE a")
    patient = Settings(lock_timeout=0.3, retry_for=60)
    waiting = asyncio.create_task(
        apply(engine, Plan.of(statements("ALTER TABLE a ADD x int")), patient, heard)
    )
    await asyncio.wait_for(met.wait(), 20)
    await holder.execute("COMMIT")
    await waiting
    assert events[0].kind == "retrying"
    assert f"pid {holder.get_server_pid()}" in events[0].message


async def test_who_is_in_the_way_is_named_in_the_error(engine, connect):
    holder = await connect()
    await holder.execute("CREATE TABLE a ()")
    await holder.execute("BEGIN; LOCK TABLE a")
    plan = Plan.of(statements("ALTER TABLE a ADD x int"))
    with pytest.raises(PlanFailed) as caught:
        await apply(engine, plan, Settings(lock_timeout=0.5, retry_for=0))
    assert [each.pid for each in caught.value.blockers] == [holder.get_server_pid()]


async def test_a_transaction_that_fails_is_rolled_back_whole(engine, oracle):
    def work():
        yield Run("CREATE TABLE a ()")
        yield Run("SELECT 1 / 0")

    with pytest.raises(OperationFailed, match="division by zero"):
        await perform(engine, lambda means: means.atomically(work), command="try", settings=QUICK)
    assert await tables(oracle) == []


async def test_in_the_callers_transaction_it_is_rolled_back_alone(engine, oracle):
    def work():
        yield Run("CREATE TABLE a ()")
        yield Run("SELECT 1 / 0")

    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE mine ()"))
        with pytest.raises(OperationFailed):
            await perform(connection, lambda means: means.atomically(work), command="try")
    assert await tables(oracle) == ["mine"]


async def test_a_cancelled_call_leaves_nothing(engine, oracle):
    def work():
        yield Run("CREATE TABLE a ()")
        yield Run("SELECT pg_sleep(30)", long=True)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await perform(engine, lambda means: means.atomically(work), command="try")
    assert await tables(oracle) == []
    assert not await oracle.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%'"
        " AND state <> 'idle' AND pid <> pg_backend_pid()"
    )
