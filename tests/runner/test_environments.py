"""env.py files as they are found in the world run unmodified, on the caller's connection only."""

import gc
import importlib
import logging
import os
import sys
import weakref

import alembic.context
import alembic.op
import pytest
from sqlalchemy import MetaData, event, pool
from sqlalchemy.ext.asyncio import create_async_engine

import schemakit
from schemakit import Migrations
from schemakit.errors import (
    EnvironmentFailed,
    EnvironmentRefused,
    NotCommitted,
    RevisionFailed,
)
from tests.fix_postgres import disposing

HEAD = """
import asyncio
import os
from logging.config import fileConfig
from alembic import context
from sqlalchemy import create_engine, engine_from_config, pool, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, async_engine_from_config, create_async_engine

config = context.config
target_metadata = None


def do_run_migrations(connection):
    context.configure(connection=connection, target_metadata=target_metadata)
    with context.begin_transaction():
        context.run_migrations()


"""

#: Ways to come by a connection that env.py files take.
CONNECTIONS = {
    "cookbook, a connection is shared": """
        connectable = config.attributes.get("connection", None)
        if connectable is None:
            connectable = engine_from_config(config.get_section("alembic"), poolclass=pool.NullPool)
        with connectable.connect() as connection:
            do_run_migrations(connection)
    """,
    "cookbook, a connection is shared and used as it is": """
        connection = config.attributes["connection"]
        assert isinstance(connection, Connection)
        do_run_migrations(connection)
    """,
    "cookbook, asyncio": """
        async def run_async_migrations():
            connectable = async_engine_from_config(config.get_section("alembic"))
            async with connectable.connect() as connection:
                await connection.run_sync(do_run_migrations)
            await connectable.dispose()

        connectable = config.attributes.get("connection", None)
        if connectable is None:
            asyncio.run(run_async_migrations())
        else:
            do_run_migrations(connectable)
    """,
    "cookbook of SQLAlchemy 1.4": """
        async def run_migrations_online():
            connectable = AsyncEngine(
                engine_from_config(
                    config.get_section(config.config_ini_section),
                    prefix="sqlalchemy.",
                    poolclass=pool.NullPool,
                    future=True,
                )
            )
            async with connectable.connect() as connection:
                await connection.run_sync(do_run_migrations)

        asyncio.run(run_migrations_online())
    """,
    "either kind of engine": """
        connectable = config.attributes.get("engine") or create_async_engine(
            config.get_main_option("sqlalchemy.url")
        )

        async def run_async(connectable):
            async with connectable.connect() as connection:
                await connection.run_sync(do_run_migrations)
            await connectable.dispose()

        if isinstance(connectable, AsyncEngine):
            asyncio.run(run_async(connectable))
        else:
            raise AssertionError(connectable)
    """,
    "the URL without its driver": """
        url = config.get_main_option("sqlalchemy.url").replace("+asyncpg", "")
        with create_engine(url).connect() as connection:
            do_run_migrations(connection)
    """,
    "the URL in a mapping": """
        configuration = config.get_section(config.config_ini_section)
        assert configuration["sqlalchemy.url"].startswith("postgresql")
        engine = engine_from_config(configuration, prefix="sqlalchemy.")
        with engine.connect() as connection:
            do_run_migrations(connection)
    """,
    "the URL set by env.py": """
        config.set_main_option("sqlalchemy.url", "postgresql+asyncpg://a:p%%40ss@db:5432/app?ssl=require")
        engine = engine_from_config(config.get_section("alembic"))
        with engine.connect() as connection:
            do_run_migrations(connection)
    """,
    "DATABASE_URL demanded": """
        with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
            do_run_migrations(connection)
    """,
    "DATABASE_URL asked for": """
        from os import getenv
        url = getenv("DATABASE_URL")
        assert url is not None
        with create_engine(url.replace("postgresql+asyncpg", "postgresql")).connect() as connection:
            do_run_migrations(connection)
    """,
    "DATABASE_URL in environ": """
        from os import environ
        assert "DATABASE_URL" in environ
        with create_engine(environ.get("DATABASE_URL", "")).connect() as connection:
            do_run_migrations(connection)
    """,
    "an ini demanded": """
        assert config.config_file_name is not None
        fileConfig(config.config_file_name)
        do_run_migrations(config.attributes["connection"])
    """,
    "logging by its module": """
        import logging
        import logging.config
        logging.config.fileConfig(config.config_file_name, disable_existing_loggers=True)
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
        logging.basicConfig(level=logging.DEBUG, force=True)
        logger = logging.getLogger("alembic.env")
        do_run_migrations(config.attributes["connection"])
    """,
    "begin on the engine": """
        with engine_from_config(config.get_section("alembic")).begin() as connection:
            do_run_migrations(connection)
    """,
    "begin on the async engine": """
        async def main():
            engine = create_async_engine(config.get_main_option("sqlalchemy.url"))
            async with engine.begin() as connection:
                await connection.run_sync(do_run_migrations)

        asyncio.run(main())
    """,
    "begin on the connection": """
        with create_engine("postgresql://").connect() as connection:
            with connection.begin():
                do_run_migrations(connection)
    """,
    "begin on the async connection": """
        async def main():
            async with create_async_engine("postgresql://").connect() as connection:
                async with connection.begin():
                    await connection.run_sync(do_run_migrations)

        asyncio.run(main())
    """,
    "a schema is made before configure": """
        with create_engine("postgresql://").connect() as connection:
            connection.execute(text("create schema if not exists app"))
            do_run_migrations(connection)
    """,
    "commit before configure and at the end": """
        async def main():
            async with create_async_engine("postgresql://").connect() as connection:
                await connection.execute(text("create schema if not exists app"))
                await connection.commit()
                await connection.run_sync(do_run_migrations)
                await connection.commit()

        asyncio.run(main())
    """,
    "no with": """
        engine = create_engine("postgresql://")
        connection = engine.connect()
        try:
            do_run_migrations(connection)
        finally:
            connection.close()
            engine.dispose()
    """,
    "run_until_complete": """
        async def main():
            async with create_async_engine("postgresql://").connect() as connection:
                await connection.run_sync(do_run_migrations)

        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(main())
        loop.close()
    """,
    "get_event_loop": """
        async def main():
            async with create_async_engine("postgresql://").connect() as connection:
                await connection.run_sync(do_run_migrations)

        loop = asyncio.get_event_loop()
        if loop.is_running():
            loop.create_task(main())
        else:
            loop.run_until_complete(main())
    """,
    "get_running_loop": """
        async def main():
            async with create_async_engine("postgresql://").connect() as connection:
                await connection.run_sync(do_run_migrations)

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(main())
        else:
            loop.create_task(main())
    """,
    "get_running_loop, a thread": """
        import concurrent.futures

        async def main():
            async with create_async_engine("postgresql://").connect() as connection:
                await connection.run_sync(do_run_migrations)

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        else:
            loop = True
        if loop:
            with concurrent.futures.ThreadPoolExecutor() as executor:
                executor.submit(asyncio.run, main()).result()
        else:
            asyncio.run(main())
    """,
    "a Runner": """
        async def main():
            asyncio.get_running_loop()
            async with create_async_engine("postgresql://").connect() as connection:
                await connection.run_sync(do_run_migrations)

        with asyncio.Runner() as runner:
            runner.run(main())
    """,
    "run by its name": """
        from asyncio import run, wait_for

        async def main():
            async with create_async_engine("postgresql://").connect() as connection:
                await wait_for(connection.run_sync(do_run_migrations), 30)

        run(main())
    """,
    "an event loop policy": """
        asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
        do_run_migrations(config.attributes["connection"])
    """,
    "anyio": """
        import anyio

        async def main(url):
            async with create_async_engine(url).connect() as connection:
                await connection.run_sync(do_run_migrations)

        anyio.run(main, "postgresql+asyncpg://")
    """,
    "sa.create_engine": """
        import sqlalchemy as sa
        with sa.create_engine("postgresql://", poolclass=sa.pool.NullPool).connect() as connection:
            do_run_migrations(connection)
    """,
    "sqlalchemy.engine.create_engine": """
        import sqlalchemy.engine
        with sqlalchemy.engine.create_engine("postgresql://").connect() as connection:
            do_run_migrations(connection)
    """,
    "sqlalchemy.ext.asyncio as a module": """
        import sqlalchemy.ext.asyncio as asa

        async def main():
            async with asa.create_async_engine("postgresql://").connect() as connection:
                await connection.run_sync(do_run_migrations)

        asyncio.run(main())
    """,
    "from sqlalchemy import *": """
        from sqlalchemy import *
        assert Column and Table and MetaData
        with create_engine("postgresql://").connect() as connection:
            do_run_migrations(connection)
    """,
    "imports in functions": """
        def run():
            from sqlalchemy import create_engine as make
            from importlib import import_module
            with make("postgresql://").connect() as connection:
                do_run_migrations(connection)

        run()
    """,
    "execution options of the connection": """
        with create_engine("postgresql://").connect() as connection:
            connection = connection.execution_options(isolation_level="SERIALIZABLE")
            do_run_migrations(connection)
    """,
    "run_migrations with arguments": """
        context.configure(connection=config.attributes["connection"])
        with context.begin_transaction():
            context.run_migrations()
    """,
    "names from alembic.context": """
        from alembic.context import begin_transaction, configure, run_migrations
        from alembic.context import config as configuration
        configure(connection=configuration.attributes["connection"])
        with begin_transaction():
            run_migrations()
    """,
    "a check of its own name": """
        assert __name__ == "env_py"
        assert os.path.basename(__file__) == "env.py"
        do_run_migrations(config.attributes["connection"])
    """,
    "options of every kind": """
        context.configure(
            connection=config.attributes["connection"],
            compare_type=True,
            compare_server_default=True,
            render_as_batch=True,
            include_schemas=True,
            process_revision_directives=lambda *_: (_ for _ in ()).throw(AssertionError()),
            transaction_per_migration=True,
            user_module_prefix="sa.",
        )
        with context.begin_transaction():
            context.execute("set local statement_timeout = 0")
            context.run_migrations()
    """,
    "no transaction of Alembic's": """
        with create_engine("postgresql://").connect() as connection:
            context.configure(connection=connection)
            context.run_migrations()
            connection.commit()
    """,
    "a session": """
        from sqlalchemy.orm import Session
        with Session(create_engine("postgresql://")) as session:
            do_run_migrations(session.connection())
            session.commit()
    """,
}


