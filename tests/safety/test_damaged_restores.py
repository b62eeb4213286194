"""What was changed since it was put away is not put back unseen, and refusals say what to do."""

import pytest

from schemakit.errors import (
    BackupEdited,
    BackupMissing,
    BackupTruncated,
    ConfigurationError,
    DestructiveMigrationBlocked,
    RestoreRefused,
)
from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_table,
    cleanup_backups,
    drop_table,
    list_backups,
    restore_backup,
    verify_backup,
)
from schemakit.sql.name import Name

ALLOWED = Settings(allow_destructive="a test", lock_timeout=1, retry_for=0)


@pytest.fixture
async def table(oracle):
    await oracle.execute(
        'CREATE TABLE "T; t" (id int PRIMARY KEY, s text);'
        """INSERT INTO "T; t" SELECT n, 'a' FROM generate_series(1, 100) AS n"""
    )


@pytest.fixture
async def moved(engine, table):
    return await drop_table(engine, "T; t", settings=ALLOWED)


EDITS = {
    "edited": ("UPDATE {} SET s = 'x' WHERE id = 1", BackupEdited),
    "shortened": ("DELETE FROM {} WHERE id = 1", BackupTruncated),
    "index dropped": ('ALTER TABLE {} DROP CONSTRAINT "T; t_pkey"', BackupMissing),
}


@pytest.mark.parametrize("edit", EDITS)
async def test_a_verified_move_is_compared_before_it_comes_back(engine, oracle, moved, edit):
    statement, error = EDITS[edit]
    await verify_backup(engine, moved)
    await oracle.execute(statement.format(moved.relation))
    with pytest.raises(error) as caught:
        await restore_backup(engine, moved)
    assert error is BackupMissing or "unverified=True (--unverified)" in caught.value.remedy
    assert [each.name for each in await list_backups(engine)] == [moved.name]
    done = await restore_backup(engine, moved, unverified=True)
    assert done.rows == await oracle.fetchval('SELECT count(*) FROM "T; t"')


async def test_a_whole_one_comes_back_with_its_number_of_rows(engine, moved):
    await verify_backup(engine, moved)
    done = await restore_backup(engine, moved)
    assert (done.rows, done.exact) == (100, True)


async def test_without_a_digest_its_number_of_rows_is_true(engine, oracle, moved):
    await oracle.execute(f"DELETE FROM {moved.relation} WHERE id = 1")
    with pytest.raises(BackupTruncated, match="has 99 rows, and had 100"):
        await restore_backup(engine, moved)
    done = await restore_backup(engine, moved, unverified=True)
    assert (done.rows, done.exact) == (99, True)


async def test_what_takes_long_to_count_is_estimated(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 500000) AS n")
    moved = await drop_table(engine, "t", settings=ALLOWED)
    assert not moved.exact
    done = await restore_backup(engine, moved)
    assert not done.exact
    assert f"about {done.rows:,} rows" in str(done)


async def test_an_edited_copy_is_told_from_one_that_lost_rows(engine, oracle, table):
    copy = await backup_table(engine, "T; t")
    await oracle.execute(f"""DROP TABLE "T; t"; UPDATE {copy.relation} SET s = '' WHERE id = 1""")
    with pytest.raises(BackupEdited, match="99 of 100 rows are still as they were; it has 100"):
        await restore_backup(engine, copy)
    await oracle.execute(f"DELETE FROM {copy.relation} WHERE id = 2")
    with pytest.raises(BackupTruncated, match=r"it has 99.*\n.*to=… \(--to\)"):
        await restore_backup(engine, copy)
    assert (await restore_backup(engine, copy, to="rest")).rows == 99


@pytest.mark.parametrize("reason", [True, None, 1, "  ", " yes"])
def test_what_is_no_reason_is_refused(reason):
    with pytest.raises(ConfigurationError, match="give a reason, a str"):
        Settings(allow_destructive=reason)


async def test_to_look_takes_no_permission(engine, moved):
    found = await cleanup_backups(engine, [moved], dry_run=True)
    assert ([each.name for each in found.removed], found.dry_run) == ([moved.name], True)
    with pytest.raises(DestructiveMigrationBlocked, match="--allow-destructive"):
        await cleanup_backups(engine, [moved])


async def test_beside_takes_a_name_that_is_free(engine, table):
    copy = await backup_table(engine, "T; t")
    with pytest.raises(RestoreRefused, match="choose another name"):
        await restore_backup(engine, copy, to="T; t")
    with pytest.raises(RestoreRefused, match="There is no schema 'no; where'"):
        await restore_backup(engine, copy, to=Name("new", "no; where"))


NEEDY = """
CREATE ROLE "{role}"; CREATE SCHEMA "a;b";
CREATE TYPE "a;b".mood AS ENUM ('ok'); CREATE TABLE parent (id int PRIMARY KEY);
CREATE FUNCTION "a;b".next() RETURNS int LANGUAGE sql AS 'SELECT 1';
INSERT INTO parent VALUES (1);
CREATE TABLE needy (id int PRIMARY KEY DEFAULT "a;b".next(), m "a;b".mood NOT NULL,
                    p int CONSTRAINT "to parent" REFERENCES parent);
CREATE TABLE child (n int CONSTRAINT "from child" REFERENCES needy);
GRANT SELECT ON needy TO "{role}"; INSERT INTO needy VALUES (1, 'ok', 1)
"""


async def test_all_that_is_missing_is_named_at_once(engine, oracle):
    role = "r;" + await oracle.fetchval("SELECT md5(random()::text)")
    await oracle.execute(NEEDY.format(role=role))
    copy = await backup_table(engine, "needy")
    await oracle.execute(
        f'DROP TABLE needy, parent, child; DROP SCHEMA "a;b" CASCADE; DROP ROLE "{role}"'
    )
    with pytest.raises(RestoreRefused) as caught:
        await restore_backup(engine, copy)
    for each in (f"role {role}", 'type "a;b".mood', 'function "a;b".next()'):
        assert f"  {each}" in str(caught.value)
    beside = await restore_backup(engine, copy, to="rows")
    assert beside.rows == 1
    assert tuple(await oracle.fetchrow("SELECT * FROM rows")) == (1, "ok", 1)
    try:
        await oracle.execute(
            f'CREATE ROLE "{role}"; CREATE SCHEMA "a;b"; CREATE TYPE "a;b".mood AS ENUM (\'ok\');'
            """CREATE FUNCTION "a;b".next() RETURNS int LANGUAGE sql AS 'SELECT 1'"""
        )
        done = await restore_backup(engine, copy)
        assert set(done.left) == {
            "foreign key to parent of public.needy to public.parent",
            "foreign key from child of public.child to public.needy",
        }
        assert (done.rows, done.unproven) == (1, ())
    finally:
        await oracle.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')
