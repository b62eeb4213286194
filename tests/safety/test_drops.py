"""Tables that are dropped and come back: the dump is the same, nothing else is touched."""

import asyncio

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from tests.runner.watching import until
from tests.safety import everything as given
from tests.safety.dump import changed, dumped

from schemakit.errors import (
    AccessDenied,
    BackupUnknown,
    DestructiveMigrationBlocked,
    HasDependants,
    OperationFailed,
    RestoreRefused,
    TableUnknown,
)
from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_status,
    cleanup_backups,
    drop_table,
    list_backups,
    restore_backup,
)

ALLOWED = Settings(allow_destructive="a test", lock_timeout=1, retry_for=0)
CASES = {
    "everything": (given.everything, given.SCHEMA_NAME, given.TABLE_NAME),
    "tree": (given.tree, "forest", "Events; all"),
    "leaves": (lambda _: given.hundred_leaves(), "public", "chunks"),
}


@pytest.fixture
def dsn(database_url):
    url = make_url(database_url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


@pytest.fixture
async def table(oracle):
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 3) AS x")


async def major_of(oracle):
    return int(await oracle.fetchval("SHOW server_version_num")) // 10000


async def emptied(oracle):
    """Without what schemakit keeps for itself."""
    await oracle.execute("DROP SCHEMA schemakit_backups CASCADE")


@pytest.mark.parametrize("case", CASES)
async def test_d08_dropped_and_restored_it_is_the_same(engine, oracle, dsn, case):
    script, schema, name = CASES[case]
    await given.make(oracle, script(await major_of(oracle)))
    before = await dumped(dsn)
    backup = await drop_table(engine, name, schema=schema, cascade=True, settings=ALLOWED)
    assert not await oracle.fetchval(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relname = $1 AND nspname = $2", name, schema
    )  # fmt: skip
    assert (await list_backups(engine))[0] == backup or backup.there
    done = await restore_backup(engine, backup.name, settings=ALLOWED)
    assert done.unproven == ()
    assert await list_backups(engine) == ()
    await emptied(oracle)
    assert changed(before, await dumped(dsn)) == []


async def test_d01_a_table_with_rows_is_blocked_and_nothing_happens(engine, oracle, table, dsn):
    before = await dumped(dsn)
    with pytest.raises(DestructiveMigrationBlocked, match=r"table public\.t: 3 rows"):
        await drop_table(engine, "t")
    assert changed(before, await dumped(dsn)) == []


async def test_an_empty_table_may_go_and_is_kept_all_the_same(engine, oracle):
    await oracle.execute("CREATE TABLE t (x int)")
    backup = await drop_table(engine, "t")
    assert (backup.rows, backup.exact) == (0, True)
    assert len(await list_backups(engine)) == 1


async def test_d02_a_table_whose_rows_cannot_be_counted_in_time_is_not_empty(engine, oracle):
    await oracle.execute(
        "CREATE TABLE big AS SELECT n, repeat('x', 1000) AS t FROM generate_series(1, 30000) n;"
        "ANALYZE big"
    )
    with pytest.raises(DestructiveMigrationBlocked, match=r"about [\d,]+ rows"):
        await drop_table(engine, "big")
    backup = await drop_table(engine, "big", settings=ALLOWED)
    assert backup.exact is False
    assert 10_000 < backup.rows < 100_000


async def test_the_reason_is_noted(engine, table):
    assert (await drop_table(engine, "t", settings=ALLOWED)).reason == "a test"


async def test_the_references_switch_is_permission_too(engine, table, monkeypatch):
    monkeypatch.setenv("ALLOW_DESTRUCTIVE_MIGRATIONS", "true")
    assert (await drop_table(engine, "t")).reason == "ALLOW_DESTRUCTIVE_MIGRATIONS=true"


async def test_without_cascade_a_table_with_dependants_is_refused(engine, oracle, table, dsn):
    await oracle.execute("CREATE VIEW v AS SELECT * FROM t")
    before = await dumped(dsn)
    with pytest.raises(HasDependants, match=r"view public\.v") as caught:
        await drop_table(engine, "t", settings=ALLOWED)
    assert caught.value.sqlstate == "2BP01"
    assert changed(before, await dumped(dsn)) == []


async def test_d13_no_name_exempts_from_permission(engine, oracle):
    await oracle.execute("CREATE TABLE customers_new AS SELECT generate_series(1, 50)")
    with pytest.raises(DestructiveMigrationBlocked):
        await drop_table(engine, "customers_new")


async def test_d06_a_table_elsewhere_is_not_dropped(engine, oracle):
    await oracle.execute("CREATE SCHEMA app; CREATE TABLE app.orders ()")
    with pytest.raises(TableUnknown):
        await drop_table(engine, "orders", schema="public")
    assert await oracle.fetchval("SELECT to_regclass('app.orders')::oid")


