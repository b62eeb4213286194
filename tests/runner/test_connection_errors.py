"""A server that cannot be reached, or that lets nobody in: typed, with the way out, no password."""

import asyncio
import socket
import traceback

import pytest
from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from tests.fix_postgres import disposing

import schemakit
from schemakit import Settings
from schemakit.errors import ConnectionFailed, ConnectionLost

PATIENT = {"max_overflow": 0, "pool_size": 1, "pool_timeout": 0.2}


def text_of(error):
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


async def refused(engine, directory, **options):
    with pytest.raises(ConnectionFailed) as caught:
        await schemakit.upgrade(engine, migrations=directory.settle(), **options)
    return caught.value


async def test_a_server_that_is_not_there(directory):
    url = "postgresql+asyncpg://somebody:hunter2@127.0.0.1:1/shop"
    async with disposing(create_async_engine(url)) as engine:
        error = await refused(engine, directory.tables(1))
    assert error.detail.startswith("database 'shop' on 127.0.0.1:1 as 'somebody': Connection")
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert "hunter2" not in text_of(error)


async def test_a_host_that_nobody_knows(directory):
    async with disposing(create_async_engine("postgresql+asyncpg://u@nowhere.invalid/d")) as engine:
        error = await refused(engine, directory.tables(1))
    assert "on nowhere.invalid as 'u': gaierror: " in error.detail


async def test_a_database_that_does_not_exist(url_of, directory):
    async with disposing(create_async_engine(url_of("absent"))) as engine:
        error = await refused(engine, directory.tables(1))
    assert 'database "absent" does not exist' in error.detail
    assert error.remedy == "create it (createdb), or mend the name at the end of the URL."


async def test_a_role_that_may_not_log_in(database_url, oracle, directory):
    role = make_url(database_url).database
    await oracle.execute(f"CREATE ROLE {role} NOLOGIN")
    url = make_url(database_url).set(username=role, password="hunter2")  # noqa: S106 - a test's own
    try:
        async with disposing(create_async_engine(url)) as engine:
            error = await refused(engine, directory.tables(1))
    finally:
        await oracle.execute(f"DROP ROLE {role}")
    assert f"role {role!r} is not permitted to log in".replace("'", '"') in error.detail
    assert error.remedy.startswith("look at the user in the URL")
    assert "hunter2" not in text_of(error)


async def test_a_database_that_takes_no_more_clients(database_url, oracle, directory):
    url = make_url(database_url)
    role = f"{url.database}_few"
    await oracle.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
    try:
        async with disposing(create_async_engine(url.set(username=role))) as engine:
            error = await refused(engine, directory.tables(1))
    finally:
        await oracle.execute(f"DROP ROLE {role}")
    assert error.remedy == "wait until clients have gone, or raise the server's max_connections."


async def test_a_server_that_takes_the_call_and_says_nothing(directory):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"postgresql+asyncpg://u@127.0.0.1:{deaf.getsockname()[1]}/d"
        async with disposing(create_async_engine(url, poolclass=NullPool)) as engine:
            settings = Settings(server_timeout=0.2)
            error = await refused(engine, directory.tables(1), settings=settings)
    assert error.detail.endswith("TimeoutError: no answer in time")


async def test_a_server_that_hangs_up(directory):
    async def hang_up(_, writer):
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"postgresql+asyncpg://u@127.0.0.1:{server.sockets[0].getsockname()[1]}/d"
    async with server, disposing(create_async_engine(url)) as engine:
        await refused(engine, directory.tables(1))


@pytest.mark.parametrize("call", ["current", "status", "pending", "check", "wait_until_current"])
async def test_those_that_only_look_say_the_same(call, directory):
    directory.tables(1).settle()
    async with disposing(create_async_engine("postgresql+asyncpg://u@127.0.0.1:1/d")) as engine:
        with pytest.raises(ConnectionFailed):
            await getattr(schemakit, call)(engine, migrations=directory)


async def test_a_connection_of_the_callers_that_cannot_come_back(directory, database_url):
    async with (
        disposing(create_async_engine(database_url)) as engine,
        engine.connect() as connection,
    ):
        await connection.invalidate()

        @event.listens_for(engine.sync_engine, "do_connect")
        def refuse(*_):
            raise ConnectionRefusedError("nobody is there")

        with pytest.raises(ConnectionFailed, match="nobody is there"):
            await schemakit.upgrade(connection, migrations=directory.tables(1).settle())


async def test_a_pooled_connection_that_died_in_the_meantime(engine, oracle, directory):
    directory.tables(1).settle()
    await schemakit.upgrade(engine, migrations=directory)
    await schemakit.upgrade(engine, migrations=directory)
    await oracle.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(ConnectionLost) as caught:
        await schemakit.current(engine, migrations=directory)
    assert caught.value.remedy.startswith("run again when the server answers")
    assert await schemakit.current(engine, migrations=directory) == ("r1",)


async def test_an_engine_of_which_all_connections_are_taken_is_not_the_servers_fault(
    database_url, directory
):
    async with disposing(create_async_engine(database_url, **PATIENT)) as engine, engine.connect():
        with pytest.raises(Exception, match="QueuePool limit") as caught:
            await schemakit.upgrade(engine, migrations=directory.tables(1).settle())
    assert not isinstance(caught.value, schemakit.SchemakitError)
