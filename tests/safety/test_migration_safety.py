"""Inside migrations: the reference's functions with only the import changed, and the operations."""

import os
import subprocess
import sys

import anyio.to_thread
import pytest

import schemakit
from schemakit import Settings
from schemakit.errors import RevisionFailed, StatementRefused
from schemakit.migration_safety import is_temporary_migration_table
from schemakit.safety import (
    cleanup_backups,
    drop_table,
    export_backup,
    import_backup,
    list_backups,
    restore_backup,
    verify_backup,
)

#: As its documentation has it.
PATTERN = """
from schemakit.migration_safety import (
    create_table_backup, require_destructive_flag, safe_drop_table, verify_backup,
)
conn = op.get_bind()
require_destructive_flag("DROP TABLE chunks CASCADE")
name, rows = create_table_backup(conn, "chunks", revision, check_exists=True)
if name and rows > 0:
    if not verify_backup(conn, name, rows):
        raise RuntimeError("Backup verification failed for chunks")
safe_drop_table(conn, "chunks", revision, cascade=True, backup=True)
op.execute("CREATE TABLE chunks (id bigint)")
"""
CHUNKS = "CREATE TABLE chunks AS SELECT n AS id, n::text AS t FROM generate_series(1, 1000) AS n"
VIEW = "CREATE VIEW totals AS SELECT count(*) AS n FROM chunks"
ALLOWED = Settings(allow_destructive="ticket 4711")


def migrating(directory, body):
    opening = "from schemakit import migration_safety as ms\nconn = op.get_bind()\n"
    return directory.revision("r1", opening + body, down=None)


async def upgraded(engine, directory, body, settings=ALLOWED):
    return await schemakit.upgrade(engine, migrations=migrating(directory, body), settings=settings)


async def test_the_documented_pattern_runs_with_the_import_changed(
    engine, oracle, directory, monkeypatch
):
    monkeypatch.setenv("ALLOW_DESTRUCTIVE_MIGRATIONS", "true")
    await oracle.execute(f"{CHUNKS}; {VIEW}")
    await schemakit.upgrade(engine, migrations=directory.revision("r1", PATTERN))
    moved, copy = await list_backups(engine)
    assert [(each.kind, each.rows, each.revision) for each in (moved, copy)] == [
        ("move", 1000, "r1"),
        ("copy", 1000, "r1"),
    ]
    assert moved.reason == "ALLOW_DESTRUCTIVE_MIGRATIONS=true"
    assert (await verify_backup(engine, copy)).rows == 1000
    await restore_backup(engine, moved, overwrite=True)
    assert await oracle.fetchval("SELECT n FROM totals") == 1000


