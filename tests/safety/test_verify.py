"""Backups compared with what was put away: every kind of damage is told apart."""

import pytest
from sqlalchemy import text
from tests.safety import everything as given

from schemakit.catalog.differences import FACETS
from schemakit.errors import (
    BackupAltered,
    BackupEdited,
    BackupMissing,
    BackupTruncated,
    BackupUnknown,
)
from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_table,
    drop_table,
    list_backups,
    restore_backup,
    verify_backup,
)
from schemakit.sql.literal import literal

ALLOWED = Settings(allow_destructive="a test", lock_timeout=1, retry_for=0)
REGISTRY = "schemakit_backups.migration_backups"


@pytest.fixture
async def backup(engine, oracle):
    await oracle.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n numeric, s text, j json);"
        "INSERT INTO t VALUES (1, 1.0, 'a', '1'), (2, 2.0, 'b', '2'), (3, 3.0, 'c', '3')"
    )
    return await backup_table(engine, "t")


@pytest.fixture
async def moved(engine, oracle):
    await oracle.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n numeric, s text, j json);"
        "INSERT INTO t VALUES (1, 1.0, 'a', '1'), (2, 2.0, 'b', '2'), (3, 3.0, 'c', '3')"
    )
    return await drop_table(engine, "t", settings=ALLOWED)


async def test_what_is_whole_is_told_with_what_was_compared(engine, backup):
    first = await verify_backup(engine, backup)
    assert (first.rows, first.against, first.facets) == (3, "seal", FACETS)
    assert len(first.facets) >= 24
    assert first.backup.verified is not None
    assert (await verify_backup(engine, backup.name)).against == "digest"


async def test_a_move_is_compared_with_its_first_verification(engine, moved):
    assert (await verify_backup(engine, moved)).against == "rows"
    assert (await verify_backup(engine, moved)).against == "digest"


DAMAGE = {
    "truncated": ("TRUNCATE {}", BackupTruncated, "has 0 rows, and had 3"),
    "shortened": ("DELETE FROM {} WHERE id = 1", BackupTruncated, "has 2 rows"),
    "enlarged": ("INSERT INTO {} VALUES (9)", BackupTruncated, "has 4 rows"),
    "edited": ("UPDATE {} SET s = 'x' WHERE id = 1", BackupEdited, r"Written since in .*: 1 row\."),
    "rewritten": ("UPDATE {} SET n = 1.00 WHERE id = 1", BackupEdited, r"1 row\."),
    "retyped": ("ALTER TABLE {} ALTER id TYPE bigint", BackupAltered, "column types.*id"),
    "renamed": ("ALTER TABLE {} RENAME id TO key", BackupMissing, "columns.*id: is missing"),
    "granted": ("GRANT SELECT ON {} TO PUBLIC", BackupAltered, "grants"),
    "column dropped": ("ALTER TABLE {} DROP s", BackupMissing, "columns.*s: is missing"),
    "dropped": ("DROP TABLE {}", BackupMissing, "is not there"),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_d10_damage_to_a_copy_is_told_apart(engine, oracle, backup, damage):
    statement, error, said = DAMAGE[damage]
    await oracle.execute(statement.format(backup.relation))
    with pytest.raises(error, match=said) as caught:
        await verify_backup(engine, backup)
    assert type(caught.value) is error


@pytest.mark.parametrize("damage", DAMAGE)
async def test_d10_and_once_it_was_verified(engine, oracle, backup, damage):
    await verify_backup(engine, backup)
    statement, error, _ = DAMAGE[damage]
    await oracle.execute(statement.format(backup.relation))
    with pytest.raises(error):
        await verify_backup(engine, backup)


MOVED = {
    **{name: DAMAGE[name] for name in ("truncated", "shortened", "retyped", "column dropped")},
    "dropped": DAMAGE["dropped"],
    "index dropped": ("ALTER TABLE {} DROP CONSTRAINT t_pkey", BackupMissing, "t_pkey"),
    "replaced": ("DROP TABLE {0}; CREATE TABLE {0} ()", BackupMissing, "is not there, or another"),
}


@pytest.mark.parametrize("damage", MOVED)
async def test_d10_damage_to_a_move_is_told_apart(engine, oracle, moved, damage):
    statement, error, said = MOVED[damage]
    await oracle.execute(statement.format(moved.relation, moved.relation.schema))
    with pytest.raises(error, match=said):
        await verify_backup(engine, moved)


async def test_a_move_whose_file_is_another_was_written_anew(engine, oracle, moved):
    await oracle.execute(f"VACUUM FULL {moved.relation}")
    with pytest.raises(BackupEdited, match="1 of the 1 tables and views"):
        await verify_backup(engine, moved)


async def test_once_verified_its_content_decides(engine, oracle, moved):
    await verify_backup(engine, moved)
    await oracle.execute(f"VACUUM FULL {moved.relation}")
    assert (await verify_backup(engine, moved)).against == "digest"


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE {} SET s = CASE id WHEN 1 THEN 'b' WHEN 2 THEN 'a' ELSE s END",  # swapped
        "UPDATE {} SET n = 1.00 WHERE id = 1",
        "UPDATE {} SET j = ' 1' WHERE id = 1",
        "UPDATE {} SET s = NULL WHERE id = 1",
    ],
)
async def test_d10_an_edit_of_a_move_shows_once_it_was_verified(engine, oracle, moved, edit):
    await verify_backup(engine, moved)
    await oracle.execute(edit.format(moved.relation))
    with pytest.raises(BackupEdited, match="another than when it was verified"):
        await verify_backup(engine, moved)


