"""``schemakit backups …``, and what was wrong with the command it replaces: M1 to M13."""

import os
import pty
import sys

import pytest
from sqlalchemy import make_url
from tests.cli.conftest import PROGRAM

from schemakit.errors import OperationFailed
from schemakit.runner.settings import Settings
from schemakit.safety import backup_table, drop_table, list_backups

ALLOWED = Settings(allow_destructive="a test")
LEGACY = """
CREATE TABLE public.migration_backups (
  id serial PRIMARY KEY, backup_table_name varchar NOT NULL, original_table_name varchar NOT NULL,
  record_count integer NOT NULL, created_at timestamptz DEFAULT now(),
  migration_revision varchar, retention_until timestamptz)
"""


@pytest.fixture
def backups(on_database):
    """The program, of which the first word is ``backups``."""

    async def answer(*arguments):
        return await on_database("backups", *arguments)

    return answer


async def expired(oracle, backup):
    await oracle.execute(
        "UPDATE schemakit_backups.migration_backups SET retention_until = now() - interval '1 h'"
        " WHERE backup_table_name = $1",
        backup.name,
    )


async def legacy(oracle, name, original="t", *, table=True):
    """A backup of the reference's, which has expired."""
    await oracle.execute(
        "INSERT INTO public.migration_backups (backup_table_name, original_table_name,"
        " record_count, retention_until) VALUES ($1, $2, 1, now() - interval '1 day')",
        name,
        original,
    )
    if table:
        quoted = '"' + name.replace('"', '""') + '"'
        await oracle.execute(f"CREATE TABLE public.{quoted} AS SELECT 1 AS x")


async def names(oracle):
    rows = await oracle.fetch("SELECT backup_table_name FROM schemakit_backups.migration_backups")
    return {row[0] for row in rows}


async def test_m01_a_hostile_name_is_a_name(backups, oracle):
    await oracle.execute(LEGACY + "; CREATE TABLE victim AS SELECT 1 AS x")
    hostile = "bk; drop table victim; --"
    await legacy(oracle, hostile)
    await legacy(oracle, 'x"; drop table victim; --_backup_20200101_000000')
    answer = await backups("cleanup", "--yes")
    assert answer.code == 1
    assert f"kept {hostile}: " in answer.out
    assert await oracle.fetchval("SELECT count(*) FROM victim") == 1
    assert await names(oracle) == {hostile}


async def test_m02_mixed_case(backups, oracle, engine):
    await oracle.execute('CREATE TABLE "Mixed Case" AS SELECT 1 AS x')
    assert (await backups("create", "Mixed Case")).code == 0
    (backup,) = await list_backups(engine)
    assert backup.name.startswith("Mixed Case_backup_")
    await expired(oracle, backup)
    answer = await backups("cleanup", "--yes")
    assert (answer.code, answer.out.split()[0]) == (0, "removed")
    assert not await oracle.fetchval("SELECT to_regclass($1)::oid", str(backup.relation))
    assert await list_backups(engine) == ()


async def test_m03_one_that_fails_holds_up_no_other(backups, oracle, engine):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    made = [await backup_table(engine, "t") for _ in range(3)]
    for each in made:
        await expired(oracle, each)
    await oracle.execute(f"CREATE VIEW holds AS SELECT * FROM {made[1].relation}")
    answer = await backups("cleanup", "--yes", "--json")
    assert answer.code == 1
    assert {each["name"] for each in answer.json["removed"]} == {made[0].name, made[2].name}
    assert [each["backup"]["name"] for each in answer.json["failed"]] == [made[1].name]
    assert await names(oracle) == {made[1].name}
    assert await oracle.fetchval("SELECT count(*) FROM holds") == 1


