"""env.py files as they are found in the world run unmodified, on the caller's connection only."""

import gc
import importlib
import logging
import os
import sys
import weakref

import alembic.context
import alembic.op
import anyio.to_thread
import asyncpg
import pytest
from sqlalchemy import MetaData, event, make_url, pool
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_postgres import disposing

import schemakit
from schemakit import Migrations
from schemakit.errors import (
    EnvironmentFailed,
    EnvironmentRefused,
    NotCommitted,
    RevisionFailed,
)

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


#: SQLAlchemy 2.0 says of an ORM session in the caller's transaction what it does there.
SESSION = "ignore:The engine provided as bind:sqlalchemy.exc.SAWarning"
WARNED = [
    pytest.param(name, marks=pytest.mark.filterwarnings(SESSION)) if name == "a session" else name
    for name in CONNECTIONS
]


@pytest.fixture(params=WARNED)
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
    assert await oracle.fetchval(
        "select indisvalid from pg_index where indexrelid = 't1_id'::regclass"
    )


async def test_it_keeps_to_the_callers_transaction(found, engine, oracle):
    async with engine.connect() as connection:
        await connection.begin()
        await schemakit.upgrade(connection, migrations=found)
        await connection.rollback()
    assert await tables(oracle) == []


@pytest.mark.parametrize("name", ["an ini demanded", "logging by its module"])
async def test_logging_stays_the_applications(name, engine, directory):
    env(directory, CONNECTIONS[name]).tables(1)
    application, root = logging.getLogger("an.application"), logging.getLogger()
    before = (root.level, list(root.handlers))
    await schemakit.upgrade(engine, migrations=directory)
    assert (root.level, list(root.handlers), application.disabled) == (*before, False)


# -- what env.py configures ---------------------------------------------------------------------


async def test_naming_conventions_name_the_constraints(engine, oracle, directory):
    env(
        directory,
        """
        from sqlalchemy import MetaData
        names = {"uq": "uq__%(table_name)s__%(column_0_name)s"}
        target_metadata = MetaData(naming_convention=names)
        do_run_migrations(config.attributes["connection"])
        """,
    )
    directory.revision(
        "r1", 'op.create_table("p", sa.Column("e", sa.Text), sa.UniqueConstraint("e"))'
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert (
        await oracle.fetchval(
            "select conname from pg_constraint where conrelid = 'p'::regclass and contype = 'u'"
        )
        == "uq__p__e"
    )


async def test_a_directory_without_env_py_takes_its_names_from_target_metadata(
    engine, oracle, directory
):
    directory.revision(
        "r1", 'op.create_table("p", sa.Column("e", sa.Text), sa.UniqueConstraint("e"))'
    )
    metadata = MetaData(naming_convention={"uq": "uq__%(table_name)s__%(column_0_name)s"})
    migrations = Migrations(directory.path, target_metadata=metadata)
    await schemakit.upgrade(engine, migrations=migrations)
    assert (
        await oracle.fetchval(
            "select conname from pg_constraint where conrelid = 'p'::regclass and contype = 'u'"
        )
        == "uq__p__e"
    )


async def test_a_directory_without_env_py_goes_up_and_down(engine, oracle, directory):
    directory.tables(2)
    await schemakit.upgrade(engine, migrations=directory)
    await schemakit.downgrade(engine, "-1", migrations=directory)
    assert await tables(oracle) == ["alembic_version", "t1"]


async def test_a_directory_without_env_py_passes_configure_on(engine, oracle, directory):
    directory.tables(1)
    await oracle.execute("create schema meta")
    options = {"version_table": "v", "version_table_schema": "meta"}
    await schemakit.upgrade(engine, migrations=Migrations(directory.path, configure=options))
    assert await oracle.fetchval("select version_num from meta.v") == "r1"


async def test_the_version_table_is_where_env_py_says(engine, oracle, directory):
    env(
        directory,
        """
        connection = config.attributes["connection"]
        connection.execute(text("create schema if not exists meta"))
        connection.commit()
        context.configure(connection=connection, version_table="v", version_table_schema="meta")
        with context.begin_transaction():
            context.run_migrations()
        """,
    ).tables(1)
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle, "meta") == ["v"]
    assert await schemakit.current(engine, migrations=directory) == ("r1",)