async def test_d01_without_permission_nothing_is_touched(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    with pytest.raises(RevisionFailed, match="nobody has allowed it"):
        await schemakit.upgrade(engine, migrations=directory.revision("r1", PATTERN))
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000
    assert await list_backups(engine) == ()


@pytest.mark.parametrize(
    "call",
    ["ms.safe_drop_table(conn, 'chunks', 'r1')", "ms.safe_drop_table(conn, 'chunks', backup=False)",
     "op.safe_drop_table('chunks')", "op.safe_drop_table('chunks', backup=False)"],
)  # fmt: skip
async def test_d01_a_drop_counts_for_itself(engine, oracle, directory, call):
    await oracle.execute(CHUNKS)
    with pytest.raises(RevisionFailed, match="1,000 rows"):
        await upgraded(engine, directory, call, Settings())
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000


async def test_the_runs_own_permission_is_one(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    body = "ms.require_destructive_flag('drop')\nms.safe_drop_table(conn, 'chunks')"
    await upgraded(engine, directory, body)
    (moved,) = await list_backups(engine)
    assert (moved.reason, moved.revision) == ("ticket 4711", "r1")


async def test_d02_what_cannot_be_counted_is_an_error_and_no_0(engine, oracle, directory):
    with pytest.raises(RevisionFailed, match="There is no such table"):
        await upgraded(engine, directory, "ms.get_table_row_count(conn, 'nothing')")


async def test_d03_after_a_refusal_the_transaction_goes_on(engine, oracle, directory):
    await oracle.execute(f"{CHUNKS}; {VIEW}")
    body = """
from schemakit.errors import HasDependants
try:
    ms.safe_drop_table(conn, "chunks", "r1")
except HasDependants:
    pass
assert ms.get_table_row_count(conn, "chunks") == 1000
name, rows = ms.create_table_backup(conn, "chunks")
assert (ms.verify_backup(conn, name, rows), rows) == (True, 1000)
"""
    await upgraded(engine, directory, body)
    assert [each.rows for each in await list_backups(engine)] == [1000]


async def test_d06_a_table_elsewhere_is_not_nothing(engine, oracle, directory):
    await oracle.execute("CREATE SCHEMA app; CREATE TABLE app.orders AS SELECT 1 AS x")
    for call in (
        "ms.safe_drop_table(conn, 'orders')",
        "ms.safe_drop_table(conn, 'app.orders')",
        "ms.create_table_backup(conn, 'orders')",
    ):
        with pytest.raises(RevisionFailed, match="schema apart"):
            await upgraded(engine, directory, call)
    body = """
assert ms.safe_drop_table(conn, "nowhere") == (None, 0)
assert ms.create_table_backup(conn, "nowhere") == (None, 0)
assert not ms.check_table_exists(conn, "nowhere")
assert ms.check_table_exists(conn, "orders", schema="app")
name, rows = ms.safe_drop_table(conn, "orders", schema="app")
assert name.startswith("orders_backup_") and rows == 1
"""
    await upgraded(engine, directory, body)


async def test_d10_verification_looks_at_the_content(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    body = """
name, rows = ms.create_table_backup(conn, "chunks")
assert not ms.verify_backup(conn, name, rows + 1)
assert not ms.verify_backup(conn, "unknown_backup_20260101_000000", 0)
assert not ms.verify_backup(conn, "", 0)
op.execute(f"UPDATE schemakit_backups.{name} SET t = 'x' WHERE id = 5")
assert not ms.verify_backup(conn, name, rows)
op.execute(f"DELETE FROM schemakit_backups.migration_backups; DROP TABLE schemakit_backups.{name}")
name, rows = ms.create_table_backup(conn, "chunks")
"""
    await upgraded(engine, directory, body)
    (copy,) = await list_backups(engine)
    await oracle.execute(f"UPDATE {copy.relation} SET t = 'y' WHERE id = 6")
    body = f"assert not ms.verify_backup(conn, {copy.name!r}, 1000)"
    directory.revision("r2", "from schemakit import migration_safety as ms\nconn = op.get_bind()\n"
                       + body)  # fmt: skip
    await schemakit.upgrade(engine, migrations=directory)


async def test_d11_a_restore_goes_to_its_own_table_and_keeps_what_is_there(
    engine, oracle, directory
):
    await oracle.execute(f"{CHUNKS}; CREATE TABLE other AS SELECT 1 AS x")
    body = """
import pytest
from schemakit.errors import BackupUnknown, RestoreRefused
name, rows = ms.create_table_backup(conn, "chunks")
with pytest.raises(RestoreRefused):
    ms.restore_from_backup(conn, "other", name)
with pytest.raises(BackupUnknown):
    ms.restore_from_backup(conn, "chunks", "unknown_backup_20260101_000000")
op.execute("DELETE FROM chunks WHERE id > 10; INSERT INTO chunks VALUES (0, 'new')")
assert ms.restore_from_backup(conn, "chunks", name, drop_backup=True) is True
"""
    await upgraded(engine, directory, body)
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000
    (kept,) = await list_backups(engine)
    assert kept.rows == 11


async def test_d12_what_goes_wrong_is_raised(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    body = """
name, rows = ms.create_table_backup(conn, "chunks")
op.execute("DELETE FROM chunks WHERE id > 10")
ms.restore_from_backup(conn, "chunks", name)
"""
    with pytest.raises(RevisionFailed, match="nobody has allowed it"):
        await upgraded(engine, directory, body, Settings())
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000
    assert await list_backups(engine) == ()


async def test_d13_no_name_exempts_a_table(engine, oracle, directory):
    await oracle.execute("CREATE TABLE customers_new AS SELECT generate_series(1, 50) AS x")
    assert is_temporary_migration_table("customers_new")
    body = "ms.safe_drop_table(conn, 'customers_new', 'r1', backup=False)"
    with pytest.raises(RevisionFailed, match="customers_new: 50 rows"):
        await upgraded(engine, directory, body, Settings())
    await upgraded(engine, directory, body)
    assert not await oracle.fetchval("SELECT to_regclass('customers_new')::oid")


async def test_d18_the_import_collides_with_nothing():
    import alembic  # noqa: PLC0415

    assert "schemakit" not in alembic.__file__


@pytest.mark.parametrize("name", ["customers_tmp", "t_backup_20260101_120000", "a_old"])
def test_names_of_temporary_tables(name):
    assert is_temporary_migration_table(name)
    assert not is_temporary_migration_table(f"{name}s")


async def test_data_is_required_where_that_was_asked(engine, oracle, directory):
    await oracle.execute("CREATE TABLE chunks (x int)")
    body = """
assert ms.create_table_backup(conn, "chunks", "r1", True, True) == (None, 0)
name, rows = ms.create_table_backup(conn, "chunks", "r1")
assert name and rows == 0
ms.ensure_migration_backups_table(conn)
"""
    await upgraded(engine, directory, body)


async def test_the_operations(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    directory.revision(
        "r1",
        """
        backup = op.backup_table("chunks", where="id <= 10")
        assert backup.rows == 10, backup
        beside = op.restore_backup(backup, to="a few")
        assert beside.rows == 10
        assert op.safe_drop_table("nowhere") is None
        moved = op.safe_drop_table("chunks", schema="public")
        assert moved.rows == 1000
        """,
        """
        from schemakit.migration_safety import restore_from_backup
        found = op.get_bind().exec_driver_sql(
            "SELECT backup_table_name FROM schemakit_backups.migration_backups"
            " WHERE kind = 'move'").scalar()
        op.restore_backup(found)
        """,
    )
    await schemakit.upgrade(engine, migrations=directory, settings=ALLOWED)
    assert await oracle.fetchval('SELECT count(*) FROM "a few"') == 10
    assert not await oracle.fetchval("SELECT to_regclass('chunks')::oid")
    await schemakit.downgrade(engine, "base", migrations=directory, settings=ALLOWED)
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000


async def test_a_downgrade_names_the_table_and_the_revision(engine, oracle, directory):
    await oracle.execute(f'{CHUNKS}; CREATE TABLE "o; t" AS SELECT 1 AS x')
    directory.revision(
        "r1",
        'op.backup_table("chunks"); op.safe_drop_table("chunks"); op.safe_drop_table("o; t")',
        """
        import pytest
        from schemakit.errors import BackupUnknown, ConfigurationError
        for table, revision in (("nowhere", "r1"), ("chunks", "r0")):
            with pytest.raises(BackupUnknown, match="list_backups"):
                op.restore_backup(table=table, revision=revision)
        for values in ({}, {"revision": "r1"}, {"backup": "b", "table": "chunks"}):
            with pytest.raises(ConfigurationError, match="a table and a revision"):
                op.restore_backup(**values)
        assert op.restore_backup(table="chunks", revision="r1").backup.kind == "move"
        op.restore_backup(table="o; t", schema="public")
        """,
        down=None,
    )
    await schemakit.upgrade(engine, migrations=directory, settings=ALLOWED)
    await schemakit.downgrade(engine, "base", migrations=directory)
    assert await oracle.fetchval('SELECT count(*) FROM chunks, "o; t"') == 1000
    assert [each.kind for each in await list_backups(engine)] == ["copy"]


async def test_an_operation_says_for_how_long_what_it_drops_is_kept(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    body = "made = op.safe_drop_table('chunks', retention_days=90)"
    await upgraded(engine, directory, f"{body}\nassert (made.kept_until - made.read).days >= 89")
    (backup,) = await list_backups(engine)
    assert (backup.kept_until - backup.created).days >= 89


async def test_a_revision_that_fails_takes_its_backups_along(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    with pytest.raises(RevisionFailed):
        await upgraded(engine, directory, "ms.safe_drop_table(conn, 'chunks')\n1 / 0")
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000
    assert await list_backups(engine) == ()


CALLS = ["ms.safe_drop_table(conn, 'chunks')", "op.safe_drop_table('chunks')",
         "op.backup_table('chunks')", "op.restore_backup('chunks_backup')",
         "ms.create_table_backup(conn, 'chunks')"]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
async def test_a_script_refuses_them(directory, call):
    with pytest.raises(StatementRefused, match="guard it with"):
        await schemakit.render_sql("head", migrations=migrating(directory, call))


@pytest.mark.parametrize("call", CALLS)
async def test_a_plan_writes_nothing_and_says_that_it_cannot_know(engine, oracle, directory, call):
    await oracle.execute(CHUNKS)
    found = await schemakit.plan(engine, migrations=migrating(directory, call), settings=ALLOWED)
    (planned,) = found.revisions
    assert "asks the database, and a script has none" in planned.unknown
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000


async def test_a_rehearsal_shows_them_and_leaves_nothing(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    body = "ms.create_table_backup(conn, 'chunks')\nms.safe_drop_table(conn, 'chunks')"
    found = await schemakit.plan(
        engine, rehearse=True, migrations=migrating(directory, body), settings=ALLOWED
    )
    assert not found.failed
    sent = [each.sql for each in found.revisions[0].statements]
    assert any(sql.startswith("CREATE TABLE") and "AS SELECT" in sql for sql in sent)
    assert any("SET SCHEMA" in sql for sql in sent)
    assert not [sql for sql in sent if sql.startswith(("SAVEPOINT", "SELECT pg_catalog.set"))]
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000
    assert await list_backups(engine) == ()


async def test_an_error_names_the_statement_that_was_under_way(engine, oracle, directory):
    await oracle.execute("CREATE TABLE t AS SELECT 0 AS x")
    with pytest.raises(RevisionFailed) as caught:
        await upgraded(engine, directory, "op.backup_table('t', where='1 / x = 1')")
    assert "CREATE TABLE schemakit_backups" in (caught.value.statement or "").replace('"', "")


async def test_in_an_autocommit_block(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    body = """
with op.get_context().autocommit_block():
    op.safe_drop_table("chunks")
"""
    await upgraded(engine, directory, body)
    assert [each.rows for each in await list_backups(engine)] == [1000]


async def test_in_the_callers_transaction(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    migrating(directory, "ms.safe_drop_table(conn, 'chunks')")
    async with engine.connect() as connection:
        await connection.begin()
        await schemakit.upgrade(connection, migrations=directory, settings=ALLOWED)
        assert len(await list_backups(connection)) == 1
        await connection.rollback()
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 1000


async def test_autogenerate_leaves_what_is_kept_alone(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    await upgraded(engine, directory, "op.backup_table('chunks')\nop.safe_drop_table('chunks')")
    directory.env(
        """
        import sqlalchemy as sa
        from schemakit.env import run
        run(target_metadata=sa.MetaData(), include_schemas=True)
        """
    )
    found = await schemakit.check(engine, migrations=directory)
    assert found.differences == ()


async def test_under_alembic_itself_with_our_env(engine, oracle, directory, database_url):
    await oracle.execute(CHUNKS)
    (directory.project / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    directory.env("from schemakit.env import run\nrun()")
    directory.revision("r1", PATTERN)
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-m", "alembic.config", "upgrade", "head"],
            cwd=directory.project,
            env=os.environ | {"DATABASE_URL": database_url, "ALLOW_DESTRUCTIVE_MIGRATIONS": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
    )
    assert done.returncode == 0, done.stderr
    assert [each.kind for each in await list_backups(engine)] == ["move", "copy"]


@pytest.mark.parametrize("table", ["chunks", 'odd; "x" ü'])
async def test_a_later_drop_of_an_extension_says_which_backups_need_it(
    engine, oracle, directory, table, tmp_path
):
    quoted = '"' + table.replace('"', '""') + '"'
    await oracle.execute(
        f"CREATE EXTENSION citext; CREATE TABLE {quoted} (x citext);"
        f" INSERT INTO {quoted} VALUES ('A')"
    )
    moved = await drop_table(engine, table, settings=ALLOWED)
    with pytest.raises(RevisionFailed) as caught:
        await upgraded(engine, directory, 'op.execute("DROP EXTENSION citext")')
    assert moved.name in caught.value.remedy
    await export_backup(engine, moved, tmp_path / "kept")
    await cleanup_backups(engine, [moved], settings=ALLOWED)
    await upgraded(engine, directory, 'op.execute("DROP EXTENSION citext")')
    kept = await import_backup(engine, tmp_path / "kept")
    assert await oracle.fetchval(f"SELECT x FROM {kept.relation}") == "A"


async def test_of_what_something_else_needs_there_is_nothing_to_say(engine, oracle, directory):
    await oracle.execute(f"{CHUNKS}; {VIEW}")
    with pytest.raises(RevisionFailed) as caught:
        await upgraded(engine, directory, 'op.execute("DROP TABLE chunks")')
    assert "backup" not in caught.value.remedy
    assert "view totals depends on table chunks" in str(caught.value)


async def test_what_an_operation_refuses_is_not_blamed_on_a_statement(engine, oracle, directory):
    await oracle.execute(CHUNKS)
    moved = await drop_table(engine, "chunks", settings=ALLOWED)
    await oracle.execute(CHUNKS)
    with pytest.raises(RevisionFailed, match=r"There is another public\.chunks now") as caught:
        await upgraded(engine, directory, f'op.restore_backup("{moved.name}")')
    assert caught.value.statement is None
    assert "statement" not in str(caught.value)
