"""At head `upgrade` is one SELECT: no revision is executed, no lock taken, no env.py run in vain.

Oracle: what the server is sent, and a line that every revision and every env.py leaves when run.
"""

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import asyncpg
import pytest
from sqlalchemy import event, make_url
from tests.fix_postgres import disposing, pool_free

import schemakit
from schemakit.runner import index
from schemakit.runner.locks import lock_key

MARK = "import pathlib\nwith pathlib.Path({log!r}).open('a') as log:\n    log.write('{name} ')\n"
TABLE = "alembic_version"


class Service:
    """An application that starts again and again, and what each start does."""

    def __init__(self, engine, directory, root):
        self.engine, self.directory, self.log = engine, directory, root / "log"
        self.statements = []
        event.listen(engine.sync_engine, "before_cursor_execute", self._sent)

    def _sent(self, connection, cursor, statement, *_):
        self.statements.append(statement)

    def mark(self, name):
        return MARK.format(log=str(self.log), name=name)

    def with_env(self, source, count=2):
        for number in range(1, count + 1):
            self.directory.revision(f"r{number}")
            path = self.directory.path / "versions" / f"r{number}.py"
            self.directory.file(
                f"versions/r{number}.py", self.mark(f"r{number}") + path.read_text()
            )
        if source is not None:
            self.directory.env(self.mark("env.py") + dedent(source))
        self.directory.settle()
        return self

    async def start(self, engine=None, **options):
        """Upgrade; return the files that were run, each once."""
        self.log.unlink(missing_ok=True)
        self.statements.clear()
        self.result = await schemakit.upgrade(
            engine or self.engine, migrations=self.directory, **options
        )
        return set(self.log.read_text().split()) if self.log.exists() else set()


@pytest.fixture
def service(engine, directory, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("VERSION_TABLE", raising=False)
    monkeypatch.delenv("TENANT", raising=False)
    return Service(engine, directory, tmp_path)


ONLINE = """
from alembic import context
{before}
def migrate(connection):
    {configure}
    with context.begin_transaction():
        context.run_migrations()

if context.is_offline_mode():
    context.configure(url="postgresql://", version_table="another", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    migrate(context.config.attributes["connection"])
"""


def online(configure, before=""):
    return ONLINE.format(configure=configure, before=before)


PLAIN = online("context.configure(connection=connection)")


# -- one SELECT ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [PLAIN, None, "from schemakit.env import run\nrun()"],
    ids=["env.py", "no env.py", "the two lines"],
)
async def test_the_server_sees_one_select(service, source):
    service.with_env(source)
    await service.start()
    await service.start()
    assert service.statements == [f'SELECT version_num::text FROM "{TABLE}"']


@pytest.mark.parametrize("target", ["head", "heads", "r2"])
async def test_so_it_does_for(service, target):
    service.with_env(PLAIN)
    await service.start()
    await service.start(revision=target)
    assert service.statements == [f'SELECT version_num::text FROM "{TABLE}"']


async def test_nothing_is_executed(service):
    service.with_env(PLAIN)
    assert await service.start() == {"env.py", "r1", "r2"}
    assert await service.start() == set()


async def test_the_result_says_where_the_database_stands(service):
    service.with_env(PLAIN)
    await service.start()
    await service.start()
    assert service.result.heads_before == service.result.heads_after == ("r2",)
    assert service.result.applied == ()


async def test_a_process_that_never_migrated_sends_no_more_than_it_must(service):
    service.with_env(PLAIN)
    await service.start()
    index.forget()
    await service.start()
    assert service.statements == [f'SELECT version_num::text FROM "{TABLE}"']


async def test_no_lock_is_taken_even_where_the_revisions_must_be_loaded(service):
    service.with_env(PLAIN)
    await service.start(settings=schemakit.Settings(index="off"))
    index.forget()
    assert await service.start(settings=schemakit.Settings(index="off")) == {"env.py", "r1", "r2"}
    assert [sql for sql in service.statements if "lock" in sql.lower()] == []


async def test_it_waits_for_nobody_who_holds_the_lock(service, oracle):
    service.with_env(PLAIN)
    await service.start()
    await oracle.execute(f"select pg_advisory_lock({lock_key('')})")
    await service.start(settings=schemakit.Settings(lock_wait=0))
    assert service.result.heads_after == ("r2",)