async def test_the_same_table_again_and_again(engine, oracle):
    for number in range(3):
        await oracle.execute(
            f"CREATE TABLE t (id serial PRIMARY KEY, x int); CREATE INDEX i ON t (x);"
            f"INSERT INTO t (x) VALUES ({number})"
        )
        await drop_table(engine, "t", settings=ALLOWED)
    _, second, _ = await list_backups(engine)
    await restore_backup(engine, second, settings=ALLOWED)
    assert await oracle.fetchval("SELECT x FROM t") == 1


async def test_what_is_done_to_the_living_does_not_reach_it(engine, oracle):
    await oracle.execute(
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);"
        "CREATE TABLE t (p int REFERENCES parent ON DELETE CASCADE); INSERT INTO t VALUES (1), (2)"
    )
    backup = await drop_table(engine, "t", settings=ALLOWED)
    await oracle.execute("DELETE FROM parent WHERE id = 1; TRUNCATE parent; DROP TABLE parent;")
    assert await oracle.fetchval(f"SELECT count(*) FROM {backup.relation}") == 2


async def test_a_foreign_key_that_no_longer_holds_comes_back_not_valid(engine, oracle):
    await oracle.execute(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);"
        "CREATE TABLE child (t int CONSTRAINT k REFERENCES t); INSERT INTO child VALUES (1)"
    )
    backup = await drop_table(engine, "t", cascade=True, settings=ALLOWED)
    await oracle.execute("INSERT INTO child VALUES (2)")
    done = await restore_backup(engine, backup, settings=ALLOWED)
    assert done.unproven == ("foreign key k of public.child",)
    assert "not valid: foreign key k of public.child" in str(done)
    assert await oracle.fetchval("SELECT convalidated FROM pg_constraint WHERE conname = 'k'") is (
        False
    )


async def test_d11_what_has_its_name_now_is_not_replaced_unasked(engine, oracle, table):
    backup = await drop_table(engine, "t", settings=ALLOWED)
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 50) AS y")
    with pytest.raises(RestoreRefused, match=r"another public\.t now"):
        await restore_backup(engine, backup)
    with pytest.raises(DestructiveMigrationBlocked, match=r"restore_backup.*\n.*50 rows"):
        await restore_backup(engine, backup, overwrite=True)
    assert await oracle.fetchval("SELECT count(*) FROM t") == 50
    done = await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)
    assert await oracle.fetchval("SELECT count(*) FROM t") == 3
    assert done.overwritten.rows == 50
    back = await restore_backup(engine, done.overwritten, overwrite=True, settings=ALLOWED)
    assert await oracle.fetchval("SELECT count(*) FROM t") == 50
    assert back.overwritten.rows == 3


async def test_d11_no_surprise_cascade(engine, oracle, table):
    backup = await drop_table(engine, "t", settings=ALLOWED)
    await oracle.execute("CREATE TABLE t (y int); CREATE VIEW v AS SELECT * FROM t")
    with pytest.raises(HasDependants, match=r"public\.v"):
        await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)
    assert await oracle.fetchval("SELECT to_regclass('v')::oid")


async def test_d12_a_restore_that_cannot_be_is_an_error(engine):
    with pytest.raises(BackupUnknown):
        await restore_backup(engine, "t_backup_20260101_000000")


async def test_d09_a_writer_at_full_speed_loses_nothing(engine, oracle, connect):
    await oracle.execute("CREATE TABLE t (x bigint PRIMARY KEY)")
    writer, written, stop = await connect(), [], asyncio.Event()

    async def write():
        number = 0
        while not stop.is_set():
            number += 1
            try:
                await writer.execute(f"INSERT INTO t VALUES ({number})")
            except Exception:  # noqa: BLE001 - it is gone
                return
            written.append(number)

    task = asyncio.create_task(write())
    await asyncio.sleep(0.2)
    backup = await drop_table(engine, "t", settings=ALLOWED)
    stop.set()
    await task
    kept = await oracle.fetch(f"SELECT x FROM {backup.relation} ORDER BY x")
    assert [row[0] for row in kept] == written
    assert backup.rows == len(written)


async def test_removed_it_is_gone_with_its_schemas(engine, oracle):
    await given.make(oracle, given.tree(await major_of(oracle)))
    await drop_table(engine, "Events; all", schema="forest", cascade=True, settings=ALLOWED)
    await oracle.execute("UPDATE schemakit_backups.migration_backups SET retention_until = now()")
    done = await cleanup_backups(engine)
    assert done.failed == ()
    assert not (await backup_status(engine)).orphans
    assert (
        await oracle.fetchval(
            "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%\\_backup\\_%'"
        )
        == 0
    )


async def test_what_others_made_of_it_is_not_removed_along_with_it(engine, oracle, table):
    backup = await drop_table(engine, "t", settings=ALLOWED)
    await oracle.execute(f"CREATE VIEW v AS SELECT * FROM {backup.relation}")
    done = await cleanup_backups(engine, [backup], settings=ALLOWED)
    assert "view v" in done.failed[0][1]
    assert await oracle.fetchval("SELECT count(*) FROM v") == 3