@pytest.mark.parametrize("workers", [0, 2])
async def test_the_digest_is_the_same_whoever_takes_it(engine, oracle, backup, workers):
    first = await verify_backup(engine, backup)
    database = await oracle.fetchval("SELECT current_database()")
    await oracle.execute(f"ALTER DATABASE \"{database}\" SET timezone = 'Asia/Tokyo'")
    assert (await verify_backup(engine, backup, workers=workers)).backup.digest == (
        first.backup.digest
    )


async def test_a_partition_that_is_gone_is_named(engine, oracle):
    await given.make(oracle, given.hundred_leaves())
    backup = await drop_table(engine, "chunks", cascade=True, settings=ALLOWED)
    await verify_backup(engine, backup)
    leaf = await oracle.fetchval(
        f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = {backup.oid} LIMIT 1"
    )
    await oracle.execute(f"DROP TABLE {leaf}")
    with pytest.raises(BackupMissing, match="partitions") as caught:
        await verify_backup(engine, backup)
    assert len(caught.value.differences) == 1


async def test_m06_what_is_not_there_is_an_error(engine):
    with pytest.raises(BackupUnknown):
        await verify_backup(engine, "nothing")


async def test_the_references_backups_are_compared_by_their_number_of_rows(engine, oracle):
    await oracle.execute(
        "CREATE TABLE migration_backups (id SERIAL PRIMARY KEY, backup_table_name VARCHAR NOT NULL,"
        " original_table_name VARCHAR NOT NULL, record_count INTEGER NOT NULL,"
        " created_at TIMESTAMPTZ DEFAULT NOW(), migration_revision VARCHAR,"
        " retention_until TIMESTAMPTZ);"
        "CREATE TABLE a_backup_20250101_000000 AS SELECT 1 AS x;"
        "INSERT INTO migration_backups (backup_table_name, original_table_name, record_count)"
        " VALUES ('a_backup_20250101_000000', 'a', 1)"
    )
    found = await verify_backup(engine, "a_backup_20250101_000000")
    assert (found.against, found.facets) == ("rows", ())
    await oracle.execute("TRUNCATE a_backup_20250101_000000")
    with pytest.raises(BackupTruncated):
        await verify_backup(engine, (await list_backups(engine))[0])


async def test_no_value_is_in_an_error(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 'secret' AS s")
    backup = await backup_table(engine, "t")
    await oracle.execute(f"UPDATE {backup.relation} SET s = 'secret 2'")
    with pytest.raises(BackupEdited) as caught:
        await verify_backup(engine, backup)
    assert "secret" not in str(caught.value)


#: An edit that the server's own hash, or a CAST, does not see: a type, what it was and is.
UNSEEN = {
    "a bigint that folds": ("bigint", "1", "4294967296"),
    "jsonb of another shape": ("jsonb", '{"a": {"b": 1}, "c": 2}', '{"a": {"b": 1, "c": 2}}'),
    "jsonb in one list more": ("jsonb", "[[1], 2]", "[[1, 2]]"),
    "blanks": ("bpchar", "a", "a  "),
    "an enum with a cast": ("color", "red", "green"),
    "a composite of NULLs": ("pair", "(,)", None),
}


@pytest.fixture
async def color(oracle):
    await oracle.execute(
        "CREATE TYPE color AS ENUM ('red', 'green'); CREATE TYPE pair AS (a int, b int);"
        " CREATE FUNCTION short(color) RETURNS text LANGUAGE sql AS $$SELECT 'red'::text$$;"
        " CREATE CAST (color AS text) WITH FUNCTION short(color)"
    )


@pytest.mark.parametrize("edit", UNSEEN)
@pytest.mark.parametrize("make", [backup_table, drop_table])
async def test_d10_an_edit_that_a_hash_or_a_cast_would_not_see_shows(
    engine, oracle, color, make, edit
):
    type_, was, is_ = UNSEEN[edit]
    await oracle.execute(f"CREATE TABLE t (x {type_})")
    await oracle.execute(f"INSERT INTO t VALUES ({literal(was)})")
    options = {} if make is backup_table else {"settings": ALLOWED}
    made = await make(engine, "t", **options)
    await verify_backup(engine, made)
    await oracle.execute(f"UPDATE {made.relation} SET x = {literal(is_)}")
    with pytest.raises(BackupEdited):
        await verify_backup(engine, made)


async def test_a_copy_keeps_what_a_cast_of_a_user_would_change(engine, oracle, color):
    await oracle.execute("CREATE TABLE t (x color, y pair)")
    await oracle.execute("INSERT INTO t VALUES ('red', '(,)'), ('green', NULL)")
    copy = await backup_table(engine, "t")
    await oracle.execute("DROP TABLE t")
    await restore_backup(engine, copy)
    found = await oracle.fetch("SELECT format('%s', x) AS x, y IS DISTINCT FROM NULL AS y FROM t")
    assert [tuple(row) for row in found] == [("red", True), ("green", False)]


async def test_the_search_path_changes_no_digest(engine, oracle):
    await oracle.execute(
        "CREATE SCHEMA app; CREATE TABLE app.x (); CREATE TABLE t (r regclass, m money);"
        " INSERT INTO t VALUES ('app.x', 1)"
    )
    moved = await drop_table(engine, "t", settings=ALLOWED)
    await verify_backup(engine, moved)
    async with engine.connect() as connection:
        await connection.execute(text("SET search_path = app, public"))
        assert (await verify_backup(connection, moved)).against == "digest"
