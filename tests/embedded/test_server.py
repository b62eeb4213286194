"""One server, one process."""

import asyncio
import os
import signal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from schemakit.embedded import EmbeddedServer
from schemakit.errors import EmbeddedError

HOSTILE = """it's "quoted" $HOME `id` \\ ;ü"""
SETTINGS = {"max_connections": "17", "application.note": HOSTILE, "shared_buffers": "16MB"}


@pytest.fixture(scope="module")
def throw_away(base):
    """One server for the tests that only look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHEMAKIT_PG_HOME", str(base))
        server = asyncio.run(EmbeddedServer(settings=SETTINGS).start())
        yield server
        asyncio.run(server.stop())


async def test_a_throw_away_server_answers_and_leaves_nothing(query, running, pid_of):
    async with EmbeddedServer() as server:
        assert await query(server.dsn, "SELECT 6 * 7") == 42
        assert await query(server.dsn, "SHOW fsync") == "off"
        pid, home = pid_of(server.data_directory), server.data_directory.parent
    assert not home.exists()
    assert not running(pid)


async def test_data_survive_and_are_fsynced(playground, query):
    data = playground / "new" / "pg"
    async with EmbeddedServer(data) as server:
        await query(server.dsn, "CREATE TABLE kept AS SELECT 'Grüße' AS word")
    assert not (data / "data" / "postmaster.pid").exists()
    async with EmbeddedServer(str(data)) as server:
        assert await query(server.dsn, "SELECT word FROM kept") == "Grüße"
        assert await query(server.dsn, "SHOW fsync") == "on"
        assert await query(server.dsn, "SHOW server_encoding") == "UTF8"
        assert server.data_directory == data / "data"
        assert "ready to accept connections" in server.log_file.read_text()


async def test_the_url_is_sqlalchemys_whatever_pgport_says(throw_away, monkeypatch, query):
    monkeypatch.setenv("PGPORT", "1")
    await query(throw_away.dsn, 'CREATE DATABASE "we/ird ?&name"')
    engine = create_async_engine(throw_away.url_for("we/ird ?&name"))
    async with engine.connect() as connection:
        found = await connection.scalar(text("SELECT current_database()"))
    await engine.dispose()
    assert found == "we/ird ?&name"


async def test_it_knows_its_version(throw_away, query):
    said = await query(throw_away.dsn, "SHOW server_version")
    assert said.split()[0] == throw_away.version  # packagers add their name


async def test_settings_reach_the_server_unparsed(throw_away, query):
    assert await query(throw_away.dsn, "SHOW max_connections") == "17"
    assert await query(throw_away.dsn, "SHOW shared_buffers") == "16MB"
    assert await query(throw_away.dsn, "SHOW application.note") == HOSTILE


async def test_no_tcp_and_a_socket_for_nobody_else(throw_away, query):
    assert await query(throw_away.dsn, "SHOW listen_addresses") == ""
    assert throw_away.socket_dir.stat().st_mode & 0o777 == 0o700


async def test_start_and_stop_twice_are_once(home, query):
    server = EmbeddedServer(home)
    assert await server.start() is await server.start()
    assert await query(server.dsn, "SELECT 1") == 1
    await server.stop()
    await server.stop()
    with pytest.raises(EmbeddedError, match="has not been started"):
        _ = server.url


async def test_objects_of_one_process_share_and_the_last_stops(home, query, pid_of):
    first = await EmbeddedServer(home, settings={"max_connections": "11"}).start()
    second = await EmbeddedServer(home, settings={"max_connections": "22"}).start()
    try:
        assert pid_of(first.data_directory) == pid_of(second.data_directory)
        assert await query(second.dsn, "SHOW max_connections") == "11"
        await first.stop()
        assert await query(second.dsn, "SELECT 1") == 1
    finally:
        await first.stop()
        await second.stop()
    assert not (home / "data" / "postmaster.pid").exists()


async def test_a_killed_postmaster_is_started_again(home, query, pid_of):
    async with EmbeddedServer(home) as first:
        await query(first.dsn, "CREATE TABLE kept AS SELECT 1 AS n")
        os.kill(pid_of(first.data_directory), signal.SIGKILL)
        async with EmbeddedServer(home) as second:
            assert await query(second.dsn, "SELECT n FROM kept") == 1
