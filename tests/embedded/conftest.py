"""Real servers in a playground that an unprivileged account can reach.

``tmp_path`` is no such place: as root it lies under a directory of mode 0700.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

import schemakit.embedded
from schemakit.embedded import EmbeddedServer

CLIENT = Path(__file__).with_name("client.py")
SOURCES = Path(schemakit.embedded.__file__).parents[2]
IMPORTABLE = {"PYTHONPATH": os.pathsep.join([str(SOURCES), os.environ.get("PYTHONPATH", "")])}


@pytest.fixture(scope="session")
def base():
    """One base for the session: binaries that must be copied are copied once."""
    parent = "/var/tmp" if os.geteuid() == 0 else None  # noqa: S108  made by mkdtemp
    directory = Path(tempfile.mkdtemp(prefix="skt-", dir=parent))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_base(base, monkeypatch):
    monkeypatch.setenv("SCHEMAKIT_PG_HOME", str(base))


@pytest.fixture
def playground(base):
    directory = Path(tempfile.mkdtemp(prefix="t-", dir=base))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def _seed(base):
    """A persistent server's directory, made once and copied: initdb is most of a first start."""

    async def make():
        async with EmbeddedServer(base / "seed"):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHEMAKIT_PG_HOME", str(base))
        asyncio.run(make())
    return base / "seed"


@pytest.fixture
def home(playground, _seed):
    """The directory of a persistent server that has run before."""
    subprocess.run(["/bin/cp", "-a", str(_seed), str(playground / "pg")], check=True)
    return playground / "pg"


@pytest.fixture
def query():
    """Ask a server one question: ``await query(dsn, sql)``."""

    async def ask(dsn, sql):
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return ask


@pytest.fixture
def running():
    """Whether a process id is a living process; a zombie is not."""

    def check(pid):
        found = subprocess.run(
            ["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return found.stdout.strip()[:1] not in ("", "Z")

    return check


@pytest.fixture
def pid_of():
    """The process id of the postmaster of a data directory."""
    return lambda data: int((data / "postmaster.pid").read_text().split()[0])


class Client:
    """Another process that uses a server: see client.py for its behaviours."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, str(CLIENT), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | IMPORTABLE,
        )

    def started(self):
        """Wait until the server is up; returns its data directory."""
        return Path(self.process.stdout.readline().strip())

    def leave(self):
        self.process.communicate("done\n", timeout=20)
        return self.process.returncode

    def killed(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def client():
    """Start clients in processes of their own; none outlives the test."""
    started = []

    def start(*arguments):
        started.append(Client(*arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


@pytest.fixture
def python():
    """Run a script in an interpreter of its own; returns what it printed."""

    def run(script, **environment):
        return subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | IMPORTABLE | environment,
        ).stdout

    return run
