"""When it fails: what was kept, what failed and why, without a secret in the text."""

import asyncio
import pickle
import traceback
from textwrap import dedent

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_postgres import disposing
from tests.runner.watching import INVALID, TABLES, at_rest, blocked, until, versions

import schemakit
from schemakit.errors import EnvironmentFailed, NotCommitted, RevisionFailed, RevisionInterrupted

ONE_TRANSACTION = """
from alembic import context

context.configure(connection=context.config.attributes["connection"], {options})
with context.begin_transaction():
    context.run_migrations()
"""
BAD = "op.execute(\"INSERT INTO t1 (nope) VALUES ('hunter2')\")"
CONCURRENTLY = """
with op.get_context().autocommit_block():
    op.create_index("i1", "t1", ["id"], postgresql_concurrently=True)
"""
DEFERRED = """
op.execute("CREATE TABLE parent (id int PRIMARY KEY)")
op.execute("CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
op.execute("INSERT INTO child VALUES (4711)")
"""


@pytest.fixture(params=["", "transaction_per_migration=True"], ids=["one", "each"])
def mode(request):
    return request.param


async def failed(engine, directory, kind=RevisionFailed, **options):
    with pytest.raises(kind) as caught:
        await schemakit.upgrade(engine, migrations=directory.settle(), **options)
    return caught.value


# -- what was kept ---------------------------------------------------------------------------------


async def test_in_one_transaction_nothing_is_kept(engine, oracle, directory):
    directory.env(ONE_TRANSACTION.format(options="")).tables(2).revision("bad", BAD)
    error = await failed(engine, directory)
    assert (error.applied, error.heads) == ((), ())
    assert await oracle.fetchval(TABLES) == []


async def test_with_a_transaction_for_each_the_others_are_kept(engine, oracle, directory):
    env = ONE_TRANSACTION.format(options="transaction_per_migration=True")
    error = await failed(engine, directory.env(env).tables(2).revision("bad", BAD))
    assert [step.revision for step in error.applied] == ["r1", "r2"]
    assert error.heads == ("r2",)
    assert await versions(oracle) == ["r2"]


async def test_what_an_autocommit_block_has_committed_is_kept(engine, oracle, directory):
    directory.env(ONE_TRANSACTION.format(options="")).tables(1).revision("i1", CONCURRENTLY)
    error = await failed(engine, directory.revision("bad", BAD))
    assert ([step.revision for step in error.applied], error.heads) == (["r1"], ("r1",))
    assert await versions(oracle) == ["r1"]


async def test_the_next_run_goes_on_from_there(engine, oracle, directory, mode):
    directory.env(ONE_TRANSACTION.format(options=mode)).tables(1).revision("i1", CONCURRENTLY)
    await failed(engine, directory.revision("bad", BAD))
    directory.revision("bad", "pass", down="i1").settle()
    result = await schemakit.upgrade(engine, migrations=directory)
    assert result.heads_after == ("bad",)
    assert await oracle.fetchval(INVALID) is None


async def test_a_failing_downgrade_says_its_direction(engine, directory):
    directory.revision("r1", "pass", 'op.execute("SELECT nonsense")').settle()
    await schemakit.upgrade(engine, migrations=directory)
    with pytest.raises(RevisionFailed, match="downgrade of r1") as caught:
        await schemakit.downgrade(engine, "base", migrations=directory)
    assert (caught.value.direction, caught.value.heads) == ("downgrade", ("r1",))


# -- what failed -----------------------------------------------------------------------------------


async def test_the_error_names_the_revision_its_file_and_the_statement(engine, directory, mode):
    directory.env(ONE_TRANSACTION.format(options=mode)).tables(1).revision("bad", BAD)
    error = await failed(engine, directory)
    assert (error.revision, error.direction) == ("bad", "upgrade")
    assert error.path == str(directory.path / "versions" / "bad.py")
    assert error.statement == "INSERT INTO t1 (nope) VALUES (?)"
    assert str(error).splitlines() == [
        "A revision failed.",
        f"upgrade of bad ({error.path})",
        'ProgrammingError: column "nope" of relation "t1" does not exist',
        "statement: INSERT INTO t1 (nope) VALUES (?)",
        "Kept of this run: r1. The database is at r1."
        if mode
        else "Kept of this run: nothing. The database is at base.",
        "Remedy: mend the revision and run again; it goes on from the heads named above.",
    ]


