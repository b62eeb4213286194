"""Copies that are restored: into the table where it is, or made anew where it is gone."""

import pytest
from sqlalchemy import make_url
from tests.safety import everything as given
from tests.safety.dump import changed, dumped, ordered

from schemakit.errors import (
    BackupEdited,
    ConfigurationError,
    DestructiveMigrationBlocked,
    HasDependants,
    RestoreRefused,
)
from schemakit.runner.settings import Settings
from schemakit.safety import backup_table, list_backups, restore_backup
from schemakit.sql.name import Name

ALLOWED = Settings(allow_destructive="a test", lock_timeout=1, retry_for=0)
TREE = ("forest", "Events; all", 'forest."Events; all"')
EVERYTHING = (given.SCHEMA_NAME, given.TABLE_NAME, f"{given.SCHEMA}.{given.TABLE}")
CASES = {
    "everything": (given.everything, *EVERYTHING),
    "tree": (given.tree, *TREE),
    "leaves": (lambda _: given.hundred_leaves(), "public", "chunks", "chunks"),
}


@pytest.fixture
def dsn(database_url):
    url = make_url(database_url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


async def major_of(oracle):
    return int(await oracle.fetchval("SHOW server_version_num")) // 10000


async def cleared(oracle):
    """Without what schemakit keeps for itself."""
    await oracle.execute("DROP SCHEMA schemakit_backups CASCADE")


async def made(oracle, case):
    script, schema, name, sql = CASES[case]
    await given.make(oracle, script(await major_of(oracle)))
    if case == "everything":  # what no portrait of the table can bring back
        await oracle.execute('DROP POLICY "men; tions" ON other.guarded')
        await oracle.execute("DROP TABLE other.user_of_sequence")
        await oracle.execute("DROP TABLE other.heir")  # it is no part of a copy
    return schema, name, sql


@pytest.fixture
async def table(oracle):
    await oracle.execute(
        "CREATE TABLE t (id serial PRIMARY KEY, s text); INSERT INTO t (s) VALUES ('a'), ('b')"
    )


@pytest.mark.parametrize("case", CASES)
async def test_made_anew_it_is_the_same(engine, oracle, dsn, case):
    schema, name, sql = await made(oracle, case)
    before = await ordered(dsn)
    backup = await backup_table(engine, name, schema=schema)
    await oracle.execute(f"DROP TABLE {sql} CASCADE")
    done = await restore_backup(engine, backup)
    assert (done.unproven, done.left, done.overwritten) == ((), (), None)
    await cleared(oracle)
    assert changed(before, await ordered(dsn)) == []


@pytest.mark.parametrize("case", CASES)
async def test_in_place_it_is_the_same(engine, oracle, dsn, case):
    schema, name, sql = await made(oracle, case)
    before = await ordered(dsn)
    oid = await oracle.fetchval("SELECT $1::regclass::oid", sql)
    backup = await backup_table(engine, name, schema=schema)
    done = await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)
    assert (done.unproven, done.overwritten.kind) == ((), "copy")
    await cleared(oracle)
    assert await oracle.fetchval("SELECT $1::regclass::oid", sql) == oid
    assert changed(before, await ordered(dsn)) == []


async def test_rows_that_have_changed_are_not_replaced_unasked(engine, oracle, table):
    backup = await backup_table(engine, "t")
    await oracle.execute("UPDATE t SET s = 'x' WHERE id = 1")
    with pytest.raises(RestoreRefused, match="its rows are others"):
        await restore_backup(engine, backup)
    with pytest.raises(DestructiveMigrationBlocked, match=r"public\.t: 2 rows"):
        await restore_backup(engine, backup, overwrite=True)
    done = await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)
    assert await oracle.fetchval("SELECT string_agg(s, '' ORDER BY id) FROM t") == "ab"
    await restore_backup(engine, done.overwritten, overwrite=True, settings=ALLOWED)
    assert await oracle.fetchval("SELECT string_agg(s, '' ORDER BY id) FROM t") == "xb"