async def test_m04_a_restore_goes_to_the_original(backups, oracle, engine):
    await oracle.execute("CREATE SCHEMA app; CREATE TABLE app.chunks AS SELECT 7 AS x")
    backup = await drop_table(engine, "chunks", schema="app", settings=ALLOWED)
    answer = await backups("restore", backup.name, "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json["table"] == {"name": "chunks", "schema": "app"}
    assert answer.json["rows"] == 1
    assert await oracle.fetchval("SELECT x FROM app.chunks") == 7
    assert not await oracle.fetchval("SELECT to_regclass('chunks_backup')::oid")


async def test_m05_extend_knows_what_there_is_and_never_shortens(backups, oracle, engine):
    answer = await backups("extend", "nothing_backup_20260101_000000")
    assert answer.code == 2
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    backup = await backup_table(engine, "t", retention_days=90)
    answer = await backups("extend", backup.name, "--days", "7", "--json")
    assert (answer.code, answer.json["kept_until"]) == (0, backup.kept_until.isoformat())
    answer = await backups("extend", backup.name, "--days", "200", "--json")
    assert answer.json["kept_until"] > backup.kept_until.isoformat()
    assert (await backups("extend", backup.name, "--days", "0")).code == 2


async def test_m06_a_failure_is_no_success(backups, oracle, engine):
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 3) AS x")
    good, bad = [await backup_table(engine, "t") for _ in range(2)]
    answer = await backups("verify", good.name)
    assert (answer.code, answer.out.split()[:2]) == (0, ["ok", f"{good.name}:"])
    await oracle.execute(f"DELETE FROM {bad.relation} WHERE x = 1")
    answer = await backups("verify", good.name, bad.name)
    assert answer.code == 1
    assert "has 2 rows, and had 3" in answer.out
    answer = await backups("verify", "--all", "--json")
    assert (answer.code, answer.json["damaged"][0]["type"]) == (1, "BackupTruncated")
    assert [each["backup"]["name"] for each in answer.json["verified"]] == [good.name]
    for misuse in (["verify"], ["verify", "--all", "x"], ["verify", "unknown"], ["nothing"]):
        assert (await backups(*misuse)).code == 2
    await oracle.execute(f"DROP TABLE {bad.relation}")
    assert (await backups("verify", bad.name)).code == 1
    assert (await backups("status")).code == 1


async def test_m07_an_empty_database_is_fine(backups, oracle):
    answer = await backups("list")
    assert (answer.code, answer.out, answer.err) == (0, "no backups\n", "")
    assert (await backups("list", "--json")).json == {"backups": []}
    answer = await backups("cleanup", "--yes")
    assert (answer.code, answer.out) == (0, "no expired backups\n")
    assert (await backups("verify", "--all")).code == 0
    assert not await oracle.fetchval("SELECT to_regnamespace('schemakit_backups')::oid")


async def test_with_nothing_to_remove_it_was_no_dry_run(backups, oracle, engine):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    await backup_table(engine, "t")
    answer = await backups("cleanup", "--yes", "--json")
    assert answer.json == {"removed": [], "failed": [], "dry_run": False}
    assert (await backups("cleanup", "--dry-run", "--json")).json["dry_run"] is True


async def test_what_is_had_of_a_damaged_backup_says_so(backups, oracle, engine):
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 5000) AS x")
    backup = await backup_table(engine, "t")
    assert "DAMAGED" not in (await backups("restore", backup.name, "--to", "whole")).out
    await oracle.execute(f"DELETE FROM {backup.relation} WHERE x = 1")
    answer = await backups("restore", backup.name, "--to", "rest")
    assert answer.code == 0
    assert "4,999 of 5,000 rows are as they were put away; it has 4,999." in answer.out
    await oracle.execute(f"UPDATE {backup.relation} SET x = 0 WHERE x = 2")
    answer = await backups("restore", backup.name, "--to", "more", "--json")
    assert answer.json["rows"] == 4999
    assert "4,998 of 5,000 rows are as they were put away" in answer.json["damaged"]
    moved = await drop_table(engine, "t", settings=ALLOWED)
    await oracle.execute(f"DELETE FROM {moved.relation} WHERE x = 1")
    answer = await backups("restore", moved.name, "--to", "left")
    assert "has 4,999 rows, and had 5,000" in answer.out


async def test_m08_status_of_nothing(backups, oracle, engine):
    answer = await backups("status")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("0 backups: 0 ACTIVE")
    await oracle.execute("CREATE TABLE t (x int)")
    await backup_table(engine, "t")
    answer = await backups("status", "--json")
    found = answer.json
    assert (found["rows"], found["missing"], found["orphans"]) == (0, [], [])
    assert found["statuses"] == {"ACTIVE": 1, "EXPIRING SOON": 0, "EXPIRED": 0}


