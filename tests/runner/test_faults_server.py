"""The server itself goes away, hangs, or runs out of disk: real servers, killed and filled up."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from time import monotonic
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_postgres import disposing, pool_free
from tests.runner.watching import INVALID, TABLES, at_rest, blocked, until, versions

import schemakit
from schemakit import Settings
from schemakit.embedded import EmbeddedServer
from schemakit.embedded.postmaster import read_postmaster
from schemakit.errors import ConnectionFailed, ConnectionLost, RevisionFailed, RevisionInterrupted

BOUND = 30.0
QUICKLY = Settings(server_timeout=1.0)
#: Sleeps, until the database says that it shall not.
SLEEP = """
op.execute("CREATE TABLE t3 (id int)")
op.execute(
    "SELECT pg_sleep(CASE current_setting('my.quick', true) WHEN 'on' THEN 0 ELSE 60 END)"
)
"""


class Server:
    """A server of the test's own, in a place of its own."""

    def __init__(self, home):
        self.home = home
        self.database = f"t_{uuid4().hex[:12]}"
        self.tenants = []
        self.frozen = []

    async def start(self):
        """Start it, again if it has gone down."""
        server = EmbeddedServer(data=self.home / "pg")
        self.tenants.append(server)
        await server.start()
        return server

    @property
    def now(self):
        return self.tenants[-1]

    @property
    def url(self):
        return self.now.url_for(self.database)

    @property
    def postmaster(self):
        return read_postmaster(self.now.data_directory).pid

    def kill(self, which):
        os.kill(self.postmaster, which)

    def freeze(self):
        """Stop the postmaster and its children where they are, as ``docker pause`` does."""
        children = Path(f"/proc/{self.postmaster}/task/{self.postmaster}/children").read_text()
        self.frozen = [self.postmaster, *map(int, children.split())]
        self._signal(signal.SIGSTOP)

    def thaw(self):
        """Let them go on; twice is once."""
        self._signal(signal.SIGCONT)
        self.frozen = []

    def _signal(self, which):
        for pid in self.frozen:
            with suppress(ProcessLookupError):  # a worker that had just ended
                os.kill(pid, which)

    @asynccontextmanager
    async def oracle(self):
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            yield connection
        finally:
            connection.terminate()

    async def quick(self):
        async with self.oracle() as oracle:
            await oracle.execute(f"ALTER DATABASE {self.database} SET my.quick = 'on'")


def gone(pid):
    return not Path(f"/proc/{pid}").exists()