async def test_a_table_that_has_not_changed_is_left_alone(engine, oracle, table):
    backup = await backup_table(engine, "t")
    before = await oracle.fetch("SELECT xmin, * FROM t")
    assert (await restore_backup(engine, backup)).overwritten is None
    assert await oracle.fetch("SELECT xmin, * FROM t") == before


async def test_into_an_empty_table_it_goes_unasked(engine, oracle, table):
    backup = await backup_table(engine, "t")
    await oracle.execute("TRUNCATE t RESTART IDENTITY")
    await restore_backup(engine, backup)
    assert await oracle.fetchval("SELECT count(*) FROM t") == 2
    assert await oracle.fetchval("SELECT nextval('t_id_seq')") == 3


async def test_a_table_of_another_shape_is_exchanged(engine, oracle, dsn, table):
    await oracle.execute("CREATE VIEW v AS SELECT s FROM t; CREATE INDEX i ON t (s)")
    before = await ordered(dsn)
    backup = await backup_table(engine, "t")
    await oracle.execute("ALTER TABLE t ADD x int; DROP INDEX i")
    with pytest.raises(RestoreRefused, match="built otherwise"):
        await restore_backup(engine, backup)
    done = await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)
    assert done.overwritten.kind == "move"
    await oracle.execute(f'DROP SCHEMA "{done.overwritten.relation.schema}" CASCADE')
    await cleared(oracle)
    assert changed(before, await ordered(dsn)) == []


async def test_d11_an_exchange_takes_nothing_new_along(engine, oracle, table):
    backup = await backup_table(engine, "t")
    await oracle.execute("ALTER TABLE t ADD x int; CREATE VIEW late AS SELECT * FROM t")
    with pytest.raises(HasDependants, match=r"view public\.late"):
        await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)


async def test_while_it_is_restored_no_trigger_fires_and_no_key_looks(engine, oracle, table):
    await oracle.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
        "CREATE TABLE child (t int REFERENCES t ON DELETE CASCADE); INSERT INTO child VALUES (1);"
        "CREATE TRIGGER a BEFORE INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION no();"
        "CREATE TRIGGER b BEFORE TRUNCATE ON t EXECUTE FUNCTION no();"
        "CREATE TRIGGER c BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no();"
        "ALTER TABLE t DISABLE TRIGGER c; CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING;"
        "CREATE RULE r2 AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t DISABLE RULE r2"
    )
    backup = await backup_table(engine, "t")
    await oracle.execute("UPDATE t SET s = 'x'")
    await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)
    assert await oracle.fetchval("SELECT string_agg(s, '' ORDER BY id) FROM t") == "ab"
    assert await oracle.fetchval("SELECT count(*) FROM child") == 1
    states = "SELECT string_agg(tgenabled::text, '' ORDER BY tgname) FROM pg_trigger"
    assert await oracle.fetchval(
        f"{states} WHERE tgrelid = 't'::regclass AND NOT tgisinternal"
    ) == ("OOD")
    rules = "SELECT string_agg(ev_enabled::text, '' ORDER BY rulename) FROM pg_rewrite"
    assert await oracle.fetchval(f"{rules} WHERE ev_class = 't'::regclass") == "OD"


async def test_what_is_damaged_is_not_restored(engine, oracle, table):
    backup = await backup_table(engine, "t")
    await oracle.execute(f"UPDATE {backup.relation} SET s = 'x' WHERE id = 1; DROP TABLE t")
    with pytest.raises(BackupEdited, match="1 of 2 rows"):
        await restore_backup(engine, backup)
    assert not await oracle.fetchval("SELECT to_regclass('t')::oid")


async def test_m04_the_target_is_the_registered_original(engine, oracle):
    await oracle.execute("CREATE TABLE chunks_backup AS SELECT 1 AS x")
    await oracle.execute("CREATE TABLE chunks AS SELECT 2 AS x")
    backup = await backup_table(engine, "chunks")
    await oracle.execute("DROP TABLE chunks")
    assert (await restore_backup(engine, backup)).table == Name("chunks", "public")
    assert await oracle.fetchval("SELECT x FROM chunks_backup") == 1