async def test_m09_it_asks_first(backups, oracle, engine):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    backup = await backup_table(engine, "t")
    await expired(oracle, backup)
    answer = await backups("cleanup", "--dry-run")
    assert (answer.code, answer.out.split()[:2]) == (0, ["would", "remove"])
    answer = await backups("cleanup")
    assert answer.code == 2
    assert "give --yes" in answer.err
    assert await names(oracle) == {backup.name}
    assert (await backups("restore", backup.name, "--overwrite")).code == 2
    assert (await backups("cleanup", "--yes", "--json")).json["dry_run"] is False
    assert (await backups("cleanup", "--yes", "--json")).json["removed"] == []


async def test_m09_what_has_not_expired_takes_permission_as_well(backups, oracle, engine):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    backup = await backup_table(engine, "t")
    answer = await backups("cleanup", backup.name, "--yes")
    assert answer.code == 1
    assert "This destroys rows, and nobody has allowed it" in answer.err
    assert await names(oracle) == {backup.name}
    assert (await backups("cleanup", backup.name, "--yes", "--allow-destructive", "gone")).code == 0
    assert await names(oracle) == set()


@pytest.mark.parametrize(("said", "left"), [(b"n\n", 1), (b"y\n", 0)])
async def test_m09_on_a_terminal(spawn, oracle, engine, database_url, monkeypatch, said, left):
    monkeypatch.setenv("DATABASE_URL", database_url)
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    await expired(oracle, await backup_table(engine, "t"))
    ours, theirs = pty.openpty()
    os.write(ours, said)
    process = spawn("backups", "cleanup", stdin=theirs)
    _, err = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == left, err
    assert "Remove them? [y/N]" in err
    assert len(await list_backups(engine)) == left


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql", "postgresql+psycopg2"])
async def test_m10_any_url_and_no_password(program, database_url, oracle, driver, monkeypatch):
    url = make_url(database_url).set(drivername=driver, password="hunter2")  # noqa: S106 - made up
    monkeypatch.setenv("PGPASSWORD", make_url(database_url).password or "")
    shown = url.render_as_string(hide_password=False)
    answer = await program("backups", "create", "hunter2", "--database-url", shown)
    assert answer.code == 2
    assert "'***'" in answer.err
    assert "hunter2" not in answer.out + answer.err


async def test_m11_all_of_it_by_command_and_as_json(backups, oracle, tmp_path):
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 5) AS x")
    made = (
        await backups("create", "t", "--where", "x > 2", "--revision", "r9", "--days", "30",
                      "--schema", "public", "--json")
    ).json  # fmt: skip
    assert (made["rows"], made["kind"], made["revision"]) == (3, "copy", "r9")
    assert made["original"] == {"name": "t", "schema": "public"}
    assert made["status"] == "ACTIVE"
    assert (await backups("create", "t", "--max-bytes", "1")).code == 1
    file = tmp_path / "f"
    exported = await backups("export", made["name"], str(file))
    assert exported.out == f"exported {made['name']} to {file}: 3 rows\n"
    assert "export_backup: 3 rows" in exported.err
    assert (await backups("export", made["name"], str(file))).code == 2
    imported = (await backups("import", str(file), "--json")).json
    assert (imported["rows"], imported["revision"], imported["there"]) == (3, "r9", True)
    file.write_bytes(file.read_bytes()[:-1])
    assert (await backups("import", str(file))).code == 1
    assert (await backups("import", str(tmp_path / "nothing"))).code == 2


