"""pending, wait, sql and stamp."""

import asyncio

import pytest


async def test_pending(on_database, directory):
    directory.tables(2)
    answer = await on_database("pending")
    assert (answer.code, answer.err) == (3, "")
    assert answer.out.splitlines() == [
        "<base> -> r1, revision r1",
        "r1 -> r2 (head), revision r2",
    ]
    found = (await on_database("pending", "--json")).json
    assert [revision["id"] for revision in found["pending"]] == ["r1", "r2"]
    await on_database("upgrade", "--quiet")
    answer = await on_database("pending")
    assert (answer.code, answer.out) == (0, "nothing is pending\n")


@pytest.mark.parametrize("verb", ["pending", "check"])
async def test_a_database_that_is_ahead(on_database, directory, verb):
    directory.tables(2)
    await on_database("upgrade", "--quiet")
    (directory.path / "versions" / "r2.py").unlink()
    answer = await on_database(verb, "--json")
    assert (answer.code, answer.json["error"]["type"]) == (4, "DatabaseAhead")


async def test_check_without_models(on_database, directory):
    directory.tables(1)
    answer = await on_database("check")
    assert (answer.code, answer.out) == (2, "")
    assert "There is no metadata to compare the database with." in answer.err


async def test_wait_until_another_has_migrated(on_database, directory, spawn, database_url):
    directory.tables(1)
    waiting = spawn("wait", "--timeout", "30", "--database-url", database_url)
    await asyncio.sleep(0.6)
    assert waiting.poll() is None
    await on_database("upgrade", "--quiet")
    out, err = await asyncio.to_thread(waiting.communicate)
    assert (waiting.returncode, out, err) == (0, "r1\n", "")


async def test_wait_in_vain(on_database, directory):
    directory.tables(1)
    answer = await on_database("wait", "--timeout", "0")
    assert (answer.code, answer.out) == (4, "")
    assert "It is at base after 0 s." in answer.err
    answer = await on_database("wait", "--timeout", "0", "--json")
    assert (answer.code, answer.json["error"]["type"]) == (4, "NotCurrent")


async def test_sql_needs_no_database(program, directory):
    directory.tables(2)
    answer = await program("sql")
    assert (answer.code, answer.err) == (0, "")
    assert "CREATE TABLE t1 (" in answer.out
    assert "CREATE TABLE t2 (" in answer.out
    answer = await program("sql", "r1:r2")
    assert "CREATE TABLE t1 (" not in answer.out
    assert "CREATE TABLE t2 (" in answer.out


async def test_sql_of_a_downgrade(program, directory):
    directory.tables(2)
    answer = await program("sql", "head:-1", "--downgrade", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json["direction"] == "downgrade"
    assert "DROP TABLE t2;" in answer.json["sql"]
    assert "DROP TABLE t1;" not in answer.json["sql"]
    answer = await program("sql", "r1", "--downgrade")
    assert answer.code == 2
    assert "must say where it starts" in answer.err


async def test_sql_is_given_letter_for_letter(program, directory, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:t1@h/d")
    directory.tables(1)
    assert "CREATE TABLE t1 (" in (await program("sql")).out


async def test_stamp(on_database, directory, oracle):
    directory.tables(2)
    answer = await on_database("stamp", "head")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("stamp: base -> r2 in ")
    assert await oracle.fetchval("SELECT to_regclass('t1')") is None
    answer = await on_database("stamp", "base", "--json")
    assert (answer.json["command"], answer.json["heads_after"]) == ("stamp", [])


async def test_stamp_of_several_branches(on_database, directory):
    directory.tables(1).revision("b", down="r1").revision("c", down="r1")
    await on_database("stamp", "b", "c", "--quiet")
    assert (await on_database("current", "--json")).json == {"current": ["b", "c"]}


async def test_stamp_of_a_database_that_is_ahead(on_database, directory):
    directory.tables(2)
    await on_database("stamp", "head", "--quiet")
    (directory.path / "versions" / "r2.py").unlink()
    answer = await on_database("stamp", "head", "--json")
    assert (answer.code, answer.json["error"]["type"]) == (4, "DatabaseAhead")
    answer = await on_database("stamp", "head", "--purge", "--json")
    assert (answer.code, answer.json["heads_after"]) == (0, ["r1"])