async def test_the_cause_is_the_drivers_error(engine, directory):
    error = await failed(engine, directory.tables(1).revision("bad", BAD))
    assert isinstance(error.__cause__, DBAPIError)
    assert error.__cause__.orig.sqlstate == "42703"


async def test_what_fails_in_python_blames_no_statement(engine, directory):
    body = 'op.execute("SELECT 1"); raise ValueError("no such tenant")'
    error = await failed(engine, directory.revision("bad", body))
    assert error.statement is None
    assert "ValueError: no such tenant" in str(error)
    assert isinstance(error.__cause__, ValueError)


async def test_a_constraint_that_fails_at_commit_is_put_down_to_the_revision(
    engine, oracle, directory, mode
):
    directory.env(ONE_TRANSACTION.format(options=mode)).tables(1).revision("fk", DEFERRED)
    error = await failed(engine, directory)
    assert (error.revision, error.statement) == ("fk", None)
    assert "when it was committed" in str(error)
    assert 'violates foreign key constraint "child_id_fkey"' in str(error)
    assert "4711" not in text_of(error)
    assert await versions(oracle) == (["r1"] if mode else None)


async def test_an_env_py_that_fails_is_no_revisions_fault(engine, directory):
    directory.env("raise RuntimeError('no settings')").tables(1)
    error = await failed(engine, directory, EnvironmentFailed)
    assert "RuntimeError: no settings" in str(error)


async def test_an_env_py_that_swallows_the_error_cannot_hide_it(engine, oracle, directory):
    swallowing = """
        from alembic import context

        context.configure(connection=context.config.attributes["connection"])
        try:
            with context.begin_transaction():
                context.run_migrations()
        except Exception:
            pass
        """
    error = await failed(engine, directory.env(swallowing).tables(1).revision("bad", BAD))
    assert (error.revision, error.heads) == ("bad", ())
    assert await oracle.fetchval(TABLES) == []


async def test_an_env_py_that_rolls_back_is_found_out(engine, oracle, directory):
    directory.env(
        """
        from alembic import context

        connection = context.config.attributes["connection"]
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
            connection.rollback()
        """
    ).tables(1)
    error = await failed(engine, directory, Exception)
    assert isinstance(error, NotCommitted | RevisionFailed | EnvironmentFailed)
    assert await oracle.fetchval(TABLES) == []


async def test_an_index_build_inside_the_transaction_says_where_it_belongs(engine, directory):
    body = 'op.execute("CREATE INDEX CONCURRENTLY i1 ON t1 (id)")'
    error = await failed(engine, directory.tables(1).revision("bad", body))
    assert "autocommit_block()" in error.remedy


# -- the server goes away --------------------------------------------------------------------------


async def kill(oracle):
    await blocked(oracle)
    await oracle.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )


@pytest.mark.parametrize("pool", [{}, {"pool_size": 1, "max_overflow": 0, "pool_timeout": 1}])
async def test_a_session_killed_in_a_revision_is_a_failure_that_knows_what_was_kept(
    pool, database_url, oracle, directory
):
    env = ONE_TRANSACTION.format(options="transaction_per_migration=True")
    directory.env(env).tables(2).revision("r3", 'op.execute("SELECT pg_sleep(60)")')
    async with disposing(create_async_engine(database_url, **pool)) as engine:
        killer = asyncio.ensure_future(kill(oracle))
        error = await failed(engine, directory)
        await killer
        assert (error.revision, error.heads) == ("r3", ("r2",))
        assert [step.revision for step in error.applied] == ["r1", "r2"]
        directory.revision("r3", "pass", down="r2").settle()
        await at_rest(oracle)
        assert await schemakit.upgrade(engine, migrations=directory)


