"""Backups that are copies: what is made, where, and what is noted of it."""

import asyncio

import pytest
from sqlalchemy import text

from schemakit.errors import (
    AccessDenied,
    BackupTooLarge,
    ConfigurationError,
    OperationFailed,
    TableUnknown,
)
from schemakit.runner.settings import Settings
from schemakit.safety import backup_status, backup_table, list_backups

QUICK = Settings(lock_timeout=0.5, retry_for=0)
HOSTILE = ['"; drop', "Größe", "my table", "a.b", "x" * 63, "ü" * 31, "chunks\n", "%s :x $1"]


async def rows(oracle, backup):
    return await oracle.fetch(f"SELECT * FROM {backup.relation} AS t ORDER BY t::text")


async def test_a_copy_holds_the_rows(engine, oracle):
    await oracle.execute(
        "CREATE TABLE chunks AS SELECT n, n::text AS t FROM generate_series(1,3) n"
    )
    backup = await backup_table(engine, "chunks", revision="0042")
    assert [tuple(row) for row in await rows(oracle, backup)] == [(1, "1"), (2, "2"), (3, "3")]
    assert (backup.rows, backup.exact, backup.kind, backup.revision) == (3, True, "copy", "0042")
    assert backup.relation.schema == "schemakit_backups"
    assert backup.name.startswith("chunks_backup_")
    assert (backup.kept_until - backup.created).days in (6, 7)
    assert backup.status == "ACTIVE"
    assert backup.there


@pytest.mark.parametrize("name", HOSTILE)
async def test_d07_any_legal_name_in_any_schema(engine, oracle, name):
    quoted = '"' + name.replace('"', '""') + '"'
    await oracle.execute(f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} AS SELECT 1 AS x")
    backup = await backup_table(engine, name, schema=name)
    assert (backup.original.schema, backup.original.name) == (name, name)
    assert len(await rows(oracle, backup)) == 1
    assert await list_backups(engine) == (backup,) or (await list_backups(engine))[0].there


async def test_d06_the_search_path_says_which(engine, oracle, database_url):
    await oracle.execute(
        "CREATE SCHEMA app; CREATE TABLE app.orders AS SELECT 1 AS x;"
        "CREATE TABLE orders AS SELECT generate_series(1, 5) AS x"
    )
    async with engine.connect() as connection:
        await connection.execute(text("SET search_path = app, public"))
        await connection.commit()
        assert (await backup_table(connection, "orders")).original.schema == "app"
    assert (await backup_table(engine, "orders", schema="public")).rows == 5


async def test_d06_a_table_that_is_not_there_is_an_error_that_says_where_one_is(engine, oracle):
    await oracle.execute("CREATE SCHEMA app; CREATE TABLE app.orders ()")
    with pytest.raises(TableUnknown, match="There is one in app"):
        await backup_table(engine, "orders")
    with pytest.raises(TableUnknown, match="unquoted, and its schema apart"):
        await backup_table(engine, "app.orders")


@pytest.mark.parametrize("what", ["VIEW it AS SELECT 1 AS x", "SEQUENCE it"])
async def test_what_is_no_table_is_refused(engine, oracle, what):
    await oracle.execute(f"CREATE {what}")
    with pytest.raises(TableUnknown, match=r"public\.it is a"):
        await backup_table(engine, "it")


