"""The verb that says what would run, and can try it."""

import pytest


@pytest.fixture
def two(directory):
    directory.tables(1)
    return directory.revision("r2", "op.add_column('t1', sa.Column('x', sa.Integer))")


async def test_plan(on_database, two):
    await on_database("upgrade", "r1", "--quiet")
    answer = await on_database("plan")
    assert (answer.code, answer.err) == (3, "")
    assert answer.out.splitlines() == [
        "upgrade from r1 to head: 1 revision, 1 statement",
        "",
        "r2, revision r2",
        "  ALTER TABLE t1 ADD COLUMN x INTEGER",
        '    ACCESS EXCLUSIVE on "t1" · brief · in transaction',
    ]


async def test_nothing_to_do(on_database, two):
    await on_database("upgrade", "--quiet")
    answer = await on_database("plan")
    assert (answer.code, answer.out) == (0, "nothing to upgrade: already at r2\n")


async def test_the_way_down(on_database, two):
    await on_database("upgrade", "--quiet")
    assert (await on_database("plan", "-1")).out.startswith("downgrade from r2 to -1: 1 revision")
    answer = await on_database("plan", "r1", "--downgrade", "--json")
    assert (answer.code, answer.json["direction"]) == (3, "downgrade")
    assert (await on_database("plan", "-nonsense")).code == 2


async def test_json(on_database, two):
    await on_database("upgrade", "r1", "--quiet")
    answer = await on_database("plan", "--json")
    found = answer.json
    assert (answer.code, answer.err) == (3, "")
    assert found.pop("database")
    assert found.pop("server")
    (planned,) = found.pop("revisions")
    assert found == {
        "pending": True,
        "complete": True,
        "direction": "upgrade",
        "target": "head",
        "current": ["r1"],
        "ahead": [],
        "rehearsed": None,
        "failed": "",
        "notes": [],
    }
    assert planned.pop("revision")["id"] == "r2"
    assert planned == {
        "statements": [
            {
                "sql": "ALTER TABLE t1 ADD COLUMN x INTEGER",
                "locks": [
                    {
                        "mode": "ACCESS EXCLUSIVE",
                        "relation": {"name": "t1", "schema": None},
                        "what": "",
                        "new": False,
                    }
                ],
                "in_transaction": "yes",
                "rewrites": "no",
                "scans": "no",
                "reason": "",
                "known": True,
                "brief": True,
                "refused": False,
                "autocommit": False,
                "measured": None,
                "skipped": "",
                "failed": "",
            }
        ],
        "unknown": "",
        "failed": "",
        "rehearsed": False,
    }


async def test_a_rehearsal(program, two, database_url, oracle):
    url = ("--database-url", database_url)
    await program("upgrade", "r1", "--quiet", *url)
    answer = await program("plan", "--rehearse", *url)
    assert (answer.code, answer.err) == (0, "")
    assert 'ms · ACCESS EXCLUSIVE on "public"."t1"' in answer.out
    assert answer.out.splitlines()[-1].startswith("rehearsed in ")
    found = (await program("plan", "--rehearse", "--json", *url)).json
    (measured,) = [each["measured"] for each in found["revisions"][0]["statements"]]
    assert measured.pop("seconds") > 0
    assert measured == {
        "locks": [
            {
                "mode": "ACCESS EXCLUSIVE",
                "relation": {"name": "t1", "schema": "public"},
                "what": "",
                "new": False,
            }
        ],
        "rewritten": [],
        "scanned": [],
        "moved": [],
    }
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 't1'::regclass AND attnum > 0"
    assert await oracle.fetchval(columns) == 1


async def test_a_rehearsal_that_fails(program, directory, database_url):
    directory.revision("r1", "op.execute('ALTER TABLE nowhere ADD x int')")
    answer = await program("plan", "--rehearse", "--database-url", database_url)
    assert answer.code == 1
    assert 'relation "nowhere" does not exist' in answer.out
    answer = await program("plan", "--rehearse", "--json", "--database-url", database_url)
    assert answer.json["failed"].startswith("r1: ")


async def test_a_rehearsal_needs_a_database_that_is_named(on_database, two):
    answer = await on_database("plan", "--rehearse")
    assert (answer.code, answer.out) == (2, "")
    assert "name it: --database-url" in answer.err


async def test_a_database_that_is_ahead(on_database, two):
    await on_database("upgrade", "--quiet")
    (two.path / "versions" / "r2.py").unlink()
    answer = await on_database("plan")
    assert answer.code == 4
    assert "ahead of this code (r2)" in answer.out


async def test_bad_input(on_database, two):
    assert (await on_database("plan", "nowhere")).code == 2
    assert (await on_database("plan", "a:b")).code == 2


async def test_a_password_in_a_revision_is_not_shown(program, directory, database_url, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    directory.revision("r1", "op.execute(\"ALTER ROLE x PASSWORD 'hunter2'\")")
    answer = await program("plan", "--database-url", database_url)
    assert "PASSWORD '***'" in answer.out