@pytest.fixture(params=CONNECTIONS)
def found(request, directory, monkeypatch):
    """A directory with each of the env.py files."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return env(directory, CONNECTIONS[request.param]).tables(2)


def env(directory, source):
    return directory.file("env.py", HEAD + "\n".join(line[8:] for line in source.split("\n")))


@pytest.fixture
def connects():
    """Every connection that any engine of this process opens."""
    opened = []

    def opening(dbapi_connection, record):
        opened.append(record)

    event.listen(pool.Pool, "connect", opening)
    yield opened
    event.remove(pool.Pool, "connect", opening)


async def tables(oracle, schema="public"):
    query = """
        select relname from pg_class
        where relkind = 'r' and relnamespace = $1::regnamespace order by relname
    """
    return [row["relname"] for row in await oracle.fetch(query, schema)]


async def test_it_goes_up_and_down(found, engine, oracle):
    await schemakit.upgrade(engine, migrations=found)
    assert await tables(oracle) == ["alembic_version", "t1", "t2"]
    await schemakit.downgrade(engine, "r1", migrations=found)
    assert await tables(oracle) == ["alembic_version", "t1"]


async def test_it_opens_no_connection_but_the_callers(found, engine, connects):
    await schemakit.upgrade(engine, migrations=found)
    assert len(connects) == 1


async def test_it_may_leave_the_transaction(found, engine, oracle):
    found.revision(
        "r3",
        """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY t1_id ON t1 (id)")
        """,
    )
    await schemakit.upgrade(engine, migrations=found)
    assert await oracle.fetchval("select indisvalid from pg_index where indexrelid = 't1_id'::regclass")


async def test_it_leaves_logging_alone(found, engine):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    await schemakit.upgrade(engine, migrations=found)
    assert (root.level, list(root.handlers)) == before
    assert not logging.getLogger("schemakit.an.application").disabled


async def test_it_keeps_to_the_callers_transaction(found, engine, oracle):
    async with engine.connect() as connection:
        await connection.begin()
        await schemakit.upgrade(connection, migrations=found)
        await connection.rollback()
    assert await tables(oracle) == []
