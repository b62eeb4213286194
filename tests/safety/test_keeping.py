"""What is done with backups: listed, kept longer, cleaned up; and the reference's registry."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from schemakit.errors import AccessDenied, BackupUnknown, DestructiveMigrationBlocked
from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_status,
    backup_table,
    cleanup_backups,
    drop_table,
    extend_backup,
    list_backups,
)

REGISTRY = "schemakit_backups.migration_backups"
LEGACY = """
CREATE TABLE migration_backups (
    id SERIAL PRIMARY KEY, backup_table_name VARCHAR NOT NULL,
    original_table_name VARCHAR NOT NULL, record_count INTEGER NOT NULL,
    created_at TIMESTAMPTZ DEFAULT NOW(), migration_revision VARCHAR, retention_until TIMESTAMPTZ
)"""


@pytest.fixture
async def table(oracle):
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 3) AS x")


async def expire(oracle, backup):
    await oracle.execute(
        f"UPDATE {REGISTRY} SET retention_until = now() - interval '1 s'"
        f" WHERE backup_table_name = '{backup.name}'"
    )


async def test_m07_a_database_without_backups_is_fine(engine):
    assert await list_backups(engine) == ()
    assert str(await cleanup_backups(engine)) == "no expired backups"
    assert (await backup_status(engine)).backups == ()


async def test_looking_leaves_nothing_behind(engine, oracle):
    await cleanup_backups(engine)
    await backup_status(engine)
    assert not await oracle.fetchval("SELECT to_regnamespace('schemakit_backups')::oid")


async def test_only_what_has_expired_is_removed(engine, oracle, table):
    old, new = await backup_table(engine, "t"), await backup_table(engine, "t")
    await expire(oracle, old)
    assert [each.name for each in (await cleanup_backups(engine)).removed] == [old.name]
    assert [each.name for each in await list_backups(engine)] == [new.name]
    assert not await oracle.fetchval(f"SELECT to_regclass('{old.relation}')::oid")


async def test_a_dry_run_removes_nothing(engine, oracle, table):
    backup = await backup_table(engine, "t")
    await expire(oracle, backup)
    done = await cleanup_backups(engine, dry_run=True)
    assert str(done).startswith(f"would remove {backup.name}")
    assert len(await list_backups(engine)) == 1


async def test_m09_what_has_not_expired_needs_permission(engine, table):
    backup = await backup_table(engine, "t")
    with pytest.raises(DestructiveMigrationBlocked, match=f"{backup.name} of public.t: 3 rows"):
        await cleanup_backups(engine, [backup])
    allowed = Settings(allow_destructive="a test")
    assert (await cleanup_backups(engine, [backup.name], settings=allowed)).removed


async def test_m03_one_that_cannot_go_holds_up_no_other(engine, oracle, table):
    first, second = await backup_table(engine, "t"), await backup_table(engine, "t")
    for each in (first, second):
        await expire(oracle, each)
    await oracle.execute(f"CREATE VIEW v AS SELECT * FROM {second.relation}")
    done = await cleanup_backups(engine)
    assert [each.name for each in done.removed] == [first.name]
    assert done.failed[0][0].name == second.name
    assert "other objects depend on it" in done.failed[0][1]
    assert [each.name for each in await list_backups(engine)] == [second.name]
    assert await oracle.fetchval("SELECT count(*) FROM v") == 3


async def test_m01_a_row_that_names_anybodys_table_drops_nothing(engine, oracle, table):
    await backup_table(engine, "t")
    await oracle.execute(
        "CREATE TABLE victim ();"
        f"INSERT INTO {REGISTRY} (backup_table_name, original_table_name, record_count,"
        " retention_until, backup_schema, relation_name) VALUES"
        " ('bk; drop table victim; --', 'x', 1, now(), 'public', 'victim'),"
        " ('victim', 'x', 1, now(), 'public', 'victim')"
    )
    done = await cleanup_backups(engine)
    assert [why for _, why in done.failed] == ["public.victim is no backup of schemakit's."] * 2
    assert await oracle.fetchval("SELECT to_regclass('victim')::oid")


@pytest.mark.parametrize("name", ["Mixed Case", '"; drop', "ü" * 31])
async def test_m02_whatever_it_is_called_it_is_dropped_itself(engine, oracle, name):
    quoted = '"' + name.replace('"', '""') + '"'
    await oracle.execute(f"CREATE TABLE {quoted} AS SELECT 1 AS x")
    backup = await backup_table(engine, name)
    await oracle.execute(f"UPDATE {REGISTRY} SET retention_until = now()")
    assert (await cleanup_backups(engine)).removed
    assert not (await backup_status(engine)).orphans
    assert not await oracle.fetchval("SELECT to_regclass($1)::oid", str(backup.relation))


async def test_two_that_clean_up_at_once_remove_each_once(engine, oracle, table):
    for _ in range(5):
        await expire(oracle, await backup_table(engine, "t"))
    done = await asyncio.gather(*(cleanup_backups(engine) for _ in range(3)))
    assert sum(len(each.removed) for each in done) == 5
    assert [each.failed for each in done] == [(), (), ()]
    assert await list_backups(engine) == ()


async def test_m05_extending_never_shortens(engine, table):
    backup = await backup_table(engine, "t", retention_days=90)
    assert (await extend_backup(engine, backup, 7)).kept_until == backup.kept_until
    longer = await extend_backup(engine, backup.name, 365)
    assert longer.kept_until - longer.created > timedelta(days=364)


async def test_m05_what_is_not_there_is_an_error(engine):
    with pytest.raises(BackupUnknown, match="'nothing' is not in"):
        await extend_backup(engine, "nothing", 7)
    with pytest.raises(BackupUnknown):
        await cleanup_backups(engine, ["nothing"])


async def test_m11_the_registry_is_compared_with_what_is_there(engine, oracle, table):
    gone, there = await backup_table(engine, "t"), await backup_table(engine, "t")
    await oracle.execute(
        f"DROP TABLE {gone.relation};CREATE TABLE schemakit_backups.x_backup_20260101_000000 ()"
    )
    found = await backup_status(engine)
    assert [each.name for each in found.missing] == [gone.name]
    assert [each.name for each in found.orphans] == ["x_backup_20260101_000000"]
    assert f"missing: {gone.name}" in str(found)
    assert found.rows == there.rows == 3


async def test_a_backup_that_was_replaced_is_missing(engine, oracle, table):
    backup = await backup_table(engine, "t")
    await oracle.execute(f"DROP TABLE {backup.relation}; CREATE TABLE {backup.relation} (x int)")
    assert (await list_backups(engine))[0].there is False
    await expire(oracle, backup)
    assert (await cleanup_backups(engine)).removed
    assert await oracle.fetchval("SELECT to_regclass($1)::oid", str(backup.relation))


async def test_the_references_rows_are_listed_and_adopted(engine, oracle, table):
    await oracle.execute(
        f"{LEGACY}; CREATE TABLE a_backup_20250101_000000 AS SELECT 1 AS x;"
        "INSERT INTO migration_backups (backup_table_name, original_table_name, record_count,"
        " migration_revision, retention_until) VALUES"
        " ('a_backup_20250101_000000', 'a', 1, 'r1', now() + interval '1 h'),"
        " ('b_backup_20250101_000000', 'b', 2, 'r2', now() - interval '1 h')"
    )
    before = {each.name: (each.status, each.there) for each in await list_backups(engine)}
    assert before == {
        "a_backup_20250101_000000": ("EXPIRING SOON", True),
        "b_backup_20250101_000000": ("EXPIRED", False),
    }
    await backup_table(engine, "t")
    after = {each.name: (each.status, each.there) for each in await list_backups(engine)}
    assert after.items() >= before.items()
    assert not await oracle.fetchval("SELECT to_regclass('public.migration_backups')::oid")


async def test_m12_an_adopted_backup_is_cleaned_up_and_a_reminder_is_no_table(engine, oracle):
    await oracle.execute(
        f"{LEGACY}; CREATE TABLE a_backup_20250101_000000 AS SELECT 1 AS x; CREATE TABLE victim ();"
        "INSERT INTO migration_backups (backup_table_name, original_table_name, record_count,"
        " retention_until) VALUES ('a_backup_20250101_000000', 'a', 1, now()),"
        " ('victim', 'REMINDER', 0, now())"
    )
    done = await cleanup_backups(engine)
    assert [each.name for each in done.removed] == ["a_backup_20250101_000000"]
    assert await oracle.fetchval("SELECT to_regclass('victim')::oid")
    assert not await oracle.fetchval("SELECT to_regclass('a_backup_20250101_000000')::oid")


async def test_a_table_that_only_has_the_name_is_left_alone(engine, oracle, table):
    await oracle.execute("CREATE TABLE migration_backups (id int, mine text)")
    await backup_table(engine, "t")
    assert await oracle.fetchval("SELECT to_regclass('public.migration_backups')::oid")


async def test_only_its_owner_may_read_the_backup_schema(engine, oracle, table):
    await oracle.execute("ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC, pg_monitor")
    await backup_table(engine, "t")
    moved = await drop_table(engine, "t", settings=Settings(allow_destructive="a test"))
    for schema in ("schemakit_backups", moved.relation.schema):
        may = "SELECT has_schema_privilege('pg_monitor', $1, 'USAGE')"
        assert await oracle.fetchval(may, schema) is False


@pytest.mark.parametrize("schema", ["public", "O; ps"])
async def test_a_schema_that_others_use_is_not_taken_and_not_closed(engine, oracle, table, schema):
    if schema != "public":
        await oracle.execute('CREATE SCHEMA "O; ps"; GRANT USAGE ON SCHEMA "O; ps" TO pg_monitor')
    rights = "SELECT nspacl::text FROM pg_namespace WHERE nspname = $1"
    before = await oracle.fetchval(rights, schema)
    settings = Settings(backup_schema=schema, allow_destructive="a test")
    for call in (backup_table, drop_table):
        with pytest.raises(AccessDenied, match="is there already, and open to") as caught:
            await call(engine, "t", settings=settings)
        assert "backup_schema" in caught.value.remedy
    assert await oracle.fetchval(rights, schema) == before
    assert await oracle.fetchval("SELECT count(*) FROM t") == 3


async def test_a_schema_that_was_made_for_it_is_taken(engine, oracle, table):
    await oracle.execute("CREATE SCHEMA kept")
    settings = Settings(backup_schema="kept")
    assert (await backup_table(engine, "t", settings=settings)).relation.schema == "kept"
    await oracle.execute("GRANT USAGE ON SCHEMA kept TO pg_monitor")  # by whom it belongs to
    await backup_table(engine, "t", settings=settings)
    assert await oracle.fetchval("SELECT has_schema_privilege('pg_monitor', 'kept', 'USAGE')")


async def test_m08_how_an_empty_table_stands(engine, oracle):
    await oracle.execute("CREATE TABLE t (x int)")
    await backup_table(engine, "t")
    found = await backup_status(engine)
    assert (found.rows, len(found.backups)) == (0, 1)
    assert str(found).startswith("1 backup: 1 ACTIVE, 0 EXPIRING SOON, 0 EXPIRED; 0 rows")


async def test_d16_counts_go_beyond_31_bits(engine, oracle, table):
    await backup_table(engine, "t")
    await oracle.execute(f"UPDATE {REGISTRY} SET record_count = 5000000000")
    assert (await list_backups(engine))[0].rows == 5_000_000_000


async def test_of_many_at_once_one_adopts_where_the_registry_is_there_already(
    engine, oracle, table
):
    await backup_table(engine, "t")
    await oracle.execute(LEGACY)
    await asyncio.gather(*(backup_table(engine, "t") for _ in range(6)))
    assert not await oracle.fetchval("SELECT to_regclass('public.migration_backups')::oid")
    assert len(await list_backups(engine)) == 7


async def test_what_a_condition_sets_does_not_go_into_the_pool(engine, oracle, table):
    await backup_table(engine, "t", where="set_config('app.user', 'evil', false) IS NOT NULL")
    async with engine.connect() as connection:
        asked = text("SELECT current_setting('app.user', true)")
        assert not (await connection.execute(asked)).scalar()


async def test_a_list_is_read_as_the_role_that_is_named(engine, oracle, table):
    await backup_table(engine, "t")
    for call in (list_backups, backup_status):
        with pytest.raises(AccessDenied):
            await call(engine, settings=Settings(role="pg_monitor"))
