"""On a database that serves traffic: nobody waits long, and nothing leaks."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, StaticPool
from tests.fix_postgres import disposing
from tests.runner.watching import at_rest, until

import schemakit
from schemakit import Settings
from schemakit.errors import ConfigurationError, RevisionFailed
from schemakit.runner import watchdog

EACH = """
from alembic import context

context.configure(
    connection=context.config.attributes["connection"], transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
"""
SEE = "op.execute(\"INSERT INTO seen SELECT '{0}', current_setting('{1}')\")"
MAKE_SEEN = 'op.execute("CREATE TABLE seen (revision text, value text)")\n'
ALTER = "op.execute(\"ALTER TABLE busy ADD COLUMN note text DEFAULT 'hunter2'\")"
CONCURRENTLY = """
with op.get_context().autocommit_block():
    op.create_index("i1", "busy", ["id"], postgresql_concurrently=True)
"""
QUICK = Settings(lock_timeout=0.2)


def sees(setting, *revisions):
    """The upgrades of revisions that write down what *setting* is as they run."""
    return [SEE.format(revision, setting) for revision in revisions]


async def seen(oracle):
    return [tuple(row) for row in await oracle.fetch("SELECT revision, value FROM seen")]


@pytest.fixture
async def busy(oracle, connect):
    """Somebody's transaction that has written to the table ``busy``, and is idle."""
    await oracle.execute("CREATE TABLE busy (id int)")
    connection = await connect()
    await connection.execute("SET application_name = 'report'")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE busy IN ROW EXCLUSIVE MODE")
    await connection.execute("SELECT FROM busy WHERE id = 4711")
    return transaction


# -- time-outs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        (Settings(), "3s"),
        (Settings(lock_timeout=0.25), "250ms"),
        (Settings(lock_timeout=0), "0"),
        (Settings(lock_timeout=0.0001), "1ms"),
    ],
)
@pytest.mark.parametrize("env", ["", EACH])
async def test_every_statement_runs_under_lock_timeout(
    engine, oracle, directory, settings, value, env
):
    if env:
        directory.env(env)
    one, two = sees("lock_timeout", "r1", "r2")
    directory.revision("r1", MAKE_SEEN + one).revision("r2", two).settle()
    await schemakit.upgrade(engine, migrations=directory, settings=settings)
    assert await seen(oracle) == [("r1", value), ("r2", value)]


async def test_a_revision_asks_for_another_one(engine, oracle, directory):
    one, two, three, four = sees("lock_timeout", "r1", "r2", "r3", "r4")
    directory.revision("r1", MAKE_SEEN + one).revision("r2", two)
    directory.revision("r3", three).revision("r4", four)
    for name, line in (("r2", "lock_timeout = 10"), ("r3", "lock_timeout = 0")):
        path = directory.path / f"versions/{name}.py"
        path.write_text(path.read_text() + f"\n\n{line}\n")
    await schemakit.upgrade(engine, migrations=directory.settle())
    assert await seen(oracle) == [("r1", "3s"), ("r2", "10s"), ("r3", "0"), ("r4", "3s")]


@pytest.mark.parametrize("value", ["'5s'", "-1", "True", "float('nan')"])
async def test_what_is_no_number_of_seconds_is_refused(engine, oracle, directory, value):
    directory.tables(2)
    path = directory.path / "versions/r2.py"
    path.write_text(path.read_text() + f"\nlock_timeout = {value}\n")
    with pytest.raises(ConfigurationError, match=r"lock_timeout = .*r2\.py.*number of seconds"):
        await schemakit.upgrade(engine, migrations=directory.settle())
    assert await oracle.fetchval("SELECT to_regclass('t1')") is None


@pytest.mark.parametrize("change", ["SET lock_timeout = '9s'", "RESET ALL", "DISCARD ALL"])
async def test_what_a_revision_sets_itself_ends_with_it(engine, oracle, directory, change):
    block = f'with op.get_context().autocommit_block():\n    op.execute("{change}")\n'
    one, two = sees("lock_timeout", "r1", "r2")
    directory.env(EACH).revision("r1", MAKE_SEEN + block + one).revision("r2", two)
    await schemakit.upgrade(engine, migrations=directory.settle())
    assert (await seen(oracle))[1] == ("r2", "3s")


async def test_what_env_py_sets_is_env_pys_own(engine, oracle, directory):
    directory.env(
        EACH.replace("with", 'context.get_bind().exec_driver_sql("SET lock_timeout = 7000")\nwith')
    )
    directory.revision("r1", MAKE_SEEN + sees("lock_timeout", "r1")[0])
    await schemakit.upgrade(engine, migrations=directory.settle())
    assert await seen(oracle) == [("r1", "7s")]


