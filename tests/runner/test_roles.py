"""As another role than the one that connects, and where nothing can be written at all."""

import os

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_postgres import disposing
from tests.runner.test_traffic import EACH
from tests.runner.watching import LOCKS

import schemakit
from schemakit import Settings
from schemakit.embedded import EmbeddedServer
from schemakit.errors import AccessDenied, ReadOnlyDatabase

OWNER = 'The "Owner"'
COMPUTED = EACH.replace("transaction_per", 'version_table="alembic" + "_version", transaction_per')


@pytest.fixture
async def login_url(oracle, url_of):
    """The URL of a role that may do nothing itself, and act as the owner of everything."""
    database = await oracle.fetchval("SELECT current_database()")
    quoted = '"' + OWNER.replace('"', '""') + '"'
    await oracle.execute(f"""
        CREATE ROLE {quoted};
        CREATE ROLE service LOGIN PASSWORD 'service';
        GRANT {quoted} TO service;
        GRANT CREATE ON DATABASE {database} TO {quoted};
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
        GRANT ALL ON SCHEMA public TO {quoted};
    """)
    url = url_of(database)
    scheme, _, rest = url.partition("://")
    yield f"{scheme}://service:service@{rest.partition('@')[2]}"
    await oracle.execute(f"""
        DROP OWNED BY {quoted} CASCADE;
        DROP OWNED BY service CASCADE;
        DROP ROLE service;
        DROP ROLE {quoted};
    """)


@pytest.mark.parametrize("env", ["", EACH, COMPUTED], ids=["plain", "each", "computed"])
async def test_the_owner_owns_what_migrations_make(login_url, oracle, directory, env):
    if env:
        directory.env(env)
    directory.tables(2).settle()
    settings = Settings(role=OWNER)
    async with disposing(create_async_engine(login_url)) as engine:
        first = await schemakit.upgrade(engine, migrations=directory, settings=settings)
        again = await schemakit.upgrade(engine, migrations=directory, settings=settings)
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT current_user"))).scalar() == "service"
    assert (len(first.applied), bool(again)) == (2, False)
    owners = await oracle.fetch(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    )
    assert [row["tableowner"] for row in owners] == [OWNER]


async def test_a_lent_connection_is_its_own_role_again(login_url, directory):
    directory.tables(1).settle()
    settings = Settings(role=OWNER)
    async with (
        disposing(create_async_engine(login_url)) as engine,
        engine.connect() as connection,
    ):
        await schemakit.upgrade(connection, migrations=directory, settings=settings)
        assert (await connection.execute(text("SELECT current_user"))).scalar() == "service"


async def test_so_is_one_with_a_transaction(login_url, oracle, directory):
    directory.tables(1).settle()
    settings = Settings(role=OWNER)
    async with (
        disposing(create_async_engine(login_url)) as engine,
        engine.connect() as connection,
    ):
        await connection.begin()
        await schemakit.upgrade(connection, migrations=directory, settings=settings)
        assert (await connection.execute(text("SELECT current_user"))).scalar() == "service"
        await schemakit.upgrade(connection, migrations=directory, settings=settings)
        await connection.commit()
        assert (await connection.execute(text("SELECT current_user"))).scalar() == "service"
    assert await oracle.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 't1'") == OWNER


async def test_looking_takes_the_role_from_the_environment(login_url, directory, monkeypatch):
    directory.tables(1).settle()
    monkeypatch.setenv("SCHEMAKIT_ROLE", OWNER)
    async with disposing(create_async_engine(login_url)) as engine:
        await schemakit.upgrade(engine, migrations=directory)
        assert await schemakit.current(engine, migrations=directory) == ("r1",)
        assert (await schemakit.status(engine, migrations=directory)).at_head


@pytest.mark.parametrize("role", ["nobody at all", "pg_monitor"])
async def test_a_role_that_cannot_be_assumed(login_url, oracle, directory, role):
    directory.tables(1).settle()
    async with disposing(create_async_engine(login_url)) as engine:
        with pytest.raises(AccessDenied, match=f'The role "{role}" cannot be assumed') as caught:
            await schemakit.upgrade(engine, migrations=directory, settings=Settings(role=role))
    remedy = f'GRANT "{role}" TO' if role == "pg_monitor" else "look at its name"
    assert remedy in str(caught.value)
    assert await oracle.fetchval(LOCKS) == 0


# -- nothing can be written ------------------------------------------------------------------------


async def test_a_read_only_database_is_named(url_of, oracle, directory):
    database = await oracle.fetchval("SELECT current_database()")
    await oracle.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    directory.tables(1).settle()
    async with disposing(create_async_engine(url_of(database))) as engine:
        with pytest.raises(ReadOnlyDatabase, match="default_transaction_read_only"):
            await schemakit.upgrade(engine, migrations=directory)


async def test_at_head_it_need_not_be_written(url_of, engine, oracle, directory):
    database = await oracle.fetchval("SELECT current_database()")
    directory.tables(1).settle()
    await schemakit.upgrade(engine, migrations=directory)
    await oracle.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    async with disposing(create_async_engine(url_of(database))) as other:
        assert not await schemakit.upgrade(other, migrations=directory)


async def test_a_read_only_transaction_of_the_callers(engine, directory):
    directory.tables(1).settle()
    async with engine.connect() as connection:
        await connection.begin()
        await connection.execute(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(ReadOnlyDatabase):
            await schemakit.upgrade(connection, migrations=directory)


async def test_a_standby_is_named_and_will_do_at_head(tmp_path, directory):
    directory.tables(1).settle()
    data = tmp_path / "data"
    async with (
        EmbeddedServer(data=data) as server,
        disposing(create_async_engine(server.url)) as engine,
    ):
        await schemakit.upgrade(engine, migrations=directory)
        place = server.data_directory
    signal = place / "standby.signal"
    signal.touch()
    owner = (place / "PG_VERSION").stat()
    os.chown(signal, owner.st_uid, owner.st_gid)
    async with (
        EmbeddedServer(data=data, settings={"restore_command": "false"}) as server,
        disposing(create_async_engine(server.url)) as engine,
    ):
        assert not await schemakit.upgrade(engine, migrations=directory)
        assert (await schemakit.wait_until_current(engine, migrations=directory)) == ("r1",)
        directory.revision("r2").settle()
        with pytest.raises(ReadOnlyDatabase, match=r"standby .*\n.*primary"):
            await schemakit.upgrade(engine, migrations=directory)