async def test_d05_many_at_once_all_get_a_name(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    made = await asyncio.gather(*(backup_table(engine, "t") for _ in range(8)))
    assert len({backup.name for backup in made}) == 8
    assert len(await list_backups(engine)) == 8
    assert not (await backup_status(engine)).orphans


async def test_a_tree_is_copied_as_one_and_an_heir_is_not(engine, oracle):
    await oracle.execute(
        "CREATE TABLE p (k int, x int) PARTITION BY LIST (k);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
        "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2) PARTITION BY HASH (x);"
        "CREATE TABLE p20 PARTITION OF p2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "INSERT INTO p VALUES (1, 1), (2, 2);"
        "CREATE TABLE base (x int); CREATE TABLE heir () INHERITS (base);"
        "INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2)"
    )
    assert (await backup_table(engine, "p")).rows == 2
    assert (await backup_table(engine, "base")).rows == 1


async def test_only_some_rows(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 10) AS x")
    assert (await backup_table(engine, "t", where="x % 2 = 0 -- even")).rows == 5


async def test_a_condition_is_one_condition(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    with pytest.raises(OperationFailed):
        await backup_table(engine, "t", where="true); DROP TABLE t; --")
    assert await oracle.fetchval("SELECT count(*) FROM t") == 1


async def test_too_large_is_refused_before_anything_is_made(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 10000) AS x; ANALYZE t")
    with pytest.raises(BackupTooLarge, match=r"public\.t takes about \d+,\d+ bytes"):
        await backup_table(engine, "t", max_bytes=1000)
    assert not await oracle.fetchval("SELECT to_regnamespace('schemakit_backups')::oid")
    assert (await backup_table(engine, "t", where="x < 10", max_bytes=8192)).rows == 9


async def test_what_users_have_made_can_go_while_a_copy_is_kept(engine, oracle):
    await oracle.execute(
        "CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN small AS int CHECK (VALUE < 9);"
        'CREATE COLLATION mine FROM "C";'
        "CREATE TABLE t (m mood, ms mood[], s small, c text COLLATE mine);"
        "INSERT INTO t VALUES ('ok', '{ok}', 3, 'c')"
    )
    backup = await backup_table(engine, "t")
    await oracle.execute("DROP TABLE t; DROP TYPE mood; DROP DOMAIN small; DROP COLLATION mine")
    assert [tuple(row) for row in await rows(oracle, backup)] == [("ok", "{ok}", "3", "c")]


async def test_a_failure_leaves_nothing(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 0 AS x")
    with pytest.raises(OperationFailed, match="division by zero"):
        await backup_table(engine, "t", where="1 / x = 1")
    assert not await oracle.fetchval("SELECT to_regnamespace('schemakit_backups')::oid")
    assert await list_backups(engine) == ()


async def test_in_the_callers_transaction_it_goes_with_that(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    async with engine.connect() as connection:
        await connection.begin()
        await backup_table(connection, "t")
        assert len(await list_backups(connection)) == 1
        await connection.rollback()
    assert await list_backups(engine) == ()


async def test_nobody_waits_for_it_but_who_wants_the_table_alone(engine, oracle, connect):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    async with engine.connect() as connection:
        await connection.begin()
        await backup_table(connection, "t")
        modes = await oracle.fetch(
            "SELECT DISTINCT mode FROM pg_locks WHERE relation = 't'::regclass"
        )
        assert [row[0] for row in modes] == ["AccessShareLock"]
        await connection.rollback()


async def test_a_policy_makes_it_fail_and_not_leave_rows_out(engine, oracle):
    role = await oracle.fetchval("SELECT 'r' || substr(md5(random()::text), 1, 10)")
    await oracle.execute(
        f"CREATE ROLE {role}; GRANT CREATE ON DATABASE "
        f'"{await oracle.fetchval("SELECT current_database()")}" TO {role};'
        "CREATE TABLE t AS SELECT 1 AS x;"
        f"GRANT SELECT ON t TO {role}; ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
    )
    try:
        with pytest.raises(AccessDenied, match="row-level security"):
            await backup_table(engine, "t", settings=Settings(role=role))
    finally:
        await oracle.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("days", [0, -3])
async def test_d14_a_retention_that_makes_no_sense(engine, days):
    with pytest.raises(ConfigurationError):
        await backup_table(engine, "t", retention_days=days)


async def test_d14_the_retention_is_read_at_the_call(engine, oracle, monkeypatch):
    await oracle.execute("CREATE TABLE t ()")
    monkeypatch.setenv("MIGRATION_BACKUP_RETENTION_DAYS", "30")
    backup = await backup_table(engine, "t")
    assert (backup.kept_until - backup.created).days in (29, 30)