async def test_time_outs_do_not_cut_an_index_build_in_two(url_of, oracle, directory, busy):
    database = await oracle.fetchval("SELECT current_database()")
    await oracle.execute(f"ALTER DATABASE {database} SET statement_timeout = '100ms'")
    directory.env(EACH).revision("r1", CONCURRENTLY).settle()
    options = {"connect_args": {"command_timeout": 0.3}}
    async with disposing(create_async_engine(url_of(database), **options)) as engine:
        upgrade = asyncio.create_task(
            schemakit.upgrade(engine, migrations=directory, settings=QUICK)
        )
        await until(lambda: oracle.fetchval("SELECT pid FROM pg_stat_progress_create_index"))
        await asyncio.sleep(0.6)  # past all three of them
        assert not upgrade.done()
        await busy.rollback()
        await upgrade
    assert await oracle.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i1'::regclass"
    )


async def test_a_statement_timeout_that_is_asked_for_holds(engine, directory):
    directory.revision("r1", 'op.execute("SELECT pg_sleep(30)")').settle()
    with pytest.raises(RevisionFailed, match="statement timeout"):
        await schemakit.upgrade(
            engine, migrations=directory, settings=Settings(statement_timeout=0.2)
        )


# -- somebody in the way ---------------------------------------------------------------------------


async def test_who_is_in_the_way_is_named(engine, oracle, directory, busy):
    async def on_event(event):
        if event.kind == "retrying":
            events.append(event)
            await busy.rollback()

    events = []
    directory.revision("r1", ALTER).settle()
    result = await schemakit.upgrade(
        engine, migrations=directory, settings=QUICK, on_event=on_event
    )
    assert [step.revision for step in result.applied] == ["r1"]
    (event,) = events
    assert event.seconds > 0
    (holder,) = event.holders
    assert (holder.application_name, holder.state) == ("report", "idle in transaction")
    assert holder.query == "SELECT FROM busy WHERE id = ?"
    assert f"lock not available in r1, in the way: pid {holder.pid} (report)" in str(event)
    assert "4711" not in str(event)


async def test_the_revisions_before_it_are_not_run_again(engine, oracle, directory, busy):
    async def on_event(event):
        events.append(event)
        if event.kind == "retrying":
            await busy.rollback()

    events = []
    directory.env(EACH).tables(2).revision("r3", ALTER).revision("r4").settle()
    result = await schemakit.upgrade(
        engine, migrations=directory, settings=QUICK, on_event=on_event
    )
    assert [step.revision for step in result.applied] == ["r1", "r2", "r3", "r4"]
    assert (result.heads_before, result.heads_after) == ((), ("r4",))
    started = [event for event in events if event.kind == "revision_started"]
    ids = [(event.revision.id, event.position, event.total) for event in started]
    assert ids == [("r1", 1, 4), ("r2", 2, 4), ("r3", 3, 4), ("r3", 3, 4), ("r4", 4, 4)]


async def test_after_the_deadline_the_error_names_them(engine, directory, busy):
    directory.env(EACH).tables(1).revision("r2", ALTER).settle()
    settings = Settings(lock_timeout=0.2, retry_for=1.5)
    with pytest.raises(RevisionFailed, match=r"in the way: pid \d+ \(report\)") as caught:
        await schemakit.upgrade(engine, migrations=directory, settings=settings)
    assert [step.revision for step in caught.value.applied] == ["r1"]
    assert caught.value.blockers[0].application_name == "report"
    assert "hunter2" not in str(caught.value)
    await busy.rollback()


async def test_retry_for_0_tries_once(engine, directory, busy):
    events = []
    directory.revision("r1", ALTER).settle()
    settings = Settings(lock_timeout=0.2, retry_for=0)
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(
            engine, migrations=directory, settings=settings, on_event=events.append
        )
    assert "retrying" not in [event.kind for event in events]
    await busy.rollback()


async def test_a_deadlock_is_tried_again_too(engine, oracle, connect, directory):
    await oracle.execute("CREATE TABLE a (id int); CREATE TABLE b (id int)")
    events = []
    other = await connect()
    await other.execute("SET deadlock_timeout = '1h'")  # it is the migration that is chosen
    transaction = other.transaction()
    await transaction.start()
    await other.execute("LOCK TABLE b")
    directory.revision("r1", 'op.execute("LOCK TABLE a")\nop.execute("LOCK TABLE b")').settle()
    upgrade = asyncio.create_task(
        schemakit.upgrade(engine, migrations=directory, on_event=events.append)
    )
    await until(lambda: oracle.fetchval("SELECT pid FROM pg_locks WHERE NOT granted"))
    await other.execute("LOCK TABLE a")
    await transaction.rollback()
    await upgrade
    retrying = [str(event) for event in events if event.kind == "retrying"]
    assert len(retrying) == 1
    assert retrying[0].startswith("deadlock in r1")


