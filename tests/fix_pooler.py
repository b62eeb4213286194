"""pgbouncer in front of the tests' server: one that pools transactions, one that pools sessions.

Without a pgbouncer these tests are skipped; ``SCHEMAKIT_TEST_POOLER=1``, as CI sets it, makes that
a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from schemakit.embedded.account import default_account, identity

INI = """\
[databases]
* = {server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
logfile = {home}/log
pidfile = {home}/pid
auth_type = any
pool_mode = {mode}
default_pool_size = {backends}
max_client_conn = 300
ignore_startup_parameters = extra_float_digits
{further}
"""
#: What an engine behind a transaction pooler needs (docs/replicas.md).
CONNECT_ARGS = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,  # the unnamed one: asyncpg 0.30 names it otherwise
}


@dataclass
class Pooler:
    """A pgbouncer that runs."""

    port: int
    process: subprocess.Popen
    home: Path

    def url(self, database_url):
        """Lead the URL of a database of the server through the pooler."""
        url = make_url(database_url)
        direct = {key: value for key, value in url.query.items() if key not in ("host", "port")}
        return url.set(host="127.0.0.1", port=self.port, query=direct).render_as_string(
            hide_password=False
        )

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(scope="session")
def pgbouncer():
    """The program; fetched where the machine has none."""
    from tools.pgbouncer import NotToBeHadError, program  # noqa: PLC0415 - may fetch it

    try:
        return program()
    except NotToBeHadError as error:
        if os.environ.get("SCHEMAKIT_TEST_POOLER"):
            pytest.fail(f"pgbouncer is not to be had: {error}")
        pytest.skip(f"pgbouncer is not to be had: {error}")


@pytest.fixture(scope="session")
def new_pooler(pgbouncer, server_url):
    """Start poolers; they are stopped at the end."""
    started = []

    def start(mode, backends=20, further=""):
        started.append(_start(pgbouncer, server_url, mode, backends, further))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="session")
def transaction_pooler(new_pooler):
    """One that lends a backend for a transaction."""
    return new_pooler("transaction")


@pytest.fixture(scope="session")
def session_pooler(new_pooler):
    """One that lends a backend for as long as the client is connected."""
    return new_pooler("session")


@pytest.fixture
async def pooled_engine(transaction_pooler, database_url):
    """An engine on the test's database, behind the transaction pooler."""
    engine = create_async_engine(
        transaction_pooler.url(database_url), poolclass=NullPool, connect_args=CONNECT_ARGS
    )
    yield engine
    await engine.dispose()


def _start(program, server_url, mode, backends, further):
    home = Path(tempfile.mkdtemp(prefix="schemakit-pgbouncer-"))
    account = default_account()  # pgbouncer refuses root, as PostgreSQL does
    port = _free_port()
    ini = home / "ini"
    ini.write_text(
        INI.format(
            server=_server(server_url),
            port=port,
            home=home,
            mode=mode,
            backends=backends,
            further=further,
        )
    )
    if account is not None:
        os.chown(home, account.uid, account.gid)
        os.chown(ini, account.uid, account.gid)
    process = subprocess.Popen(
        [program.path, "--quiet", ini],
        env={**os.environ, **program.environment},
        stderr=subprocess.DEVNULL,
        **identity(account),
    )
    pooler = Pooler(port, process, home)
    deadline = time.monotonic() + 20
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            log = home / "log"
            said = log.read_text() if log.exists() else "it has written no log"
            pooler.stop()
            pytest.fail(f"pgbouncer did not start: {said}")
        time.sleep(0.05)
    return pooler


def _server(server_url):
    url = make_url(server_url)
    words = {
        "host": url.host or url.query.get("host"),
        "port": url.port or url.query.get("port") or 5432,
        "user": url.username,
        "password": url.password,
    }
    return " ".join(f"{name}={value}" for name, value in words.items() if value)


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
