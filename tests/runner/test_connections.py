"""What `upgrade` runs on: engines of every make, and connections in every state."""

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, StaticPool
from tests.fix_postgres import disposing
from tests.runner.watching import TABLES, versions

import schemakit
from schemakit.errors import RevisionFailed, TransactionRefused, UnsupportedTarget

AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}
HALF = 'op.execute("CREATE TABLE half (id int)"); op.execute("SELECT nonsense")'
CONCURRENTLY = """
with op.get_context().autocommit_block():
    op.create_index("i1", "t1", ["id"], postgresql_concurrently=True)
"""
LEVEL = "op.execute(\"CREATE TABLE level AS SELECT current_setting('transaction_isolation') AS l\")"


@pytest.fixture
def two(directory):
    return directory.tables(2).settle()


@pytest.fixture
def indexed(directory):
    return directory.tables(1).revision("i1", CONCURRENTLY).settle()


@pytest.fixture
def half(directory):
    return directory.revision("bad", HALF).settle()


# -- engines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"poolclass": NullPool},
        {"poolclass": StaticPool},
        {"pool_size": 1, "max_overflow": 0, "pool_timeout": 1},
        {"pool_pre_ping": True},
        {"isolation_level": "SERIALIZABLE"},
        {"isolation_level": "REPEATABLE READ"},
        {"isolation_level": "AUTOCOMMIT"},
        {"connect_args": {"statement_cache_size": 0}},
    ],
    ids=str,
)
async def test_any_engine_will_do(options, database_url, oracle, indexed):
    async with disposing(create_async_engine(database_url, **options)) as engine:
        await schemakit.upgrade(engine, migrations=indexed)
        assert await versions(oracle) == ["i1"]
        async with engine.connect() as connection:  # and the engine is none the worse for it
            assert (await connection.execute(text("SELECT 1"))).scalar() == 1


async def test_an_engine_in_autocommit_still_migrates_in_transactions(database_url, oracle, half):
    async with disposing(create_async_engine(database_url, **AUTOCOMMIT)) as engine:
        with pytest.raises(RevisionFailed):
            await schemakit.upgrade(engine, migrations=half)
    assert await oracle.fetchval(TABLES) == []


async def test_an_engines_isolation_level_is_kept(database_url, oracle, directory):
    directory.revision("r1", LEVEL).settle()
    engine = create_async_engine(database_url, isolation_level="SERIALIZABLE")
    async with disposing(engine):
        await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval("SELECT l FROM level") == "serializable"


async def test_what_a_revision_sets_does_not_reach_the_next_user_of_the_pool(
    database_url, directory
):
    directory.revision("r1", "op.execute(\"SET lock_timeout TO '7s'\")").settle()
    async with disposing(create_async_engine(database_url, pool_size=1, max_overflow=0)) as engine:
        await schemakit.upgrade(engine, migrations=directory)
        async with engine.connect() as connection:
            timeout = (await connection.execute(text("SHOW lock_timeout"))).scalar()
    assert timeout == "0"


async def test_an_engine_lends_no_second_connection(database_url, indexed):
    made = []
    engine = create_async_engine(database_url, poolclass=NullPool)
    event.listen(engine.sync_engine, "connect", lambda *_: made.append(1))
    async with disposing(engine):
        await schemakit.upgrade(engine, migrations=indexed)
    assert len(made) == 1


# -- refused ---------------------------------------------------------------------------------------


async def test_a_synchronous_engine_is_refused():
    with pytest.raises(UnsupportedTarget, match="Engine is synchronous"):
        await schemakit.upgrade(create_engine("sqlite://"))


async def test_a_synchronous_connection_is_refused():
    with (
        create_engine("sqlite://", poolclass=NullPool).connect() as connection,
        pytest.raises(UnsupportedTarget, match="Connection is synchronous"),
    ):
        await schemakit.upgrade(connection)


@pytest.mark.parametrize("target", ["postgresql://x", None, 3])
async def test_what_is_no_engine_is_refused(target):
    with pytest.raises(UnsupportedTarget, match="Remedy: pass the engine of create_async_engine"):
        await schemakit.upgrade(target)


async def test_another_driver_is_refused(engine, monkeypatch):
    monkeypatch.setattr(engine.dialect, "driver", "psycopg")
    with pytest.raises(UnsupportedTarget, match="speaks postgresql through psycopg"):
        await schemakit.upgrade(engine)


async def test_a_connection_that_was_not_started_is_refused(engine):
    with pytest.raises(UnsupportedTarget, match="not open"):
        await schemakit.upgrade(engine.connect())


async def test_a_closed_connection_is_refused(engine):
    async with engine.connect() as connection:
        pass
    with pytest.raises(UnsupportedTarget, match="not open"):
        await schemakit.upgrade(connection)


async def test_a_connection_lost_in_its_transaction_is_refused(engine):
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await connection.invalidate()
        with pytest.raises(UnsupportedTarget, match="roll back first"):
            await schemakit.upgrade(connection)
        await connection.rollback()


# -- connections without a transaction -------------------------------------------------------------


async def test_a_clean_connection_is_migrated_and_committed(engine, oracle, indexed):
    async with engine.connect() as connection:
        result = await schemakit.upgrade(connection, migrations=indexed)
        assert result.committed
    assert await versions(oracle) == ["i1"]