async def test_what_must_be_loaded_is_loaded_off_the_loop(service, directory):
    marks = "import threading\nMARKS.append(threading.current_thread() is threading.main_thread())"
    service.with_env(PLAIN, count=0)
    directory.revision("r1").file(
        "versions/r1.py",
        "import builtins\n"
        "MARKS = builtins.__dict__.setdefault('_schemakit_test_marks', [])\n"
        + marks + "\n" + (directory.path / "versions" / "r1.py").read_text(),
    )  # fmt: skip
    await service.start()
    assert vars(builtins).pop("_schemakit_test_marks") == [False]


# -- what is remembered of env.py ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("configure", "table"),
    [
        ("context.configure(connection=connection)", '"alembic_version"'),
        ('context.configure(connection, version_table="mine")', '"mine"'),
        (
            'context.configure(connection, version_table="v", version_table_schema="public")',
            '"public"."v"',
        ),
    ],
)
async def test_a_version_table_in_literals_is_remembered(service, configure, table):
    service.with_env(online(configure))
    await service.start()
    assert await service.start() == set()
    assert service.statements == [f"SELECT version_num::text FROM {table}"]


HELPER = """
import os
from alembic import context

def configure(connection):
    context.configure(connection=connection, version_table=os.environ.get("VERSION_TABLE", "a"))

def plainly(connection):
    context.configure(connection=connection)
"""
HELPED = """
    import sys, pathlib
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    try:
        import migration_helper
    finally:
        del sys.path[0]
        del sys.modules["migration_helper"]
"""

UNREMEMBERED = {
    "a computed table": online(
        'context.configure(connection, version_table=os.environ.get("VERSION_TABLE", "a"))',
        "import os",
    ),
    "options unseen": online(
        "context.configure(connection, **options)",
        'import os\noptions = {"version_table": os.environ.get("VERSION_TABLE", "a")}',
    ),
    "options bound before": online(
        "configure(connection)",
        "import os\nfrom functools import partial\n"
        'options = dict(version_table=os.environ.get("VERSION_TABLE", "a"))\n'
        "configure = partial(context.configure, **options)",
    ),
    "one branch of two": online(
        "context.configure(connection, version_table=os.environ['VERSION_TABLE'])"
        ' if os.environ.get("VERSION_TABLE") else context.configure(connection, version_table="a")',
        "import os",
    ),
    "a helper in another module": online(
        "migration_helper.configure(connection); context.configure if False else None",
        dedent(HELPED),
    ),
    "a helper beside a call that never runs": online(
        "migration_helper.configure(connection) if connection else context.configure(connection)",
        dedent(HELPED),
    ),
    "text that is executed": online(
        "exec(source) if connection else context.configure(connection)",
        "import os\nsource = 'context.configure(connection, version_table="
        'os.environ.get("VERSION_TABLE", "a"))\'',
    ),
    "the two lines in a helper": """
        import os
        from schemakit.env import run
        options = {"version_table": os.environ.get("VERSION_TABLE", "a")}
        run(**options)
    """,
}


@pytest.fixture
def helped(service):
    service.directory.file("migration_helper.py", HELPER)
    return service


@pytest.mark.parametrize("source", UNREMEMBERED.values(), ids=UNREMEMBERED.keys())
async def test_env_py_runs_and_no_revision_does_with(helped, source):
    helped.with_env(source)
    await helped.start()
    assert await helped.start() == {"env.py"}
    assert [sql for sql in helped.statements if "lock" in sql.lower()] == []


@pytest.mark.parametrize("source", UNREMEMBERED.values(), ids=UNREMEMBERED.keys())
async def test_what_env_py_reads_from_the_environment_counts_at_once_with(
    helped, oracle, monkeypatch, source
):
    helped.with_env(source)
    await helped.start()
    monkeypatch.setenv("VERSION_TABLE", "b")
    assert await helped.start() == {"env.py", "r1", "r2"}
    assert await oracle.fetchval("select version_num from b") == "r2"


OTHER_WORK = {
    "a statement before": (
        'connection.exec_driver_sql("select 1"); context.configure(connection)', ""),
    "a search_path": (
        'connection.exec_driver_sql("set search_path = public"); context.configure(connection)',
        ""),
    "a statement of a cursor": (
        (
            'connection.connection.cursor().execute("set search_path = public"); '
            "context.configure(connection)"
        ), ""),
    "another schema": (
        (
            "connection = connection.execution_options(schema_translate_map={None: 'public'}); "
            "context.configure(connection)"
        ), ""),
    "a helper that says nothing": ("migration_helper.plainly(connection)", dedent(HELPED)),
}  # fmt: skip


@pytest.mark.parametrize(("configure", "before"), OTHER_WORK.values(), ids=OTHER_WORK.keys())
async def test_env_py_that_does_more_runs_each_time_and_no_revision_does(helped, configure, before):
    helped.with_env(online(configure, before))
    await helped.start()
    assert await helped.start() == {"env.py"}


