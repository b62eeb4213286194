"""Where the password comes from, on a server that wants one."""

import asyncpg
import pytest

from schemakit.embedded import EmbeddedServer

SECRET = "hunter2: 100% safe"  # noqa: S105 - the test's own


@pytest.fixture(scope="module")
def guarded(background):
    """The URL, without a password, of a role that must give one."""
    server = EmbeddedServer()

    async def start():
        await server.start()
        connection = await asyncpg.connect(server.dsn)
        literal = await connection.fetchval("SELECT quote_literal($1::text)", SECRET)
        await connection.execute(f"CREATE ROLE guarded LOGIN PASSWORD {literal}")
        hba = server.data_directory / "pg_hba.conf"
        hba.write_text("local all guarded scram-sha-256\n" + hba.read_text())
        await connection.fetchval("SELECT pg_reload_conf()")
        await connection.close()

    background.run(start())
    yield f"postgresql://guarded@/postgres?host={server.socket_dir}&port=5432"
    background.run(server.stop())


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture
def guarded_status(program, directory, guarded):
    directory.tables(1)

    async def status(*arguments, url=guarded):
        return await program("current", "--database-url", url, *arguments)

    return status


async def test_from_a_file(guarded_status, secret):
    answer = await guarded_status("--password-file", str(secret))
    assert (answer.code, answer.out, answer.err) == (0, "base\n", "")


async def test_the_file_goes_before_the_url(guarded_status, guarded, secret):
    url = guarded.replace("guarded@", "guarded:wrong@")
    assert (await guarded_status("--password-file", str(secret), url=url)).code == 0


async def test_from_pgpassword(guarded_status, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert (await guarded_status()).code == 0


async def test_from_pgpassfile(guarded_status, monkeypatch, tmp_path):
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"*:*:*:guarded:{SECRET}\n")
    passfile.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    assert (await guarded_status()).code == 0


async def test_a_wrong_one_is_not_shown(guarded_status, tmp_path):
    (tmp_path / "wrong").write_text("hunter3")
    answer = await guarded_status("--password-file", str(tmp_path / "wrong"))
    assert (answer.code, answer.out) == (1, "")
    assert "InvalidPasswordError" in answer.err
    assert "hunter3" not in answer.err


async def test_a_revision_that_gives_it_away(program, directory, database_url, secret):
    directory.revision("r1", f"raise RuntimeError('it is ' + {SECRET!r} + '!')")
    answer = await program(
        "upgrade", "--database-url", database_url, "--password-file", str(secret)
    )
    assert answer.code == 1
    assert "it is ***!" in answer.err
    assert "hunter2" not in answer.err


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be read: No such file"), ("", "one line"), ("a\nb", "one line")],
)
async def test_a_file_that_is_none(guarded_status, tmp_path, content, why):
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
    answer = await guarded_status("--password-file", str(path))
    assert (answer.code, answer.out) == (2, "")
    assert why in answer.err


async def test_a_file_without_a_database(program, secret):
    answer = await program("current", "--password-file", str(secret))
    assert answer.code == 2
    answer = await program("current", "--embedded", "--password-file", str(secret))
    assert answer.code == 2
    assert "--embedded needs no password" in answer.err