async def test_a_connection_killed_in_a_revision_can_be_used_again(engine, oracle, directory):
    directory.revision("r1", 'op.execute("SELECT pg_sleep(60)")').settle()
    async with engine.connect() as connection:
        killer = asyncio.ensure_future(kill(oracle))
        await failed(connection, directory)
        await killer
        assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1


async def test_a_session_killed_while_it_builds_an_index_is_healed_by_the_next_run(
    engine, oracle, connect, directory
):
    directory.tables(1).revision("i1", CONCURRENTLY).settle()
    await schemakit.upgrade(engine, "r1", migrations=directory)
    blocker = await connect()
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("INSERT INTO t1 VALUES (1)")
    run = asyncio.ensure_future(schemakit.upgrade(engine, migrations=directory))

    async def killed():
        return await oracle.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_progress_create_index "
            "WHERE phase LIKE 'waiting for writers%'"  # by then the index is in the catalog
        )

    await until(killed)
    with pytest.raises(RevisionFailed):
        await run
    await transaction.rollback()
    assert await oracle.fetchval(INVALID) == ["i1"]
    assert (await schemakit.upgrade(engine, migrations=directory)).heads_after == ("i1",)
    assert await oracle.fetchval(INVALID) is None


# -- what may be over the next time ----------------------------------------------------------------

IMPATIENT = """
op.execute("SET LOCAL lock_timeout = '50ms'")
op.execute("ALTER TABLE busy ADD COLUMN x int")
"""


@pytest.fixture
async def busy(oracle, connect):
    """A transaction that holds the table ``busy``."""
    await oracle.execute("CREATE TABLE busy (id int)")
    transaction = (await connect()).transaction()
    await transaction.start()
    await transaction._connection.execute("LOCK TABLE busy")
    return transaction


async def test_a_lock_that_was_not_to_be_had_is_tried_again(engine, oracle, directory, busy):
    async def on_event(event):
        events.append(event)
        if event.kind == "retrying":
            await busy.rollback()

    events = []
    directory.revision("r1", IMPATIENT).settle()
    result = await schemakit.upgrade(engine, migrations=directory, on_event=on_event)
    assert [step.revision for step in result.applied] == ["r1"]
    assert [event.kind for event in events] == [
        "started",
        "revision_started",
        "revision_failed",
        "retrying",
        "revision_started",
        "revision_finished",
        "finished",
    ]
    assert str(events[3]).startswith("lock not available in r1")


async def test_in_the_callers_transaction_nothing_is_tried_again(engine, oracle, directory, busy):
    events = []
    directory.revision("r1", IMPATIENT)
    async with engine.connect() as connection:
        await connection.begin()
        await failed(connection, directory, on_event=events.append)
    assert "retrying" not in [event.kind for event in events]
    await busy.rollback()


# -- no secret in the text -------------------------------------------------------------------------


def text_of(error):
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


SECRETS = {
    "a literal": "op.execute(f\"CREATE ROLE nobody IN ROLE absent PASSWORD '{secret}'\")",
    "a literal that is cut off": 'op.execute(f"CREATE ROLE x PASSWORD \'{secret}")',
    "a literal at the error": "op.execute(f\"CREATE ROLE x PASSWORD PASSWORD '{secret}'\")",
    "a parameter": (
        'op.get_bind().execute(sa.text("SELECT * FROM absent WHERE x = :x"), {"x": secret})'
    ),
    "a parameter of the wrong type": (
        'op.get_bind().execute(sa.text("SELECT CAST(:x AS int)"), {"x": secret})'
    ),
    "a value the server quotes": "op.execute(f\"SELECT '{secret}'::int\")",
    "a row the server shows": """
        op.execute(f"INSERT INTO unique_ VALUES ('{secret}')")
        op.execute(f"INSERT INTO unique_ VALUES ('{secret}')")
    """,
    "a row that fails a check": "op.execute(f\"INSERT INTO checked VALUES ('{secret}')\")",
    "a driver's own error": """
        async def insert(connection):
            raw = (await connection.get_raw_connection()).driver_connection
            await raw.execute("INSERT INTO checked VALUES ($1)", secret)

        op.run_async(insert)
    """,
}


