"""Columns that are dropped and put back; tables that are guarded meanwhile."""

import asyncio
import itertools
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from tests.safety.dump import changed, dumped

from schemakit.errors import (
    DestructiveMigrationBlocked,
    OperationFailed,
    RestoreRefused,
    TableUnknown,
)
from schemakit.runner.settings import Settings
from schemakit.safety import drop_column, guarded_table, list_backups, restore_backup

ALLOWED = Settings(allow_destructive="a test", lock_timeout=1, retry_for=0)


@pytest.fixture
def dsn(database_url):
    url = make_url(database_url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


async def cleared(oracle):
    await oracle.execute("DROP SCHEMA schemakit_backups CASCADE")


@pytest.fixture
async def table(oracle):
    await oracle.execute(
        "CREATE TYPE mood AS ENUM ('ok', 'no'); CREATE TABLE other (id int PRIMARY KEY);"
        "INSERT INTO other VALUES (1), (2);"
        'CREATE TABLE t (a int, b text, PRIMARY KEY (a, b), "C ""ol" mood NOT NULL DEFAULT \'ok\''
        ' CONSTRAINT k CHECK ("C ""ol" <> \'no\'));'
        'COMMENT ON COLUMN t."C ""ol" IS \'mine\'; CREATE INDEX i ON t ("C ""ol", a DESC);'
        'ALTER TABLE t ALTER "C ""ol" SET STATISTICS 17; GRANT SELECT ("C ""ol") ON t TO PUBLIC;'
        "ALTER TABLE t ADD o int CONSTRAINT fk REFERENCES other UNIQUE;"
        "ALTER TABLE t ADD n serial; ALTER TABLE t ADD g int GENERATED ALWAYS AS (a * 2) STORED;"
        "INSERT INTO t (a, b, o) VALUES (1, 'x', 1), (2, 'y', 2)"
    )


@pytest.mark.parametrize("columns", ["g", ["n", "g"], ["o", "n", "g"], ['C "ol', "o", "n", "g"]])
async def test_dropped_and_restored_it_is_the_same(engine, oracle, dsn, table, columns):
    before = await dumped(dsn)
    backup = await drop_column(engine, "t", columns, settings=ALLOWED)
    assert backup.kind == "column"
    done = await restore_backup(engine, backup)
    assert (done.left, done.unproven) == ((), ())
    await cleared(oracle)
    assert changed(before, await dumped(dsn)) == []


@pytest.mark.parametrize("columns", [["total", "gross"], ["gross", "total"]])
@pytest.mark.parametrize(
    "made",
    [
        "total int, gross int GENERATED ALWAYS AS (total * 2) STORED",
        "gross int GENERATED ALWAYS AS (total * 2) STORED, total int",
    ],
)
async def test_what_is_computed_goes_before_what_it_is_computed_from(engine, oracle, columns, made):
    await oracle.execute(f"CREATE TABLE o (id int PRIMARY KEY, {made})")
    await oracle.execute("INSERT INTO o (id, total) VALUES (1, 10)")
    backup = await drop_column(engine, "o", columns, settings=ALLOWED)
    assert (await restore_backup(engine, backup)).left == ()
    assert tuple(await oracle.fetchrow("SELECT total, gross FROM o")) == (10, 20)


async def test_without_permission_it_is_blocked(engine, oracle, table):
    with pytest.raises(DestructiveMigrationBlocked, match=r"column public\.t\.o: 2 rows"):
        await drop_column(engine, "t", "o")


async def test_a_column_that_is_not_there(engine, oracle, table):
    with pytest.raises(TableUnknown, match="has no column nothing"):
        await drop_column(engine, "t", "nothing", settings=ALLOWED)


async def test_what_a_view_needs_is_not_dropped(engine, oracle, dsn, table):
    await oracle.execute("CREATE VIEW v AS SELECT o FROM t")
    before = await dumped(dsn)
    with pytest.raises(OperationFailed, match="other objects depend on it"):
        await drop_column(engine, "t", "o", settings=ALLOWED)
    assert changed(before, await dumped(dsn)) == []


async def test_rows_that_came_meanwhile_have_nothing_in_it(engine, oracle, table):
    backup = await drop_column(engine, "t", 'C "ol', settings=ALLOWED)
    await oracle.execute("INSERT INTO t (a, b) VALUES (3, 'z'); DELETE FROM t WHERE a = 1")
    done = await restore_backup(engine, backup)
    found = ('the values of C "ol of 1 row, whose key is not there', 'NOT NULL of public.t.C "ol')
    assert (done.rows, done.left) == (1, found)
    found = await oracle.fetch('SELECT a, "C ""ol" FROM t ORDER BY a')
    assert [tuple(row) for row in found] == [(2, "ok"), (3, None)]


async def test_a_table_without_a_key_is_copied_whole(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS a, 2 AS b")
    backup = await drop_column(engine, "t", "b", settings=ALLOWED)
    with pytest.raises(RestoreRefused, match="no primary key"):
        await restore_backup(engine, backup)
    await restore_backup(engine, backup, to="whole")
    assert tuple(await oracle.fetchrow("SELECT * FROM whole")) == (1, 2)


async def test_a_column_that_is_there_again_is_not_replaced(engine, oracle, table):
    backup = await drop_column(engine, "t", "o", settings=ALLOWED)
    await oracle.execute("ALTER TABLE t ADD o text")
    with pytest.raises(RestoreRefused, match="has a column o again"):
        await restore_backup(engine, backup)


async def broken(engine, statement):
    async with guarded_table(engine, "t"):
        async with engine.begin() as connection:
            await connection.execute(text(statement))
        raise ZeroDivisionError


async def test_a_guarded_table_comes_back_if_the_block_raises(engine, oracle, dsn, table):
    await oracle.execute("CREATE VIEW v AS SELECT a FROM t")
    before = await dumped(dsn)
    with pytest.raises(ZeroDivisionError):
        await broken(engine, "UPDATE t SET o = NULL")
    await cleared(oracle)
    assert changed(before, await dumped(dsn)) == []


async def test_in_a_transaction_that_failed_the_error_is_the_blocks_own(engine, oracle, table):
    async def work():
        async with engine.begin() as connection, guarded_table(connection, "t"):
            await connection.execute(text("UPDATE t SET o = 1 / 0"))

    with pytest.raises(DBAPIError, match="division by zero") as caught:
        await work()
    assert "The table was not put back" in caught.value.__notes__[0]
    assert await oracle.fetchval("SELECT sum(o) FROM t") == 3


async def test_a_block_that_is_cancelled_is_undone_too(engine, oracle, table):
    async def work():
        async with guarded_table(engine, "t"):
            await oracle.execute("DELETE FROM t")
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await work()
    assert await oracle.fetchval("SELECT count(*) FROM t") == 2


async def test_and_stays_as_it_is_if_not(engine, oracle, table):
    async with guarded_table(engine, "t") as backup:
        await oracle.execute("DELETE FROM t")
    assert await oracle.fetchval("SELECT count(*) FROM t") == 0
    assert [each.name for each in await list_backups(engine)] == [backup.name]


async def test_what_is_dropped_in_the_block_comes_back_too(engine, oracle, table):
    with pytest.raises(ZeroDivisionError):
        await broken(engine, "DROP TABLE t")
    assert await oracle.fetchval("SELECT count(*) FROM t") == 2


async def test_a_tree_loses_and_gets_a_column(engine, oracle, dsn):
    await oracle.execute(
        "CREATE TABLE p (k int PRIMARY KEY, x int NOT NULL, y text) PARTITION BY LIST (k);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
        "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);"
        "CREATE INDEX i ON p (y); INSERT INTO p VALUES (1, 1, 'a'), (2, 2, 'b')"
    )
    before = await dumped(dsn)
    backup = await drop_column(engine, "p", "y", settings=ALLOWED)
    assert (await restore_backup(engine, backup)).left == ()
    await cleared(oracle)
    assert changed(before, await dumped(dsn)) == []


async def test_d09_a_writer_at_full_speed_loses_no_value(engine, oracle, connect):
    await oracle.execute("CREATE TABLE w (id int PRIMARY KEY, x int)")
    writer, written, begun = await connect(), [], asyncio.Event()

    async def write():
        with suppress(asyncpg.UndefinedColumnError):  # it is gone
            for number in itertools.count():
                await writer.execute(f"INSERT INTO w (id, x) VALUES ({number}, {number})")
                written.append(number)
                begun.set()

    task = asyncio.create_task(write())
    await begun.wait()
    backup = await drop_column(engine, "w", "x", settings=ALLOWED)
    await task
    assert backup.rows == len(written)
    await restore_backup(engine, backup)
    assert await oracle.fetchval("SELECT count(*) FROM w WHERE x = id") == len(written)