async def test_a_transaction_per_migration_keeps_what_came_before(engine, oracle, directory):
    env(
        directory,
        """
        context.configure(
            connection=config.attributes["connection"], transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()
        """,
    )
    directory.tables(2).revision("r3", 'op.execute("select 1 / 0")')
    with pytest.raises(RevisionFailed) as caught:
        await schemakit.upgrade(engine, migrations=directory)
    assert [applied.revision for applied in caught.value.applied] == ["r1", "r2"]
    assert await tables(oracle) == ["alembic_version", "t1", "t2"]


async def test_one_transaction_keeps_nothing_of_a_failed_run(engine, oracle, directory):
    env(directory, CONNECTIONS["cookbook, asyncio"])
    directory.tables(2).revision("r3", 'op.execute("select 1 / 0")')
    with pytest.raises(RevisionFailed) as caught:
        await schemakit.upgrade(engine, migrations=directory)
    assert caught.value.applied == ()
    assert await tables(oracle) == []


async def test_x_arguments_arrive(engine, oracle, directory):
    env(
        directory,
        """
        arguments = context.get_x_argument(as_dictionary=True)
        connection = config.attributes["connection"]
        connection.execute(text(f"create table {arguments['tenant']} ()"))
        do_run_migrations(connection)
        """,
    )
    directory.revision("r1")
    migrations = Migrations(directory.path, x=("tenant=acme", "flag"))
    await schemakit.upgrade(engine, migrations=migrations)
    assert await tables(oracle) == ["acme", "alembic_version"]


async def test_attributes_arrive(engine, oracle, directory):
    env(
        directory,
        """
        assert config.attributes["tenant"] == "acme"
        do_run_migrations(config.attributes["connection"])
        """,
    ).tables(1)
    migrations = Migrations(directory.path, attributes={"tenant": "acme"})
    await schemakit.upgrade(engine, migrations=migrations)
    assert await tables(oracle) == ["alembic_version", "t1"]


async def test_on_version_apply_hears_of_every_revision(engine, oracle, directory):
    env(
        directory,
        """
        connection = config.attributes["connection"]

        def heard(*, ctx, step, heads, run_args, **_):
            connection.execute(
                text("insert into heard values (:r)"), {"r": step.up_revision_id}
            )

        connection.execute(text("create table if not exists heard (r text)"))
        context.configure(connection=connection, on_version_apply=heard)
        with context.begin_transaction():
            context.run_migrations()
        """,
    ).tables(2)
    await schemakit.upgrade(engine, migrations=directory)
    assert [row["r"] for row in await oracle.fetch("select r from heard")] == ["r1", "r2"]


async def test_arguments_of_run_migrations_reach_the_revisions(engine, oracle, directory):
    env(
        directory,
        """
        context.configure(connection=config.attributes["connection"])
        with context.begin_transaction():
            context.run_migrations(tenant="acme")
        """,
    )
    directory.file(
        "versions/r1.py",
        "from alembic import op\n"
        "revision, down_revision = 'r1', None\n"
        "def upgrade(tenant): op.execute(f'create table {tenant} ()')\n"
        "def downgrade(tenant): op.execute(f'drop table {tenant}')\n",
    )
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle) == ["acme", "alembic_version"]


async def test_a_schema_translate_map_of_the_engine_translates(engine, oracle, directory):
    env(
        directory,
        """
        engine = create_engine("postgresql://").execution_options(
            schema_translate_map={None: "acme"}
        )
        with engine.connect() as connection:
            connection.execute(text("create schema if not exists acme"))
            connection.commit()
            context.configure(connection=connection, version_table_schema="acme")
            with context.begin_transaction():
                context.run_migrations()
        """,
    ).tables(1)
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle, "acme") == ["alembic_version", "t1"]
    assert await tables(oracle) == []


TENANTS = """
        with engine_from_config(config.get_section("alembic")).connect() as connection:
            for tenant in ("a", "b"):
                connection.execute(text(f"create schema if not exists {tenant}"))
                connection.execute(text(f"set search_path to {tenant}"))
                connection.commit()
                connection.dialect.default_schema_name = tenant
                context.configure(connection=connection, version_table_schema=tenant)
                with context.begin_transaction():
                    context.run_migrations()
"""


async def test_a_loop_over_tenants_migrates_each(engine, oracle, directory):
    env(directory, TENANTS).tables(2)
    result = await schemakit.upgrade(engine, migrations=directory)
    assert [applied.revision for applied in result.applied] == ["r1", "r2", "r1", "r2"]
    assert await tables(oracle, "a") == ["alembic_version", "t1", "t2"]
    assert await tables(oracle, "b") == ["alembic_version", "t1", "t2"]