async def test_what_only_it_needs_can_go_and_come_back_under_its_name(engine, oracle, dsn):
    made = (
        "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE a (m mood); CREATE TABLE b (m mood);"
        "INSERT INTO a VALUES ('ok'); INSERT INTO b VALUES ('ok')"
    )
    await oracle.execute(made)
    before = await dumped(dsn)
    first = await drop_table(engine, "a", settings=ALLOWED)
    second = await drop_table(engine, "b", settings=ALLOWED)
    await oracle.execute("DROP TYPE mood")
    await oracle.execute(made)  # an upgrade after the downgrade
    await oracle.execute("DROP TABLE a, b; DROP TYPE mood")
    await restore_backup(engine, first, settings=ALLOWED)
    await restore_backup(engine, second, settings=ALLOWED)
    await emptied(oracle)
    assert changed(before, await dumped(dsn)) == []


async def test_what_another_backup_needs_is_not_removed_before_it(engine, oracle):
    await oracle.execute(
        "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE a (m mood); CREATE TABLE b (m mood)"
    )
    for name in ("a", "b"):
        backup = await drop_table(engine, name, settings=ALLOWED)
    done = await cleanup_backups(engine, [backup], settings=ALLOWED)
    assert "column m of table" in done.failed[0][1]
    await oracle.execute("UPDATE schemakit_backups.migration_backups SET retention_until = now()")
    assert len((await cleanup_backups(engine)).removed) == 2


async def test_m01_a_row_that_names_anybodys_schema_drops_nothing(engine, oracle, table):
    backup = await drop_table(engine, "t", settings=ALLOWED)
    await oracle.execute(
        "CREATE TABLE victim (); UPDATE schemakit_backups.migration_backups"
        " SET manifest = jsonb_set(manifest, '{places}', '{\"public\": \"public\"}')"
    )
    done = await cleanup_backups(engine, [backup], settings=ALLOWED)
    assert "are not those that were made for it" in done.failed[0][1]
    assert await oracle.fetchval("SELECT to_regclass('victim')::oid")


async def test_in_the_callers_transaction(engine, oracle, table):
    async with engine.connect() as connection:
        await connection.begin()
        backup = await drop_table(connection, "t", settings=ALLOWED)
        path = (await connection.execute(text("SHOW search_path"))).scalar()
        assert "public" in path
        await restore_backup(connection, backup, settings=ALLOWED)
        await drop_table(connection, "t", settings=ALLOWED)
        await connection.rollback()
    assert await oracle.fetchval("SELECT count(*) FROM t") == 3
    assert await list_backups(engine) == ()


async def test_a_right_that_is_missing_is_named_before_anything_starts(engine, oracle, table):
    role = await oracle.fetchval("SELECT 'r' || substr(md5(random()::text), 1, 10)")
    database = await oracle.fetchval("SELECT current_database()")
    await oracle.execute(f"CREATE ROLE {role}; GRANT SELECT ON t TO {role}")
    asked = Settings(role=role, allow_destructive="a test")
    try:
        with pytest.raises(AccessDenied, match="takes the rights of"):
            await drop_table(engine, "t", settings=asked)
        await oracle.execute(f"ALTER TABLE t OWNER TO {role}")
        with pytest.raises(AccessDenied, match="GRANT CREATE ON DATABASE"):
            await drop_table(engine, "t", settings=asked)
        await oracle.execute(
            f'GRANT CREATE ON DATABASE "{database}" TO {role};'
            f"GRANT CREATE, USAGE ON SCHEMA public TO {role}"
        )
        backup = await drop_table(engine, "t", settings=asked)
        await restore_backup(engine, backup, settings=asked)
        assert await oracle.fetchval("SELECT count(*) FROM t") == 3
    finally:
        await oracle.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


async def test_the_loser_of_two_is_told_that_the_table_is_gone(engine, oracle, table, connect):
    holder = await connect()
    await holder.execute("BEGIN; LOCK TABLE t IN ACCESS SHARE MODE")
    patient = Settings(allow_destructive="a test", lock_timeout=20)
    both = [asyncio.create_task(drop_table(engine, "t", settings=patient)) for _ in range(2)]
    waiting = "SELECT count(*) = 2 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
    await until(lambda: oracle.fetchval(waiting))
    await holder.execute("COMMIT")
    done = await asyncio.gather(*both, return_exceptions=True)
    (loser,) = (each for each in done if isinstance(each, Exception))
    assert isinstance(loser, TableUnknown)
    assert "by another process" in str(loser)
    assert len(await list_backups(engine)) == 1


async def test_in_a_transaction_that_has_failed_it_is_said_so(engine, oracle, table):
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT 1 / 0"))
        with pytest.raises(OperationFailed, match="current transaction is aborted"):
            await drop_table(connection, "t", settings=ALLOWED)


async def test_what_depends_on_the_table_in_the_way_is_named_with_a_way_that_exists(
    engine, oracle, table
):
    backup = await drop_table(engine, "t", settings=ALLOWED)
    await oracle.execute("CREATE TABLE t (x int); CREATE VIEW seen AS SELECT * FROM t")
    with pytest.raises(HasDependants) as caught:
        await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)
    assert caught.value.dependants == ("view public.seen",)
    assert "to=" in caught.value.remedy
    assert "cascade" not in caught.value.remedy