async def test_a_search_path_that_env_py_sets_counts_at_once(service, oracle, monkeypatch):
    service.with_env(
        online(
            'connection.exec_driver_sql("set search_path = " + os.environ["TENANT"]); '
            "context.configure(connection)",
            "import os",
        )
    )
    await oracle.execute("create schema one; create schema two")
    for tenant in ("one", "two"):
        monkeypatch.setenv("TENANT", tenant)
        await service.start()
    assert await oracle.fetchval("select version_num from one.alembic_version") == "r2"
    assert await oracle.fetchval("select version_num from two.alembic_version") == "r2"


async def test_the_offline_branch_does_not_count(service):
    service.with_env(online('context.configure(connection=connection, version_table="mine")'))
    await service.start()
    await service.start()
    assert service.statements == ['SELECT version_num::text FROM "mine"']


async def test_a_changed_env_py_is_run(service, oracle):
    service.with_env(PLAIN)
    await service.start()
    service.directory.env(online('context.configure(connection, version_table="mine")'))
    os.utime(service.directory.path / "env.py", (1, 1_600_000_001))
    await service.start()
    assert await oracle.fetchval("select version_num from mine") == "r2"


# -- the database is asked each time -------------------------------------------------------------


async def test_an_emptied_version_table_is_noticed(service, oracle):
    service.with_env(PLAIN)
    await service.start()
    await oracle.execute("delete from alembic_version")
    await service.start()
    assert [applied.revision for applied in service.result.applied] == ["r1", "r2"]


async def test_a_dropped_version_table_is_noticed(service, oracle):
    service.with_env(PLAIN)
    await service.start()
    await oracle.execute("drop table alembic_version")
    await service.start()
    assert [applied.revision for applied in service.result.applied] == ["r1", "r2"]


async def test_a_database_taken_back_is_noticed(service, oracle):
    service.with_env(PLAIN)
    await service.start()
    await oracle.execute("update alembic_version set version_num = 'r1'")
    await service.start()
    assert [applied.revision for applied in service.result.applied] == ["r2"]


async def test_another_database_of_the_same_directory_is_migrated(service, new_database):
    service.with_env(PLAIN)
    await service.start()
    async with disposing(pool_free(await new_database())) as other:
        assert await service.start(other) == {"env.py", "r1", "r2"}
        assert [applied.revision for applied in service.result.applied] == ["r1", "r2"]


async def test_a_database_dropped_and_made_again_is_migrated(service, database_url, oracle, dsn_of):
    service.with_env(PLAIN)
    name = make_url(database_url).database
    async with disposing(pool_free(database_url)) as engine:
        await service.start(engine)
        admin = await asyncpg.connect(dsn_of("postgres"))
        await admin.execute(f'drop database "{name}" with (force)')
        await admin.execute(f'create database "{name}"')
        await admin.close()
        await service.start(engine)
    assert [applied.revision for applied in service.result.applied] == ["r1", "r2"]


# -- a process that starts -----------------------------------------------------------------------

FRESH = """
import asyncio, json, sys
import schemakit
from sqlalchemy.ext.asyncio import create_async_engine

async def main():
    engine = create_async_engine(sys.argv[1])
    await schemakit.upgrade(engine, migrations=sys.argv[2])
    await engine.dispose()

asyncio.run(main())
heavy = ("alembic", "postgast", "mako", "click", "rich")
print(json.dumps(sorted(name for name in heavy if name in sys.modules)))
"""


def fresh(url, directory, **environ):
    done = subprocess.run(
        [sys.executable, "-c", FRESH, url, str(directory.path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
    )
    return json.loads(done.stdout)


async def test_a_fresh_process_imports_neither_alembic_nor_the_parser(service, database_url):
    service.with_env(PLAIN)
    await service.start()
    assert fresh(database_url, service.directory) == []


async def test_a_fresh_process_that_must_load_imports_alembic(service, database_url):
    service.with_env(PLAIN)
    await service.start()
    assert fresh(database_url, service.directory, SCHEMAKIT_INDEX="off") == ["alembic", "mako"]


async def test_a_process_remembers_for_the_next(service, database_url, tmp_path):
    service.with_env(PLAIN)
    kept = {"SCHEMAKIT_INDEX": str(tmp_path / "kept")}
    fresh(database_url, service.directory, **kept)
    assert fresh(database_url, service.directory, **kept) == []
    assert len(list(Path(kept["SCHEMAKIT_INDEX"]).iterdir())) == 1