async def test_a_loop_over_tenants_migrates_the_one_that_is_behind(engine, oracle, directory):
    env(directory, TENANTS).tables(2)
    await schemakit.upgrade(engine, migrations=directory)
    await oracle.execute("drop table b.t2; update b.alembic_version set version_num = 'r1'")
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle, "b") == ["alembic_version", "t1", "t2"]


# -- what env.py imports --------------------------------------------------------------------------


@pytest.fixture
def package(directory, monkeypatch):
    """Write a module beside the directory, for env.py to import."""
    monkeypatch.syspath_prepend(directory.project)
    written = []

    def write(name, source):
        (directory.project / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "lines",
    [
        "from models_x import create_engine",
        "import models_x\ncreate_engine = models_x.create_engine",
    ],
    ids=["from", "import"],
)
async def test_a_factory_passed_on_by_another_module_opens_no_engine(
    lines, engine, oracle, directory, package, connects
):
    package("models_x", "from sqlalchemy import create_engine\n")
    directory.file(
        "env.py",
        HEAD
        + lines
        + "\nwith create_engine('postgresql://').connect() as connection:\n"
        + "    do_run_migrations(connection)\n",
    ).tables(1)
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle) == ["alembic_version", "t1"]
    assert len(connects) == 1


IMPORTED = """
        {}

        async def main():
            async with engine.connect() as connection:
                await connection.run_sync(do_run_migrations)

        asyncio.run(main())
"""


@pytest.fixture
def application(package):
    """A module of the application that has its engine."""
    package("app_db", "engine = None\ndef get_engine(): return engine\n")
    return importlib.import_module("app_db")


@pytest.mark.parametrize(
    "line", ["from app_db import engine", "from app_db import get_engine; engine = get_engine()"]
)
async def test_the_callers_engine_had_from_the_application_works(
    line, engine, oracle, directory, application
):
    application.engine = engine
    env(directory, IMPORTED.format(line)).tables(1)
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle) == ["alembic_version", "t1"]


async def test_the_callers_engine_imported_by_env_py_needs_no_second_connection(
    database_url, directory, application
):
    env(directory, IMPORTED.format("from app_db import engine")).tables(1)
    single = create_async_engine(database_url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    async with disposing(single) as engine:
        application.engine = engine
        result = await schemakit.upgrade(engine, migrations=directory)
    assert result.heads_after == ("r1",)


async def test_the_callers_engine_imported_by_env_py_keeps_to_the_callers_transaction(
    engine, oracle, directory, application
):
    application.engine = engine
    env(directory, IMPORTED.format("from app_db import engine")).tables(1)
    async with engine.connect() as connection:
        await connection.begin()
        await schemakit.upgrade(connection, migrations=directory)
        await connection.rollback()
    assert await tables(oracle) == []


async def test_a_second_connection_is_refused_in_the_callers_transaction(
    engine, oracle, directory, application
):
    application.engine = engine
    line = "from app_db import get_engine; engine = get_engine()"
    env(directory, IMPORTED.format(line)).tables(1)
    async with engine.connect() as connection:
        await connection.begin()
        with pytest.raises(EnvironmentRefused, match="outside the caller's transaction"):
            await schemakit.upgrade(connection, migrations=directory)
        await connection.rollback()
    assert await tables(oracle) == []


async def test_another_engine_of_the_application_is_refused(
    engine, oracle, directory, application, new_database
):
    env(directory, IMPORTED.format("from app_db import engine")).tables(1)
    async with disposing(create_async_engine(await new_database())) as other:
        application.engine = other
        with pytest.raises(EnvironmentRefused, match=r'config\.attributes\["connection"\]'):
            await schemakit.upgrade(engine, migrations=directory)
        async with other.connect() as connection:
            names = await connection.exec_driver_sql(
                "select relname from pg_class where relname ~ '^t1|alembic'"
            )
            assert names.all() == []
    assert await tables(oracle) == []


async def test_what_env_py_does_to_asyncio_the_application_does_not_see(engine, directory, package):
    package("app_loop", "import asyncio\nrun = asyncio.run\n")
    env(
        directory,
        """
        import app_loop
        assert app_loop.run is not asyncio.run
        do_run_migrations(config.attributes["connection"])
        """,
    ).tables(1)
    await schemakit.upgrade(engine, migrations=directory)


# -- what goes wrong ------------------------------------------------------------------------------


async def test_an_env_py_that_raises_is_named(engine, directory):
    env(directory, "        raise KeyError('SECRET_KEY')").tables(1)
    with pytest.raises(EnvironmentFailed, match="KeyError: 'SECRET_KEY'") as caught:
        await schemakit.upgrade(engine, migrations=directory)
    assert isinstance(caught.value.__cause__, KeyError)


async def test_an_env_py_that_does_not_compile_is_named(engine, directory):
    directory.file("env.py", "def (:\n").tables(1)
    with pytest.raises(EnvironmentFailed, match=r"SyntaxError.*env\.py"):
        await schemakit.upgrade(engine, migrations=directory)


async def test_an_env_py_that_never_migrates_is_told_so(engine, directory):
    env(directory, "        pass").tables(1)
    with pytest.raises(EnvironmentFailed, match="It never called"):
        await schemakit.upgrade(engine, migrations=directory)


async def test_an_error_that_env_py_swallows_is_raised_all_the_same(engine, oracle, directory):
    env(
        directory,
        """
        try:
            do_run_migrations(config.attributes["connection"])
        except Exception:
            pass
        """,
    )
    directory.tables(1).revision("r2", 'op.execute("select 1 / 0")')
    with pytest.raises(RevisionFailed, match="division by zero") as caught:
        await schemakit.upgrade(engine, migrations=directory)
    assert caught.value.revision == "r2"
    assert await tables(oracle) == []


async def test_a_dry_run_of_env_py_is_not_taken_for_a_migration(engine, oracle, directory):
    env(
        directory,
        """
        connection = config.attributes["connection"]
        context.configure(connection=connection)
        transaction = connection.begin()
        context.run_migrations()
        transaction.rollback()
        """,
    ).tables(1)
    with pytest.raises(NotCommitted, match="at base, not at r1"):
        await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle) == []