async def test_a_connection_can_be_used_again(engine, two):
    async with engine.connect() as connection:
        await schemakit.upgrade(connection, migrations=two)
        assert not connection.in_transaction()
        assert (await connection.execute(text("SELECT count(*) FROM t2"))).scalar() == 0


async def test_a_connection_can_be_used_again_after_a_failure(engine, half):
    async with engine.connect() as connection:
        with pytest.raises(RevisionFailed):
            await schemakit.upgrade(connection, migrations=half)
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
async def test_a_connections_isolation_level_is_restored(level, engine, two):
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level=level)
        await schemakit.upgrade(connection, migrations=two)
        below = (await connection.get_raw_connection()).dbapi_connection
        assert below.isolation_level.upper() == level


async def test_a_connections_options_are_restored(engine, two):
    async with engine.connect() as connection:
        await connection.execution_options(my_option=1)
        await schemakit.upgrade(connection, migrations=two)
        assert dict(connection.sync_connection.get_execution_options()) == {"my_option": 1}


async def test_no_mark_of_ours_stays_on_a_connection(engine, two):
    async with engine.connect() as connection:
        await schemakit.upgrade(connection, migrations=two)
        assert [key for key in vars(connection.sync_connection) if "schemakit" in key] == []


async def test_a_connection_in_autocommit_still_migrates_in_transactions(engine, oracle, half):
    async with engine.connect() as connection:
        await connection.execution_options(**AUTOCOMMIT)
        await connection.execute(text("SELECT 1"))  # SQLAlchemy calls this a transaction
        with pytest.raises(RevisionFailed):
            await schemakit.upgrade(connection, migrations=half)
    assert await oracle.fetchval(TABLES) == []


async def test_a_begin_block_in_autocommit_is_refused(engine, two):
    async with engine.connect() as connection:
        await connection.execution_options(**AUTOCOMMIT)
        async with connection.begin():
            with pytest.raises(TransactionRefused, match="inside its begin"):
                await schemakit.upgrade(connection, migrations=two)


async def test_begin_as_text_in_autocommit_is_refused(engine, two):
    async with engine.connect() as connection:
        await connection.execution_options(**AUTOCOMMIT)
        await connection.execute(text("BEGIN"))
        with pytest.raises(TransactionRefused, match="BEGIN was sent on it as text"):
            await schemakit.upgrade(connection, migrations=two)


# -- connections in the caller's transaction -------------------------------------------------------


async def test_the_commit_stays_the_callers(engine, oracle, two):
    async with engine.begin() as connection:
        result = await schemakit.upgrade(connection, migrations=two)
        assert not result.committed
        assert await versions(oracle) is None
    assert await versions(oracle) == ["r2"]


async def test_the_rollback_stays_the_callers(engine, oracle, two):
    async with engine.connect() as connection, connection.begin() as transaction:
        await schemakit.upgrade(connection, migrations=two)
        await transaction.rollback()
    assert await oracle.fetchval(TABLES) == []


async def test_what_the_caller_did_before_is_in_the_same_transaction(engine, oracle, two):
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TABLE mine (id int)"))
        await schemakit.upgrade(connection, migrations=two)
        assert connection.in_transaction()
        await connection.commit()
    assert await oracle.fetchval(TABLES) == ["alembic_version", "mine", "t1", "t2"]


async def test_at_head_a_callers_transaction_is_left_open(engine, two):
    await schemakit.upgrade(engine, migrations=two)
    async with engine.begin() as connection:
        assert not await schemakit.upgrade(connection, migrations=two)
        assert connection.in_transaction()


async def test_an_autocommit_block_is_refused_with_the_reason(engine, oracle, indexed):
    with pytest.raises(RevisionFailed, match="autocommit_block") as caught:
        async with engine.begin() as connection:
            await schemakit.upgrade(connection, migrations=indexed)
    assert caught.value.revision == "i1"
    assert isinstance(caught.value.__cause__, TransactionRefused)
    assert "pass the engine" in str(caught.value)
    assert await oracle.fetchval(TABLES) == []


@pytest.mark.parametrize("end", ["COMMIT", "rollback", "/* x */ END", "ABORT"])
async def test_the_end_of_the_callers_transaction_as_text_is_refused(
    end, engine, oracle, directory
):
    directory.revision("r1", f'op.execute("CREATE TABLE t (id int)"); op.execute("{end}")').settle()
    with pytest.raises(RevisionFailed, match="as text would end it"):
        async with engine.begin() as connection:
            await schemakit.upgrade(connection, migrations=directory)
    assert await oracle.fetchval(TABLES) == []


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_the_end_of_the_callers_transaction_by_the_revision_is_refused(
    end, engine, oracle, directory
):
    directory.revision("r1", f"op.get_bind().{end}()").settle()
    with pytest.raises(RevisionFailed, match="TransactionRefused"):
        async with engine.begin() as connection:
            await schemakit.upgrade(connection, migrations=directory)
    assert await versions(oracle) is None


async def test_a_caller_may_go_on_after_a_failure_with_a_savepoint(engine, oracle, half):
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE mine (id int)"))
        with pytest.raises(RevisionFailed, match="roll it back"):
            async with connection.begin_nested():
                await schemakit.upgrade(connection, migrations=half)
    assert await oracle.fetchval(TABLES) == ["mine"]


async def test_a_transaction_that_has_failed_says_so(engine, two):
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="nonsense"):
            await connection.execute(text("SELECT nonsense"))
        with pytest.raises(DBAPIError, match="current transaction is aborted"):
            await schemakit.upgrade(connection, migrations=two)