async def test_m11_filters(backups, oracle, engine):
    await oracle.execute(
        "CREATE SCHEMA app; CREATE TABLE t AS SELECT 1 AS x; CREATE TABLE app.t (); "
        'CREATE TABLE "T" ()'
    )
    for schema, name, revision in (("public", "t", "a1"), ("app", "t", "a1"), ("public", "T", "")):
        await backup_table(engine, name, schema=schema, revision=revision)

    async def found(*arguments):
        return [
            (each["original"]["schema"], each["original"]["name"])
            for each in (await backups("list", "--json", *arguments)).json["backups"]
        ]

    assert await found() == [("public", "T"), ("app", "t"), ("public", "t")]
    assert await found("--table", "t") == [("app", "t"), ("public", "t")]
    assert await found("--table", "t", "--schema", "public") == [("public", "t")]
    assert await found("--revision", "a1", "--schema", "app") == [("app", "t")]
    assert await found("--status", "expired") == []
    (expiring,) = [each for each in await list_backups(engine) if each.original.name == "T"]
    await expired(oracle, expiring)
    assert await found("--status", "EXPIRED") == [("public", "T")]
    assert (await backups("cleanup", "--yes", "--table", "t")).out == "no expired backups\n"


async def test_m11_reconciled_with_what_is_there(backups, oracle, engine):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    backup = await backup_table(engine, "t")
    await oracle.execute(
        f"DROP TABLE {backup.relation};"
        "CREATE TABLE schemakit_backups.stray_backup_20200101_000000 (x int)"
    )
    answer = await backups("status", "--json")
    assert answer.code == 1
    assert answer.json["missing"] == [backup.name]
    assert answer.json["orphans"] == [
        {"name": "stray_backup_20200101_000000", "schema": "schemakit_backups"}
    ]
    assert (await backups("list")).out.endswith("ACTIVE, GONE\n")


async def test_m12_a_reminder_is_no_table(backups, oracle):
    await oracle.execute(LEGACY + '; CREATE TABLE "REMINDER" AS SELECT 1 AS x')
    await legacy(oracle, "REMINDER", "REMINDER: drop chunks_old", table=False)
    answer = await backups("cleanup", "--yes")
    assert answer.code == 1
    assert "no backup of schemakit's" in answer.out
    assert await oracle.fetchval('SELECT count(*) FROM "REMINDER"') == 1


async def test_m13_any_schema_any_table_any_number_of_partitions(backups, oracle, engine):
    await oracle.execute(
        'CREATE SCHEMA "Größe"; CREATE TABLE "Größe"."a.b" (k int) PARTITION BY LIST (k);'
        'CREATE TABLE "Größe".p1 PARTITION OF "Größe"."a.b" FOR VALUES IN (1);'
        'INSERT INTO "Größe"."a.b" VALUES (1)'
    )
    made = (await backups("create", "a.b", "--schema", "Größe", "--json")).json
    assert (made["rows"], made["original"]["schema"]) == (1, "Größe")
    assert (await backups("verify", made["name"])).code == 0
    backup = await drop_table(engine, "a.b", schema="Größe", settings=ALLOWED)
    assert (await backups("restore", backup.name)).code == 0
    assert await oracle.fetchval('SELECT count(*) FROM "Größe".p1') == 1


async def test_d03_on_asyncpg_a_refusal_says_why_and_leaves_the_transaction(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 0 AS x")
    async with engine.connect() as connection:
        await connection.begin()
        with pytest.raises(OperationFailed, match="division by zero"):
            await backup_table(connection, "t", where="1 / x = 1")
        assert (await backup_table(connection, "t")).rows == 1
        await connection.commit()


async def test_d14_a_bad_retention_is_refused_where_it_is_used(backups, oracle, monkeypatch):
    monkeypatch.setenv("MIGRATION_BACKUP_RETENTION_DAYS", "abc")
    await oracle.execute("CREATE TABLE t (x int)")
    assert (await backups("list")).code == 0
    answer = await backups("create", "t")
    assert answer.code == 2
    assert "MIGRATION_BACKUP_RETENTION_DAYS='abc' is no number of days" in answer.err
    monkeypatch.setenv("ALLOW_DESTRUCTIVE_MIGRATIONS", "maybe")
    assert (await backups("cleanup", "--yes")).code == 2


def test_the_help_names_them():
    from schemakit.cli.verbs.backups import backups as group  # noqa: PLC0415

    assert list(group.commands) == [
        "list", "create", "verify", "extend", "cleanup", "restore", "export", "import", "status",
    ]  # fmt: skip
    assert PROGRAM[0] == sys.executable