@contextmanager
def reachable():
    """A directory that the server's account can reach, which is not root."""
    path = Path(tempfile.mkdtemp(prefix="skf-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def home():
    """Where the data of the server lie that the tests kill one after the other."""
    with reachable() as path:
        yield path


@asynccontextmanager
async def started(home):
    server = Server(home)
    tenant = await server.start()
    admin = await asyncpg.connect(tenant.dsn)
    await admin.execute(f"CREATE DATABASE {server.database}")
    await admin.close()
    try:
        yield server
    finally:
        server.thaw()
        await stopped(server)


async def stopped(server):
    for tenant in server.tenants:
        with suppress(schemakit.errors.EmbeddedError):
            await tenant.stop()


@pytest.fixture
async def server(home):
    async with started(home) as server:
        yield server


@pytest.fixture
def sleeping(directory):
    directory.tables(2).revision("r3", SLEEP)
    return directory.settle()


async def interrupted(server, directory, strike, **options):
    """Strike while the third revision sleeps; return the error and how many seconds it took."""
    async with disposing(pool_free(server.url)) as engine:
        run = asyncio.ensure_future(
            schemakit.upgrade(engine, migrations=directory, settings=QUICKLY, **options)
        )
        async with server.oracle() as oracle:
            await blocked(oracle)
        began = monotonic()
        await strike()
        with pytest.raises(ConnectionLost) as caught:
            async with asyncio.timeout(BOUND):
                await run
    print(f"\n{type(caught.value).__name__} after {monotonic() - began:.2f} s")  # noqa: T201 - measured
    return caught.value


async def goes_on(server, directory):
    """At a boundary, with the lock free; and the next run goes on to head."""
    await server.quick()
    async with server.oracle() as oracle, disposing(pool_free(server.url)) as engine:
        await at_rest(oracle)
        assert await versions(oracle) == ["r2"]
        assert await oracle.fetchval(TABLES) == ["alembic_version", "t1", "t2"]
        result = await schemakit.upgrade(engine, migrations=directory)
        assert (result.heads_before, result.heads_after) == (("r2",), ("r3",))


@pytest.mark.parametrize(
    "which", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT], ids=["killed", "immediate", "fast"]
)
async def test_a_server_that_goes_down_in_a_statement(which, server, sleeping):
    async def strike():
        server.kill(which)

    error = await interrupted(server, sleeping, strike)
    assert isinstance(error, RevisionInterrupted)
    assert error.revision == "r3"
    async with disposing(pool_free(server.url)) as engine:
        with pytest.raises(ConnectionFailed):
            await schemakit.upgrade(engine, migrations=sleeping)
    await server.start()
    await goes_on(server, sleeping)


async def test_a_server_that_is_restarted_in_a_statement(server, sleeping):
    async def strike():
        old = server.postmaster
        server.kill(signal.SIGINT)
        await until(lambda: asyncio.to_thread(gone, old))  # it is found again while it goes down
        await server.start()

    error = await interrupted(server, sleeping, strike)
    assert error.revision == "r3"
    assert error.heads in ((), ("r2",))  # it may be up again when it is asked, or not yet
    await goes_on(server, sleeping)


async def test_a_backend_that_is_killed_takes_the_others_along(server, sleeping):
    async def strike():
        async with server.oracle() as oracle:
            pid = await oracle.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            )
        os.kill(pid, signal.SIGKILL)

    error = await interrupted(server, sleeping, strike)
    assert isinstance(error, RevisionInterrupted)
    await until_it_answers(server)
    await goes_on(server, sleeping)


async def until_it_answers(server):
    """A server that restarts by itself refuses for a moment."""
    async with asyncio.timeout(BOUND):
        while True:
            with suppress(OSError, asyncpg.PostgresError):
                async with server.oracle():
                    return
            await asyncio.sleep(0.1)


async def test_a_server_that_hangs(server, sleeping):
    async def strike():
        server.freeze()

    error = await interrupted(server, sleeping, strike)
    server.thaw()
    assert (error.revision, error.heads) == ("r3", ())
    assert "What the database has kept of this run is not known." in str(error)
    await goes_on(server, sleeping)


async def test_a_service_at_head_that_finds_a_hanging_server(server, directory):
    directory.tables(1).settle()
    async with disposing(create_async_engine(server.url)) as engine:
        for _ in range(2):
            await schemakit.upgrade(engine, migrations=directory)
        server.freeze()
        with pytest.raises(ConnectionLost):
            async with asyncio.timeout(BOUND):
                await schemakit.upgrade(engine, migrations=directory, settings=QUICKLY)
        server.thaw()


# -- disk full -------------------------------------------------------------------------------------


@contextmanager
def mounted(path, size, like):
    """Mount a file system of *size* MB on *path*, owned as *like* is; skips where it may not."""
    path.mkdir()
    try:
        mount("-t", "tmpfs", "-o", f"size={size}m,mode=700", "tmpfs", path)
    except subprocess.CalledProcessError:
        pytest.skip("mounting a file system takes root")
    try:
        os.chown(path, like.stat().st_uid, like.stat().st_gid)
        yield path
    finally:
        subprocess.run([shutil.which("umount"), "-l", path], check=True)
        path.rmdir()


def mount(*arguments):
    if os.geteuid() != 0:
        pytest.skip("mounting a file system takes root")
    subprocess.run([shutil.which("mount"), *arguments], check=True, capture_output=True)


def enlarge(path):
    mount("-o", "remount,size=256m", path)


@pytest.fixture
def small(server):
    """A file system of 8 MB that belongs to the server."""
    with mounted(server.home / server.database, 8, server.now.data_directory) as path:
        yield path


