"""What only a process of its own shows: terminals, signals, pipes, a server."""

import asyncio
import json
import os
import pty
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from schemakit.runner.locks import lock_key

PROGRAM = (sys.executable, "-m", "schemakit")

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


async def until(oracle, query):
    async with asyncio.timeout(10):
        while not await oracle.fetchval(query):  # noqa: ASYNC110 - the server sends no events
            await asyncio.sleep(0.02)


def everything(terminal):
    """What was written to the terminal, until its last writer has gone."""
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux' way to say that it is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(terminal)
    return b"".join(chunks).decode()


@pytest.fixture
def on_terminal(spawn):
    """Run the program with a terminal for stderr; gives what is shown there, and the process."""

    async def run(*arguments, **options):
        ours, theirs = pty.openpty()
        process = spawn(*arguments, stderr=theirs, **options)
        os.close(theirs)
        shown = await asyncio.to_thread(everything, ours)
        await asyncio.to_thread(process.wait)
        return shown, process

    return run


SLOW = "op.execute('SELECT pg_sleep(0.4)')"


async def test_progress_on_a_terminal(on_terminal, directory, database_url):
    directory.tables(1).revision("slow", SLOW)
    shown, process = await on_terminal("upgrade", "--database-url", database_url)
    assert process.returncode == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"upgrade slow [━╸╺]+ 1/2 0:00:0", plain)
    assert "[1/2]" not in shown  # those are the lines for where there is no terminal
    out = process.stdout.read()
    assert "\x1b" not in out
    assert "upgrade: base -> slow in " in out


async def test_waiting_on_a_terminal(on_terminal, directory, database_url, oracle):
    directory.tables(1)
    await oracle.execute("SET application_name = 'deployment 1'")
    await oracle.fetchval("SELECT pg_advisory_lock($1)", lock_key())
    shown, process = await on_terminal(
        "upgrade", "--lock-wait", "0.5", "--database-url", database_url
    )
    assert process.returncode == 4
    assert "waiting for the migration lock" in shown
    assert "held by pid" in shown
    assert "\x1b[31mAnother process is migrating" in shown


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_interrupted_in_a_revision(spawn, directory, database_url, oracle, sent, code):
    directory.tables(1).revision(
        "r2", "op.create_table('half', sa.Column('id', sa.Integer))\n"
        "op.execute('SELECT pg_sleep(30)')"
    )  # fmt: skip
    process = spawn("upgrade", "--database-url", database_url)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'"
    await until(oracle, sleeping)
    process.send_signal(sent)
    out, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, out) == (code, "")
    assert err.splitlines()[-1].startswith("Interrupted: what was not committed is rolled back")
    assert "Traceback" not in err
    assert await oracle.fetchval("SELECT to_regclass('half')") is None
    assert await oracle.fetchval(sleeping) == 0
    others = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert await oracle.fetchval(others) == 0


async def test_interrupted_among_backups(spawn, database_url, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    await oracle.execute("BEGIN; LOCK TABLE t")
    process = spawn("backups", "create", "t", "--database-url", database_url)
    await until(oracle, "SELECT count(*) FROM pg_locks WHERE NOT granted")
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.to_thread(process.communicate)
    await oracle.execute("ROLLBACK")
    assert process.returncode == 130
    assert "`schemakit backups status` says which backups there are" in err


async def test_interrupted_while_waiting(spawn, directory, database_url, oracle):
    directory.tables(1)
    await oracle.fetchval("SELECT pg_advisory_lock($1)", lock_key())
    process = spawn("upgrade", "--json", "--database-url", database_url)
    await until(
        oracle, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'schemakit'"
    )
    await asyncio.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, err) == (130, "")
    assert '"type": "Interrupted"' in out


async def test_the_log_on_request(spawn, directory, database_url):
    directory.tables(1)
    process = spawn("upgrade", "--verbose", "--database-url", database_url)
    out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    assert "INFO schemakit: upgrade to head" in err
    assert "INFO" not in out