async def test_beside_the_table_under_another_name(engine, oracle, table):
    await oracle.execute("CREATE TYPE mood AS ENUM ('ok'); ALTER TABLE t ADD m mood DEFAULT 'ok'")
    backup = await backup_table(engine, "t", where="id = 1")
    done = await restore_backup(engine, backup, to='"; drop')
    assert (done.rows, done.table) == (1, Name('"; drop', "public"))
    row = await oracle.fetchrow('SELECT *, pg_typeof(m)::text AS type FROM """; drop"')
    assert tuple(row) == (1, "a", "ok", "mood")
    with pytest.raises(RestoreRefused, match="some of the rows only"):
        await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)


async def test_beside_it_in_a_schema(engine, oracle, table):
    await oracle.execute("CREATE SCHEMA app")
    backup = await backup_table(engine, "t")
    done = await restore_backup(engine, backup, to="a.b", schema="app")
    assert (done.table, done.rows) == (Name("a.b", "app"), 2)
    done = await restore_backup(engine, backup, to=Name("c", "app"), schema="public")
    assert done.table == Name("c", "app")
    with pytest.raises(ConfigurationError, match=r"says where to=… is made"):
        await restore_backup(engine, backup, schema="app")


async def test_a_copy_is_kept_unless_told(engine, oracle, table):
    backup = await backup_table(engine, "t")
    await oracle.execute("DROP TABLE t")
    await restore_backup(engine, backup)
    assert [each.name for each in await list_backups(engine)] == [backup.name]
    await oracle.execute("DROP TABLE t")
    await restore_backup(engine, backup, drop_backup=True)
    assert await list_backups(engine) == ()
    assert not await oracle.fetchval("SELECT to_regclass($1)::oid", str(backup.relation))


async def test_of_the_references_backups_only_rows_can_be_had(engine, oracle):
    await oracle.execute(
        "CREATE TABLE migration_backups (id SERIAL PRIMARY KEY, backup_table_name VARCHAR NOT NULL,"
        " original_table_name VARCHAR NOT NULL, record_count INTEGER NOT NULL,"
        " created_at TIMESTAMPTZ DEFAULT NOW(), migration_revision VARCHAR,"
        " retention_until TIMESTAMPTZ);"
        "CREATE TABLE a_backup_20250101_000000 AS SELECT 1 AS x;"
        "INSERT INTO migration_backups (backup_table_name, original_table_name, record_count)"
        " VALUES ('a_backup_20250101_000000', 'a', 1)"
    )
    with pytest.raises(ConfigurationError, match="only its rows are there"):
        await restore_backup(engine, "a_backup_20250101_000000")
    await restore_backup(engine, "a_backup_20250101_000000", to="a")
    assert await oracle.fetchval("SELECT x FROM a") == 1


async def test_nothing_is_left_of_a_restore_that_fails(engine, oracle, dsn, table):
    await oracle.execute("CREATE TYPE mood AS ENUM ('ok'); ALTER TABLE t ADD m mood DEFAULT 'ok'")
    backup = await backup_table(engine, "t")
    await oracle.execute("DROP TABLE t; DROP TYPE mood; CREATE TYPE mood AS ENUM ('no', 'oh')")
    before = await dumped(dsn)
    with pytest.raises(Exception, match=r"invalid input value for enum"):
        await restore_backup(engine, backup)
    assert changed(before, await dumped(dsn)) == []


async def test_beside_the_original_it_has_the_name_that_is_said(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x; CREATE SCHEMA other")
    backup = await backup_table(engine, "t")
    done = await restore_backup(engine, backup, to="o.2", schema="other")
    assert done.table == Name("o.2", "other")
    assert await oracle.fetchval('SELECT x FROM other."o.2"') == 1
    with pytest.raises(ConfigurationError, match="that is not given"):
        await restore_backup(engine, backup, schema="other")