async def test_a_revision_that_ends_the_callers_transaction_is_refused(engine, oracle, directory):
    env(directory, CONNECTIONS["cookbook, asyncio"])
    directory.tables(1).revision(
        "r2",
        """
        from sqlalchemy.orm import Session
        session = Session(bind=op.get_bind())
        session.execute(sa.text("select 1"))
        session.rollback()
        """,
    )
    async with engine.connect() as connection:
        await connection.begin()
        with pytest.raises(RevisionFailed, match="a revision has ended it"):
            await schemakit.upgrade(connection, migrations=directory)
    assert await tables(oracle) == []


async def test_a_search_path_in_connect_args_is_refused(engine, oracle, directory):
    env(
        directory,
        """
        settings = {"server_settings": {"search_path": "acme"}}
        engine = create_async_engine("postgresql+asyncpg://", connect_args=settings)
        raise AssertionError(engine)
        """,
    ).tables(1)
    with pytest.raises(EnvironmentRefused, match="search_path in connect_args"):
        await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle) == []


async def test_execution_options_of_an_engine_apply(engine, oracle, directory):
    await oracle.execute("create schema acme")
    env(
        directory,
        """
        options = {"schema_translate_map": {None: "acme"}}
        with create_engine("postgresql://", execution_options=options).connect() as connection:
            do_run_migrations(connection)
        """,
    ).tables(1)
    await schemakit.upgrade(engine, migrations=directory)
    assert await tables(oracle, "acme") == ["alembic_version", "t1"]


async def test_an_env_py_may_not_end_the_callers_transaction_in_a_roundabout_way(
    engine, oracle, directory
):
    env(
        directory,
        """
        connection = config.attributes["connection"]
        do_run_migrations(connection)
        connection.get_transaction().commit()
        """,
    ).tables(1)
    async with engine.connect() as connection:
        await connection.begin()
        await schemakit.upgrade(connection, migrations=directory)
        assert connection.in_transaction()
        await connection.rollback()
    assert await tables(oracle) == []


# -- the caller's engine --------------------------------------------------------------------------


async def test_a_creator_is_asked_for_every_connection(database_url, directory):
    directory.template("async").tables(1)
    dsn = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    asked = []

    async def creator():
        asked.append(dsn)
        return await asyncpg.connect(dsn)

    bare = create_async_engine("postgresql+asyncpg://nobody@nowhere/x", async_creator=creator)
    async with disposing(bare) as engine:
        result = await schemakit.upgrade(engine, migrations=directory)
    assert result.heads_after == ("r1",)
    assert len(asked) == 1