async def test_a_reader_that_leaves(spawn, directory, database_url, oracle):
    directory.tables(1)
    reader, writer = os.pipe()
    os.close(reader)
    process = spawn("upgrade", "--database-url", database_url, stdout=writer)
    os.close(writer)
    _, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert await oracle.fetchval("SELECT version_num FROM alembic_version") == "r1"


@pytest.fixture
def playground():
    """A directory that an unprivileged account can reach; ``tmp_path`` is none as root."""
    parent = "/var/tmp" if os.geteuid() == 0 else None  # noqa: S108 - made by mkdtemp
    made = Path(tempfile.mkdtemp(prefix="cli-", dir=parent))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_a_server_of_its_own(spawn, directory, playground, monkeypatch):
    directory.tables(1)
    monkeypatch.setenv("SCHEMAKIT_PG_HOME", str(playground))
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere/")  # an option overrides it
    where = ("--embedded", "--data", str(playground / "pg"))
    for verb, last in (("upgrade", "upgrade: base -> r1 in "), ("status", "status    at head")):
        process = spawn(verb, *where)
        out, err = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, err
        assert out.splitlines()[-1].startswith(last)


def test_the_demo_needs_no_particular_directory(spawn, tmp_path):
    code = (
        "import sys, runpy; from schemakit.cli import program; "
        "program.run = lambda arguments: print(*arguments) or 0; "
        f"runpy.run_path({str(DEMO)!r}, run_name='__main__')"
    )
    out, err = spawn(command=(sys.executable, "-c", code), cwd=tmp_path).communicate()
    assert err == ""
    assert [line.split()[0] for line in out.splitlines()] == ["upgrade", "status"]
    assert str(DEMO.parents[1] / "migrations") in out


LOUD = "import subprocess\nprint('from Python')\nsubprocess.run(['echo', 'from a process'])"


async def upgraded(spawn, *arguments):
    process = spawn("upgrade", "--database-url", *arguments)
    out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, err
    return out, err


async def test_what_a_revision_prints_is_no_result(spawn, directory, database_url):
    directory.revision("loud", LOUD)
    out, err = await upgraded(spawn, database_url)
    assert [line.split()[0] for line in out.splitlines()] == ["upgrade", "upgrade:"]
    assert err == "[1/1] upgrade loud, revision loud\nfrom Python\nfrom a process\n"


async def test_what_a_revision_prints_is_no_json(spawn, directory, database_url):
    directory.revision("loud", LOUD)
    out, err = await upgraded(spawn, database_url, "--json")
    assert json.loads(out)["heads_after"] == ["loud"]
    assert err == ""


async def test_what_a_revision_prints_quietly(spawn, directory, database_url):
    directory.revision("loud", LOUD)
    assert await upgraded(spawn, database_url, "--quiet") == ("", "")


async def test_stdout_that_is_closed(spawn, directory, database_url):
    directory.tables(1)
    command = ("sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM)
    process = spawn("upgrade", "--database-url", database_url, command=command)
    _, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, err) == (0, "[1/1] upgrade r1, revision r1\n")


async def test_interrupted_while_it_waits_for_another(spawn, directory, database_url, oracle):
    directory.tables(1)
    process = spawn("wait", "--json", "--database-url", database_url)
    await until(
        oracle, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'schemakit'"
    )
    await asyncio.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, err) == (130, "")
    assert json.loads(out)["error"]["type"] == "Interrupted"


def test_completion(spawn, monkeypatch):
    monkeypatch.setenv("_SCHEMAKIT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "schemakit re")
    monkeypatch.setenv("COMP_CWORD", "1")
    program = "from schemakit.cli.program import run; run([])"
    out, err = spawn(command=(sys.executable, "-c", program)).communicate()
    assert (out, err) == ("plain,revision\n", "")