FILL = """
op.execute("CREATE TABLE big (x text) {where}")
op.execute("INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 50000)")
"""


async def test_a_full_disk(server, small, directory):
    async with server.oracle() as oracle:
        await oracle.execute(f"CREATE TABLESPACE {server.database} LOCATION '{small}'")
        directory.tables(1).revision(
            "r2", FILL.format(where=f"TABLESPACE {server.database}")
        ).settle()
        async with disposing(pool_free(server.url)) as engine:
            with pytest.raises(RevisionFailed, match="No space left on device") as caught:
                await schemakit.upgrade(engine, migrations=directory)
            assert (
                caught.value.remedy == "the server's disk is full: free space there, and run again."
            )
            assert (caught.value.revision, caught.value.heads) == ("r2", ("r1",))
            assert not isinstance(caught.value, ConnectionLost)
            assert await oracle.fetchval(TABLES) == ["alembic_version", "t1"]
            enlarge(small)
            result = await schemakit.upgrade(engine, migrations=directory)
        assert result.heads_after == ("r2",)
        assert await oracle.fetchval("SELECT count(*) FROM big") == 50000
        await oracle.execute("DROP TABLE big")
        await oracle.execute(f"DROP TABLESPACE {server.database}")


async def test_a_full_disk_in_an_index_that_is_built_concurrently(server, small, directory):
    async with server.oracle() as oracle:
        await oracle.execute(f"CREATE TABLESPACE {server.database} LOCATION '{small}'")
        await oracle.execute("CREATE TABLE t (x text)")
        await oracle.execute(
            "INSERT INTO t SELECT repeat(i::text, 50) FROM generate_series(1, 90000) i"
        )
        directory.revision(
            "r1",
            f"""
            with op.get_context().autocommit_block():
                op.execute("CREATE INDEX CONCURRENTLY i ON t (x) TABLESPACE {server.database}")
            """,
        ).settle()
        async with disposing(pool_free(server.url)) as engine:
            with pytest.raises(RevisionFailed, match="No space left on device"):
                await schemakit.upgrade(engine, migrations=directory)
            assert await oracle.fetchval(INVALID) == ["i"]
            enlarge(small)
            assert (await schemakit.upgrade(engine, migrations=directory)).heads_after == ("r1",)
        assert await oracle.fetchval(INVALID) is None
        await oracle.execute("DROP TABLE t")
        await oracle.execute(f"DROP TABLESPACE {server.database}")


async def moved(server, place):
    """Move the server's write-ahead log to *place*."""
    wal = server.now.data_directory / "pg_wal"
    await server.now.stop()
    shutil.copytree(wal, place, dirs_exist_ok=True)
    for path in place.rglob("*"):
        os.chown(path, wal.stat().st_uid, wal.stat().st_gid)
    shutil.rmtree(wal)
    wal.symlink_to(place)
    await server.start()


async def test_a_full_disk_under_the_write_ahead_log_takes_the_server_down(directory):
    """It panics; with room for its log it recovers, and the next run goes on."""
    fill = FILL.format(where="").replace("50000", "90000")
    directory.tables(1).revision("r2", fill).settle()
    with reachable() as home, ExitStack() as stack:
        async with started(home) as server:
            log = stack.enter_context(mounted(home / "log", 48, server.now.data_directory))
            await moved(server, log)
            async with disposing(pool_free(server.url)) as engine:
                with pytest.raises(RevisionInterrupted) as caught:
                    async with asyncio.timeout(BOUND):
                        await schemakit.upgrade(engine, migrations=directory, settings=QUICKLY)
            assert caught.value.revision == "r2"
            enlarge(log)
            await server.start()
            await until_it_answers(server)
            async with server.oracle() as oracle, disposing(pool_free(server.url)) as engine:
                assert await versions(oracle) == ["r1"]
                assert await oracle.fetchval(TABLES) == ["alembic_version", "t1"]
                result = await schemakit.upgrade(engine, migrations=directory)
                assert result.heads_after == ("r2",)