@pytest.mark.parametrize("pool", [{"poolclass": NullPool}, {"pool_size": 1, "max_overflow": 0}])
async def test_a_pool_of_one_or_none_will_do(database_url, oracle, directory, busy, pool):
    async def on_event(event):
        if event.kind == "retrying":
            await busy.rollback()

    directory.revision("r1", ALTER).settle()
    async with disposing(create_async_engine(database_url, **pool)) as engine:
        await schemakit.upgrade(engine, migrations=directory, settings=QUICK, on_event=on_event)


async def test_a_connection_that_all_share_is_not_asked_beside_itself(
    database_url, directory, busy
):
    async def on_event(event):
        if event.kind == "retrying":
            await busy.rollback()

    directory.revision("r1", ALTER).settle()
    async with disposing(create_async_engine(database_url, poolclass=StaticPool)) as engine:
        await schemakit.upgrade(engine, migrations=directory, settings=QUICK, on_event=on_event)


async def test_what_waits_without_limit_says_for_whom(engine, oracle, directory, busy, monkeypatch):
    async def on_event(event):
        if event.kind == "blocked":
            events.append(event)
            if len(events) == 2:
                await busy.rollback()

    monkeypatch.setattr(watchdog, "_TELL_AFTER", 0.2)
    events = []
    directory.env(EACH).revision("r1", CONCURRENTLY).settle()
    await schemakit.upgrade(engine, migrations=directory, settings=QUICK, on_event=on_event)
    assert events[0].holders[0].application_name == "report"
    assert "waited" in str(events[0])
    assert "(report)" in str(events[0])


# -- nothing leaks ---------------------------------------------------------------------------------

CHANGES = """
op.execute("GRANT ALL ON alembic_version TO pg_monitor")
op.execute("SET search_path = pg_catalog, public")
op.execute("SET app.tenant = 'theirs'")
op.execute("SELECT set_config('app.other', 'theirs', false)")
op.execute("SET ROLE pg_monitor")
op.execute("SET work_mem = '7MB'")
op.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
"""
STATE = text(
    "SELECT current_setting('search_path'), current_setting('app.tenant', true),"
    " coalesce(current_setting('app.other', true), ''), current_user::text,"
    " current_setting('work_mem'), current_setting('lock_timeout'),"
    " current_setting('statement_timeout'), current_setting('default_transaction_read_only'),"
    " current_setting('client_connection_check_interval'),"
    " current_setting('default_transaction_isolation')"
)


async def set_by_caller(connection):
    await connection.execute(text("SET app.tenant = 'mine'"))
    await connection.execute(text("SET statement_timeout = '42s'"))
    await connection.execute(text("SET search_path = public, pg_catalog"))


async def state(connection):
    return tuple((await connection.execute(STATE)).one())


@pytest.mark.parametrize("ending", ["", "raise ValueError"], ids=["done", "failed"])
@pytest.mark.parametrize("env", ["", EACH], ids=["plain", "each"])
async def test_a_lent_connection_keeps_its_settings(engine, directory, ending, env):
    if env:
        directory.env(env)
    directory.revision("r1").revision("r2", CHANGES + ending).settle()
    async with engine.connect() as connection:
        await set_by_caller(connection)
        await connection.commit()
        before = await state(connection)
        await connection.commit()
        run = schemakit.upgrade(connection, migrations=directory)
        if ending:
            with pytest.raises(RevisionFailed):
                await run
        else:
            await run
        assert await state(connection) == before


async def test_so_does_one_with_a_transaction_of_the_callers(engine, directory):
    directory.revision("r1", CHANGES.replace("SET SESSION CHAR", "-- ")).settle()
    async with engine.connect() as connection:
        await set_by_caller(connection)
        before = await state(connection)
        await schemakit.upgrade(connection, migrations=directory)
        assert await state(connection) == before
        await connection.commit()
        assert await state(connection) == before


async def test_command_timeout_is_the_callers_again(url_of, oracle, directory):
    database = await oracle.fetchval("SELECT current_database()")
    options = {"connect_args": {"command_timeout": 0.3}}
    directory.revision("r1", 'op.execute("SELECT pg_sleep(0.6)")').settle()
    async with (
        disposing(create_async_engine(url_of(database), **options)) as engine,
        engine.connect() as connection,
    ):
        await schemakit.upgrade(connection, migrations=directory)
        with pytest.raises(TimeoutError):
            await connection.execute(text("SELECT pg_sleep(30)"))
    await at_rest(oracle)


async def test_an_engines_pool_inherits_nothing(engine, directory):
    async with engine.connect() as connection:
        before = await state(connection)
    directory.revision("r1", CHANGES).settle()
    await schemakit.upgrade(engine, migrations=directory)
    async with engine.connect() as connection:
        assert await state(connection) == before
