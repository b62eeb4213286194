"""What ``alembic init`` writes runs unmodified: its env.py, its ini, its pyproject.toml."""

import asyncio
import io
import logging
import shutil
import sys
from pathlib import Path

import alembic
import alembic.command
import pytest
from alembic.config import Config
from sqlalchemy import event, pool
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_directory import Directory
from tests.fix_postgres import disposing

import schemakit
from schemakit.errors import EnvironmentRefused, RevisionFailed

HAS = Path(alembic.__file__).parent / "templates"
#: The last one came with Alembic 1.16.3 or so: the oldest that is supported lacks it.
TEMPLATES = [
    name for name in ("generic", "async", "pyproject", "pyproject_async") if (HAS / name).exists()
]
AUTOCOMMIT = """
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY t1_id ON t1 (id)")
"""


@pytest.fixture(scope="module", params=TEMPLATES)
def initialised(request, tmp_path_factory):
    """A project as ``alembic init`` leaves it; it lies still, and is copied."""
    return Directory(tmp_path_factory.mktemp(request.param)).template(request.param).project


@pytest.fixture
def project(initialised, directory):
    """A project of each template, with three revisions."""
    shutil.copytree(initialised, directory.project, dirs_exist_ok=True)
    return directory.tables(3)


@pytest.fixture
def connects():
    """Every connection that any engine of this process opens."""
    opened = []

    def opening(dbapi_connection, record):
        opened.append(record)

    event.listen(pool.Pool, "connect", opening)
    yield opened
    event.remove(pool.Pool, "connect", opening)


async def tables(oracle):
    query = """
        select relname from pg_class
        where relkind = 'r' and relnamespace = 'public'::regnamespace order by relname
    """
    return [row["relname"] for row in await oracle.fetch(query)]


async def test_a_template_goes_up(project, engine, oracle):
    result = await schemakit.upgrade(engine, migrations=project)
    assert [applied.revision for applied in result.applied] == ["r1", "r2", "r3"]
    assert await tables(oracle) == ["alembic_version", "t1", "t2", "t3"]


async def test_a_template_goes_down(project, engine, oracle):
    await schemakit.upgrade(engine, migrations=project)
    result = await schemakit.downgrade(engine, "base", migrations=project)
    assert [applied.revision for applied in result.applied] == ["r3", "r2", "r1"]
    assert await tables(oracle) == ["alembic_version"]


async def test_a_template_runs_outside_a_transaction_where_a_revision_asks(project, engine, oracle):
    project.revision("r4", AUTOCOMMIT)
    await schemakit.upgrade(engine, migrations=project)
    assert await oracle.fetchval(
        "select indisvalid from pg_index where indexrelid = 't1_id'::regclass"
    )


async def test_a_template_opens_no_connection_but_the_callers(project, engine, connects):
    project.revision(
        "r4",
        """
        op.execute('''
            create table sessions as select count(*) as open from pg_stat_activity
            where datname = current_database()
        ''')
        """,
    )
    await schemakit.upgrade(engine, migrations=project)
    assert len(connects) == 1
    async with engine.connect() as connection:
        assert (await connection.exec_driver_sql("select open from sessions")).scalar() == 1


async def test_a_template_leaves_logging_alone(project, engine):
    application = logging.getLogger("an.application")
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    await schemakit.upgrade(engine, migrations=project)
    assert not application.disabled
    assert (root.level, list(root.handlers)) == before
    assert logging.getLogger("alembic").level == logging.NOTSET


async def test_a_template_runs_in_the_callers_transaction(project, engine, oracle):
    async with engine.connect() as connection:
        await connection.begin()
        result = await schemakit.upgrade(connection, migrations=project)
        assert not result.committed
        await connection.rollback()
    assert await tables(oracle) == []


async def test_a_template_of_a_failing_revision_names_it(project, engine, oracle):
    project.revision("r4", 'op.execute("select 1 / 0")')
    with pytest.raises(RevisionFailed, match="division by zero") as caught:
        await schemakit.upgrade(engine, migrations=project)
    assert caught.value.revision == "r4"


async def test_a_template_writes_sql_that_builds_the_same(project, oracle):
    await oracle.execute(await schemakit.render_sql("head", migrations=project))
    assert await tables(oracle) == ["alembic_version", "t1", "t2", "t3"]


async def test_a_template_writes_sql_that_takes_it_down(project, engine, oracle):
    await schemakit.upgrade(engine, migrations=project)
    script = await schemakit.render_sql("r3:r1", direction="downgrade", migrations=project)
    await oracle.execute(script)
    assert await tables(oracle) == ["alembic_version", "t1"]
    assert await oracle.fetchval("select version_num from alembic_version") == "r1"


async def test_a_template_is_found_from_the_working_directory(project, engine, monkeypatch):
    monkeypatch.chdir(project.project)
    result = await schemakit.upgrade(engine)
    assert result.heads_after == ("r3",)


async def test_templates_at_once_keep_to_their_databases(new_directory, new_database):
    directories = [new_directory(f"p{n}").template(TEMPLATES[n % 3]) for n in range(4)]
    for number, made in enumerate(directories):
        made.revision(f"only{number}", f'op.execute("create table only{number} ()")')
    urls = [await new_database() for _ in directories]

    async def upgraded(url, made):
        async with disposing(create_async_engine(url)) as engine:
            await schemakit.upgrade(engine, migrations=made)
            async with engine.connect() as connection:
                names = await connection.exec_driver_sql(
                    "select relname from pg_class where relname like 'only%'"
                )
                return names.scalars().all()

    found = await asyncio.gather(*map(upgraded, urls, directories))
    assert found == [["only0"], ["only1"], ["only2"], ["only3"]]


async def test_two_databases_are_refused_as_one_connection_cannot_serve_both(engine, directory):
    directory.template("multidb").revision("r1")
    directory.file(
        "versions/r1.py",
        "revision, down_revision = 'r1', None\n"
        "def upgrade(engine_name): pass\n"
        "def downgrade(engine_name): pass\n",
    )
    with pytest.raises(EnvironmentRefused, match="2 databases"):
        await schemakit.upgrade(engine, migrations=directory)


async def test_alembic_itself_still_works_before_and_after(directory, engine, clean_path):
    directory.template("generic").tables(1)
    before = await asyncio.to_thread(_alembic_sql, directory.path)
    await schemakit.upgrade(engine, migrations=directory)
    after = await asyncio.to_thread(_alembic_sql, directory.path)
    assert "CREATE TABLE t1" in before
    assert after == before


async def test_alembic_itself_works_on_a_connection_it_is_given(directory, engine, oracle):
    directory.env(
        """
        from alembic import context
        context.configure(connection=context.config.attributes["connection"])
        with context.begin_transaction():
            context.run_migrations()
        """
    ).tables(2)
    await schemakit.upgrade(engine, "r1", migrations=directory)

    def upgraded(connection):
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(directory.path))
        alembic.command.upgrade(config, "head")

    async with engine.begin() as connection:
        await connection.run_sync(upgraded)
    assert await oracle.fetchval("select version_num from alembic_version") == "r2"


@pytest.fixture
def clean_path(monkeypatch):
    """Alembic's commands put prepend_sys_path in front, each time."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def _alembic_sql(folder):
    buffer = io.StringIO()
    config = Config(output_buffer=buffer)
    config.set_main_option("script_location", str(folder))
    config.set_main_option("sqlalchemy.url", "postgresql://")
    alembic.command.upgrade(config, "head", sql=True)
    return buffer.getvalue()
