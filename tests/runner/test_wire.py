"""The private things of SQLAlchemy that `wire` uses, on the versions that pyproject.toml admits."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from schemakit.runner import wire


@pytest.fixture
async def connection(engine):
    async with engine.connect() as connection:
        yield connection


async def sent(connection, sql):
    def send(sync):
        from sqlalchemy.util import await_only  # noqa: PLC0415 - beside its use

        return await_only(wire.send_simple(wire.adapted(sync), sql))

    return await connection.run_sync(send)


async def test_the_status_is_that_of_the_last_statement(connection):
    assert await sent(connection, "create table a (x int); insert into a values (1), (2)") == (
        "INSERT 0 2"
    )


async def test_what_is_sent_is_in_the_transaction_of_the_connection(connection, oracle):
    await connection.begin()
    await sent(connection, "create table a (x int)")
    await connection.rollback()
    assert await oracle.fetchval("select to_regclass('a')") is None


async def test_what_is_sent_first_begins_the_transaction(connection, oracle):
    await sent(connection, "create table a (x int)")
    assert await oracle.fetchval("select to_regclass('a')") is None


async def test_in_autocommit_it_is_committed(connection, oracle):
    await connection.execution_options(isolation_level="AUTOCOMMIT")
    await sent(connection, "create table a (x int)")
    assert await oracle.fetchval("select to_regclass('a')::text") == "a"


async def test_the_driver_is_reached_below(connection):
    version = await connection.run_sync(
        lambda sync: wire.adapted(sync).driver_connection.get_server_version()
    )
    assert version.major >= 14


async def test_strings_are_standard_until_the_session_says_otherwise(connection):
    def standard(sync):
        return wire.standard_strings(wire.adapted(sync))

    assert await connection.run_sync(standard) is True
    await connection.execute(text("set standard_conforming_strings = off"))
    assert await connection.run_sync(standard) is False


async def test_forgotten_statements_are_prepared_again(connection):
    await connection.execute(text("create table a (x int)"))
    await connection.execute(text("select * from a"))
    await sent(connection, "alter table a add y int")
    await connection.run_sync(lambda sync: wire.forget_statements(wire.adapted(sync)))
    assert list((await connection.execute(text("select * from a"))).keys()) == ["x", "y"]


async def test_without_forgetting_them_the_driver_refuses(connection):
    await connection.execute(text("create table a (x int)"))
    await connection.execute(text("select * from a"))
    await sent(connection, "alter table a add y int")
    with pytest.raises(DBAPIError, match="cached statement plan is invalid"):
        await connection.execute(text("select * from a"))
