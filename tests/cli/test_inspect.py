import pytest
from sqlalchemy import make_url


async def test_status_of_an_empty_database(on_database, directory, database_url):
    directory.tables(2)
    answer = await on_database("status", "--json")
    assert (answer.code, answer.err) == (3, "")
    found = answer.json
    assert found.pop("server")
    assert [revision["id"] for revision in found.pop("pending")] == ["r1", "r2"]
    assert found == {
        "database": make_url(database_url).database,
        "at_head": False,
        "current": [],
        "heads": ["r2"],
        "unknown": [],
        "invalid_indexes": [],
        "key_triggers": [],
        "changed": [],
    }


async def test_status_while_revisions_are_pending(on_database, directory):
    directory.tables(2)
    await on_database("upgrade", "r1")
    answer = await on_database("status")
    assert (answer.code, answer.err) == (3, "")
    assert answer.out.splitlines()[1:] == [
        "current   r1",
        "heads     r2",
        "pending   r1 -> r2 (head), revision r2",
        "status    1 pending",
    ]


async def test_status_at_head(on_database, directory):
    directory.tables(1)
    await on_database("upgrade")
    answer = await on_database("status")
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == "status    at head"


async def test_status_of_a_database_that_is_ahead(on_database, directory):
    directory.tables(2)
    await on_database("upgrade")
    (directory.path / "versions" / "r2.py").unlink()
    answer = await on_database("status")
    assert answer.code == 4
    assert answer.out.splitlines()[-1] == "status    ahead of this code"


async def test_status_in_a_script(on_database, directory):
    directory.tables(1)
    answer = await on_database("status", "--quiet")
    assert (answer.code, answer.out, answer.err) == (3, "", "")


async def test_current(on_database, directory):
    directory.tables(1)
    assert (await on_database("current")).out == "base\n"
    assert (await on_database("current", "--json")).json == {"current": []}
    await on_database("upgrade")
    assert (await on_database("current")).out == "r1\n"
    assert (await on_database("current", "--json")).json == {"current": ["r1"]}


async def test_history_without_a_database(program, directory):
    directory.tables(2)
    answer = await program("history")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "r1 -> r2 (head), revision r2\n<base> -> r1, revision r1\n"
    assert (await program("history", "--json")).json["current"] is None


async def test_history_with_a_database(on_database, directory):
    directory.tables(2)
    await on_database("upgrade", "r1")
    answer = await on_database("history")
    assert answer.out == "r1 -> r2 (head), revision r2\n<base> -> r1, revision r1  <- current\n"


async def test_heads(program, directory):
    directory.tables(1).revision("other", down="r1").revision("another", down="r1")
    answer = await program("heads")
    assert answer.code == 0
    assert sorted(answer.out.splitlines()) == [
        "r1 -> another (head), revision another",
        "r1 -> other (head), revision other",
    ]


async def test_heads_as_json(on_database, directory):
    directory.tables(1)
    found = (await on_database("heads", "--json")).json
    assert found["current"] == []
    assert [head["id"] for head in found["heads"]] == ["r1"]


async def test_migrations_by_option(program, new_directory):
    elsewhere = new_directory("elsewhere").tables(1)
    answer = await program("heads", "--migrations", str(elsewhere.path))
    assert answer.out == "<base> -> r1 (head), revision r1\n"


NOWHERE = "postgresql+asyncpg://u:hunter2@127.0.0.1:1/d"


def secretly(url, **changes):
    """The URL with a password, which a server that trusts everybody does not look at."""
    url = make_url(url).set(**{"password": "hunter2"} | changes)
    return url.render_as_string(hide_password=False)


async def test_a_database_in_the_environment_that_is_down_is_left_out(
    program, directory, monkeypatch
):
    directory.tables(1)
    monkeypatch.setenv("DATABASE_URL", NOWHERE)
    answer = await program("history")
    assert answer.code == 0
    assert answer.out == "<base> -> r1 (head), revision r1\n"
    assert answer.err.startswith("The database of DATABASE_URL is left out.")


async def test_a_database_that_was_asked_for_and_is_down_is_an_error(program, directory):
    directory.tables(1)
    answer = await program("history", "--database-url", NOWHERE)
    assert (answer.code, answer.out) == (1, "")


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("debug", ["0", "1"])
async def test_refused_and_the_password_is_not_shown(
    program, directory, monkeypatch, options, debug
):
    directory.tables(1)
    monkeypatch.setenv("SCHEMAKIT_DEBUG", debug)
    answer = await program("status", "--database-url", NOWHERE, *options)
    assert answer.code == 1
    said = answer.out + answer.err
    assert "database 'd' on 127.0.0.1:1 as 'u': ConnectionRefusedError: " in said
    assert "hunter2" not in said


async def test_no_such_database(program, directory, database_url):
    directory.tables(1)
    url = secretly(database_url, database="cli_missing")
    answer = await program("status", "--json", "--database-url", url)
    assert answer.code == 1
    error = answer.json["error"]
    assert error["type"] == "ConnectionFailed"
    assert "InvalidCatalogNameError" in error["message"]
    assert error["remedy"].startswith("create it (createdb)")


@pytest.mark.parametrize("options", [(), ("--json",), ("--verbose",)])
async def test_a_password_that_a_revision_gives_away(program, directory, database_url, options):
    directory.revision("r1", "raise RuntimeError('the password is hunter2 or so')")
    answer = await program("upgrade", *options, "--database-url", secretly(database_url))
    assert answer.code == 1
    assert "the password is *** or so" in answer.out + answer.err
    assert "hunter2" not in answer.out + answer.err