@pytest.mark.parametrize("body", SECRETS.values(), ids=SECRETS)
async def test_no_value_comes_out_in_the_text_of_an_error(body, engine, directory, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")  # as in life: the source does not hold it
    tables = """
        op.execute("CREATE TABLE unique_ (x text PRIMARY KEY)")
        op.execute("CREATE TABLE checked (x text CHECK (length(x) = 1))")
    """
    directory.env(ONE_TRANSACTION.format(options="")).revision("r0", tables)
    head = 'import os\nsecret = os.environ["SECRET"]\n'
    error = await failed(engine, directory.revision("bad", head + dedent(body)))
    assert "hunter2" not in text_of(error)
    assert error.revision == "bad"


async def test_the_log_holds_no_value_either(engine, directory, monkeypatch, caplog):
    monkeypatch.setenv("SECRET", "hunter2")
    body = SECRETS["a literal"]
    await failed(
        engine, directory.revision("bad", f'import os; secret = os.environ["SECRET"]\n{body}')
    )
    assert "hunter2" not in caplog.text
    assert "upgrade bad failed: ProgrammingError" in caplog.text


# -- errors are values -----------------------------------------------------------------------------


async def test_a_failure_can_be_pickled(engine, directory):
    error = await failed(engine, directory.tables(1).revision("bad", BAD))
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - what it has just written
    assert (copied.revision, str(copied)) == ("bad", str(error))


# -- every other way out ---------------------------------------------------------------------------


@pytest.mark.parametrize("way_out", [SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_what_is_no_exception_goes_through_unchanged(way_out, engine, oracle, directory):
    directory.revision("bad", f'op.execute("CREATE TABLE t (id int)"); raise {way_out.__name__}(3)')
    with pytest.raises(way_out):
        await schemakit.upgrade(engine, migrations=directory.settle())
    await at_rest(oracle)
    assert await oracle.fetchval(TABLES) == []


async def test_what_an_autocommit_block_has_committed_is_told(engine, oracle, directory):
    directory.revision(
        "r1",
        """
        op.execute("CREATE TABLE half (id int)")
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY i ON half (nosuch)")
        """,
    ).settle()
    with pytest.raises(RevisionFailed, match="also keeps the first part of r1") as caught:
        await schemakit.upgrade(engine, migrations=directory)
    assert (caught.value.partial, caught.value.applied) == (True, ())
    assert await oracle.fetchval("SELECT to_regclass('half')::text") == "half"


async def test_a_revision_whose_block_came_first_keeps_nothing(engine, directory):
    directory.tables(1).revision("i1", CONCURRENTLY.replace('"id"', '"nosuch"')).settle()
    with pytest.raises(RevisionFailed) as caught:
        await schemakit.upgrade(engine, migrations=directory)
    assert (caught.value.partial, caught.value.heads) == (False, ("r1",))


# -- where in a statement --------------------------------------------------------------------------

SCRIPT = """
CREATE TABLE t (id int);
INSERT INTO t VALUES (1);
-- the next line is wrong
INSERT INTO t (id, nope)
VALUES (2, 'hunter2');
"""


async def test_the_statement_of_a_script_that_failed_is_shown_with_its_line(engine, directory):
    error = await failed(engine, directory.revision("bad", f"op.execute({SCRIPT!r})"))
    assert error.statement == "INSERT INTO t (id, nope) VALUES (?, ?)"
    assert "statement in line 5: INSERT INTO t (id, nope)" in str(error)


async def test_a_failure_inside_a_function_says_where(engine, directory):
    body = "DO $$ BEGIN PERFORM 1;\nPERFORM 1 / 0; END $$"
    error = await failed(engine, directory.revision("bad", f"op.execute({body!r})"))
    assert "in: PL/pgSQL function inline_code_block line 2 at PERFORM" in str(error)


async def test_a_context_that_holds_a_row_is_not_shown(engine, directory, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    body = """
    import io, os

    async def copy(connection):
        raw = (await connection.get_raw_connection()).driver_connection
        await raw.execute("CREATE TABLE t (id int)")
        await raw.copy_to_table("t", source=io.BytesIO(os.environ["SECRET"].encode()))

    op.run_async(copy)
    """
    error = await failed(engine, directory.revision("bad", dedent(body)))
    assert "hunter2" not in text_of(error)


async def test_a_server_that_became_read_only_in_the_middle(engine, directory):
    body = 'op.execute("SET TRANSACTION READ ONLY"); op.execute("CREATE TABLE t (id int)")'
    error = await failed(engine, directory.revision("bad", body))
    assert "Let the URL lead to the primary" in error.remedy


# -- what an interrupted revision may have kept ----------------------------------------------------


async def interrupted(engine, oracle, directory, **options):
    killer = asyncio.ensure_future(kill(oracle))
    error = await failed(engine, directory, RevisionInterrupted, **options)
    await killer
    return error


async def test_an_interrupted_revision_says_how_to_go_on(engine, oracle, directory):
    directory.tables(1).revision("r2", 'op.execute("SELECT pg_sleep(60)")')
    error = await interrupted(engine, oracle, directory)
    said = str(error).splitlines()[2]
    assert said in (
        "AdminShutdownError: terminating connection due to administrator command",
        "ConnectionDoesNotExistError: connection was closed in the middle of operation",  # 0.30
    )
    assert str(error).splitlines() == [
        "The connection to the server was lost while a revision ran.",
        f"upgrade of r2 ({error.path})",
        said,
        "statement: SELECT pg_sleep(?)",
        "Kept of this run: r1. The database is at r1.",
        f"Remedy: {error.remedy}",
    ]
    assert "it goes on from where the database stands." in error.remedy


async def test_what_ran_outside_a_transaction_may_be_done_and_may_not(engine, oracle, directory):
    directory.tables(1).revision(
        "r2",
        """
        with op.get_context().autocommit_block():
            op.execute("SELECT pg_sleep(60)")
        """,
    )
    error = await interrupted(engine, oracle, directory)
    assert error.partial
    assert "ran outside a transaction: it may be done, half done or not done." in str(error)
    assert error.remedy.startswith("take that part back by hand, or write it so that it can run")


async def test_of_what_the_next_run_can_tell_it_says_so(engine, oracle, connect, directory):
    directory.tables(1).revision("i1", CONCURRENTLY)
    blocker = await connect()
    await schemakit.upgrade(engine, "r1", migrations=directory.settle())
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("INSERT INTO t1 VALUES (1)")

    async def killed():
        return await oracle.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_progress_create_index"
        )

    killer = asyncio.ensure_future(until(killed))
    error = await failed(engine, directory, RevisionInterrupted)
    await killer
    await transaction.rollback()
    assert not error.partial
    assert "The next run sees in the catalog how far that got, and goes on from there." in str(
        error
    )
    assert (await schemakit.upgrade(engine, migrations=directory)).heads_after == ("i1",)


async def test_a_part_of_an_earlier_revision_is_named_too(engine, oracle, directory):
    await oracle.execute("CREATE TYPE mood AS ENUM ('sad')")
    directory.env(ONE_TRANSACTION.format(options="")).tables(1)
    directory.revision(
        "e1",
        """
        with op.get_context().autocommit_block():
            op.execute("ALTER TYPE mood ADD VALUE 'happy'")
        """,
    )
    error = await failed(engine, directory.revision("bad", BAD))
    assert error.heads == ("r1",)
    assert "the database also keeps the first part of e1." in str(error)
    assert "The next run sees in the catalog how far that got" in str(error)
    directory.revision("bad", "pass", down="e1").settle()
    assert (await schemakit.upgrade(engine, migrations=directory)).heads_after == ("bad",)


async def test_a_revision_that_swallows_the_loss_does_not_go_on_without_the_lock(
    engine, oracle, directory
):
    body = """
    with op.get_context().autocommit_block():
        try:
            op.execute("SELECT pg_sleep(60)")
        except Exception:
            op.get_bind().rollback()
            op.execute("CREATE TABLE without_a_lock (id int)")
    """
    error = await interrupted(engine, oracle, directory.tables(1).revision("r2", dedent(body)))
    assert error.revision == "r2"
    assert await oracle.fetchval(TABLES) == ["alembic_version", "t1"]