async def test_a_token_is_issued_for_every_connection(database_url, directory):
    directory.template("generic").tables(1)
    issued = []
    async with disposing(create_async_engine(database_url)) as engine:

        @event.listens_for(engine.sync_engine, "do_connect")
        def issue(dialect, record, arguments, keywords):
            issued.append(True)

        await schemakit.upgrade(engine, migrations=directory)
    assert issued == [True]


async def test_a_password_of_percent_signs_is_no_matter(engine, database_url, oracle, directory):
    role = f"r_{os.urandom(4).hex()}"
    await oracle.execute(f"create role {role} login superuser password 'p%40s%s@/:%'")
    url = make_url(database_url).set(username=role, password="p%40s%s@/:%")  # noqa: S106 - the role is dropped
    directory.template("async").tables(1)
    try:
        async with disposing(create_async_engine(url)) as other:
            result = await schemakit.upgrade(other, migrations=directory)
        assert result.heads_after == ("r1",)
    finally:
        await oracle.execute(f"drop owned by {role} cascade; drop role {role}")


async def test_the_url_that_env_py_sees_has_no_password(engine, oracle, directory):
    env(
        directory,
        """
        connection = config.attributes["connection"]
        connection.execute(text("create table if not exists seen (url text)"))
        connection.execute(
            text("insert into seen values (:u)"), {"u": config.get_main_option("sqlalchemy.url")}
        )
        do_run_migrations(connection)
        """,
    ).tables(1)
    await schemakit.upgrade(engine, migrations=directory)
    seen = await oracle.fetchval("select url from seen limit 1")
    assert seen.startswith("postgresql+asyncpg://")
    assert str(engine.url.password) not in seen


# -- nothing stays --------------------------------------------------------------------------------


async def _migrated(engine, directory, *, failing=False):
    """Run once and return weak references to what the run used."""
    kept = []
    env(
        directory,
        """
        config.attributes["kept"](context, config, config.attributes["connection"])
        do_run_migrations(config.attributes["connection"])
        """,
    ).tables(1)
    if failing:
        directory.revision("r2", 'op.execute("select 1 / 0")')

    def keep(context, config, connection):
        kept.extend(weakref.ref(each) for each in (context._proxy.get_context, config, connection))
        kept.append(weakref.ref(alembic.context.config))

    migrations = Migrations(directory.path, attributes={"kept": keep})
    try:
        await schemakit.upgrade(engine, migrations=migrations)
    except RevisionFailed:
        assert failing
    return kept


@pytest.mark.parametrize("failing", [False, True], ids=["success", "failure"])
async def test_no_connection_and_no_config_stays_reachable(engine, directory, failing):
    kept = await _migrated(engine, directory, failing=failing)
    await anyio.to_thread.run_sync(int)  # an idle worker of anyio's keeps its last job
    gc.collect()
    assert [reference() for reference in kept] == [None] * len(kept)


@pytest.mark.parametrize("failing", [False, True], ids=["success", "failure"])
async def test_alembics_modules_are_empty_afterwards(engine, directory, failing):
    await _migrated(engine, directory, failing=failing)
    with pytest.raises(AttributeError):
        _ = alembic.context.config
    with pytest.raises(NameError, match="not yet been established"):
        alembic.op.execute("select 1")
    with pytest.raises(NameError, match="not yet been established"):
        alembic.context.is_offline_mode()


async def test_env_py_is_no_module_that_stays(engine, directory):
    await _migrated(engine, directory)
    assert "env_py" not in sys.modules


async def test_sys_path_does_not_grow_with_each_call(engine, directory):
    directory.template("async").tables(2)
    await schemakit.upgrade(engine, "r1", migrations=directory)
    before = list(sys.path)
    await schemakit.upgrade(engine, "r2", migrations=directory)
    await schemakit.downgrade(engine, "base", migrations=directory)
    assert sys.path == before


async def test_an_error_that_env_py_hides_leaves_no_half_a_revision(engine, oracle, directory):
    directory.env(
        """
        from alembic import context
        context.configure(connection=context.config.attributes["connection"])
        with context.begin_transaction():
            try:
                context.run_migrations()
            except ZeroDivisionError:
                pass
        """
    ).revision("a", 'op.execute("create table half (id int)"); 1 / 0').settle()
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval("select to_regclass('half')") is None
