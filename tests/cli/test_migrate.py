import pytest
from sqlalchemy import make_url


async def test_upgrade_says_what_begins_and_what_was_done(on_database, directory):
    directory.tables(2)
    answer = await on_database("upgrade")
    assert answer.code == 0
    assert answer.err == "[1/2] upgrade r1, revision r1\n[2/2] upgrade r2, revision r2\n"
    first, second, summary = answer.out.splitlines()
    assert first.startswith("upgrade   r1  revision r1 (")
    assert second.startswith("upgrade   r2  revision r2 (")
    assert summary.startswith("upgrade: base -> r2 in ")


async def test_nothing_to_do_is_success(on_database, directory):
    directory.tables(1)
    await on_database("upgrade", "--quiet")
    answer = await on_database("upgrade")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "nothing to upgrade: already at r1\n"


async def test_quiet(on_database, directory, oracle):
    directory.tables(1)
    answer = await on_database("upgrade", "--quiet")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert await oracle.fetchval("SELECT to_regclass('t1')") == "t1"


async def test_json(on_database, directory):
    directory.tables(2)
    answer = await on_database("upgrade", "r1", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = answer.json
    assert found.pop("duration") > 0
    assert found["applied"][0].pop("duration") > 0
    assert found == {
        "command": "upgrade",
        "changed": True,
        "applied": [{"revision": "r1", "direction": "upgrade", "doc": "revision r1"}],
        "heads_before": [],
        "heads_after": ["r1"],
        "waited": 0.0,
        "ahead": [],
        "committed": True,
    }


async def test_downgrade_by_steps(on_database, directory, oracle):
    directory.tables(3)
    await on_database("upgrade")
    answer = await on_database("downgrade", "-2", "--json")
    assert answer.code == 0
    assert answer.json["heads_after"] == ["r1"]
    assert await oracle.fetchval("SELECT version_num FROM alembic_version") == "r1"


async def test_downgrade_to_base(on_database, directory, oracle):
    directory.tables(2)
    await on_database("upgrade")
    answer = await on_database("downgrade", "--quiet", "base")
    assert answer.code == 0
    assert await oracle.fetchval("SELECT count(*) FROM alembic_version") == 0


async def test_x_reaches_the_revisions(on_database, directory, oracle):
    directory.revision(
        "r1", 'op.execute("COMMENT ON SCHEMA public IS \'%s\'" % context.get_x_argument(True)["a"])'
    )
    answer = await on_database("upgrade", "-x", "a=first", "-x", "b=second")
    assert answer.code == 0, answer.err
    comment = "SELECT obj_description('public'::regnamespace, 'pg_namespace')"
    assert await oracle.fetchval(comment) == "first"


async def test_the_server_sees_schemakit(on_database, directory, oracle):
    directory.revision(
        "r1", "op.execute(\"SELECT set_config('x.y', '', false)\")\n"
        "op.execute(\"CREATE TABLE seen AS SELECT current_setting('application_name') AS n\")"
    )  # fmt: skip
    assert (await on_database("upgrade")).code == 0
    assert await oracle.fetchval("SELECT n FROM seen") == "schemakit"


async def test_the_name_in_the_url_is_what_the_server_sees(
    program, directory, oracle, database_url
):
    directory.revision(
        "r1", "op.execute(\"CREATE TABLE seen AS SELECT current_setting('application_name') AS n\")"
    )
    url = make_url(database_url).update_query_dict({"application_name": "deploy"})
    answer = await program("upgrade", "--database-url", url.render_as_string(hide_password=False))
    assert answer.code == 0
    assert await oracle.fetchval("SELECT n FROM seen") == "deploy"


@pytest.fixture
def broken(directory):
    directory.tables(1).revision("bad", "op.execute('SELECT nonsense')")
    return directory


async def test_a_revision_that_fails(on_database, broken):
    answer = await on_database("upgrade")
    assert (answer.code, answer.out) == (1, "")
    assert "A revision failed.\nupgrade of bad (" in answer.err
    assert 'column "nonsense" does not exist' in answer.err
    assert "Remedy: mend the revision and run again" in answer.err
    assert "Traceback" not in answer.err


async def test_a_revision_that_fails_as_json(on_database, broken):
    answer = await on_database("upgrade", "--json")
    assert (answer.code, answer.err) == (1, "")
    error = answer.json["error"]
    assert sorted(error) == [
        "applied", "blockers", "direction", "heads", "message", "partial", "path",
        "remedy", "revision", "statement", "type",
    ]  # fmt: skip
    assert error["type"] == "RevisionFailed"
    assert error["revision"] == "bad"
    assert error["statement"] == "SELECT nonsense"


async def test_a_failure_is_said_in_spite_of_quiet(on_database, broken):
    answer = await on_database("upgrade", "--quiet")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("A revision failed.")


async def test_a_traceback_on_request(on_database, broken, monkeypatch):
    monkeypatch.setenv("SCHEMAKIT_DEBUG", "1")
    answer = await on_database("upgrade")
    assert answer.code == 1
    assert "Traceback (most recent call last)" in answer.err


async def test_no_such_revision(on_database, directory):
    directory.tables(1)
    answer = await on_database("upgrade", "zzz", "--json")
    assert answer.code == 2
    assert answer.json["error"]["type"] == "UnknownRevision"


async def test_a_database_that_is_ahead(on_database, directory):
    directory.tables(2)
    await on_database("upgrade")
    (directory.path / "versions" / "r2.py").unlink()
    answer = await on_database("upgrade")
    assert answer.code == 0
    assert answer.out == "nothing to upgrade: the database is ahead of this code (r2)\n"
    answer = await on_database("upgrade", "--on-ahead", "error", "--json")
    assert answer.code == 4
    assert answer.json["error"]["type"] == "DatabaseAhead"


LOCKED = "SELECT pg_advisory_lock($1)"


async def test_another_process_holds_the_lock(on_database, directory, oracle):
    from schemakit.runner.locks import lock_key  # noqa: PLC0415 - the one use

    directory.tables(1)
    await oracle.execute("SET application_name = 'deployment 1'")
    await oracle.fetchval(LOCKED, lock_key())
    answer = await on_database("upgrade", "--lock-wait", "0.3")
    assert (answer.code, answer.out) == (4, "")
    first = answer.err.splitlines()[0]
    assert first.startswith("Waited 0.0 s for the migration lock, held by pid ")
    assert "(deployment 1)" in first
    assert "Another process is migrating this database and did not finish in time." in answer.err
    answer = await on_database("upgrade", "--lock-wait", "0", "--json")
    assert (answer.code, answer.err) == (4, "")
    assert answer.json["error"]["holders"][0]["application_name"] == "deployment 1"
