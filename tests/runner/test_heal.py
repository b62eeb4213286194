"""What a broken CREATE INDEX CONCURRENTLY left behind is dealt with by the next run."""

import asyncio

import asyncpg
import pytest
from tests.runner.watching import INVALID, until

import schemakit
from schemakit.errors import RevisionFailed
from schemakit.runner.driver import drive
from schemakit.runner.heal import clear_the_way
from schemakit.sql import Name

VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
OID = "SELECT to_regclass($1)::oid"


def building(sql):
    return f"""
with op.get_context().autocommit_block():
    op.execute({sql!r})
"""


async def wreck(oracle, sql):
    """Leave an INVALID index behind, as a unique build does that meets two equal rows."""
    with pytest.raises(asyncpg.UniqueViolationError):
        await oracle.execute(sql)


@pytest.fixture
async def twice(oracle):
    """A table with two equal rows, in which no unique index can be built."""
    await oracle.execute('CREATE SCHEMA "Other"')
    for table in ('"Other"."T"', "t"):
        await oracle.execute(f'CREATE TABLE {table} (id int, "Name" text)')
        await oracle.execute(f"INSERT INTO {table} VALUES (1), (1)")


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (id)", "i"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id)", "i"),
        ("create unique index\n concurrently I on T (id)", "i"),
        ('CREATE UNIQUE INDEX CONCURRENTLY "Mixed Case" ON t (id)', '"Mixed Case"'),
        ('CREATE UNIQUE INDEX CONCURRENTLY "I" ON "Other"."T" (id)', '"Other"."I"'),
    ],
)
async def test_an_invalid_index_is_built_again(sql, index, engine, oracle, twice, directory):
    await wreck(oracle, sql)
    await oracle.execute('DELETE FROM t; DELETE FROM "Other"."T"')
    directory.revision("i1", building(sql)).settle()
    await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval(VALID, index) is True


async def test_a_build_that_fails_again_and_again_is_healed_in_the_end(
    engine, oracle, twice, directory
):
    directory.revision("i1", building("CREATE UNIQUE INDEX CONCURRENTLY i ON t (id)")).settle()
    for _ in range(2):
        with pytest.raises(RevisionFailed, match="could not create unique index"):
            await schemakit.upgrade(engine, migrations=directory)
        assert await oracle.fetchval(INVALID) == ["i"]
    await oracle.execute("DELETE FROM t")
    await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval(INVALID) is None


async def test_it_says_what_it_drops(engine, oracle, twice, directory):
    sql = "CREATE UNIQUE INDEX CONCURRENTLY i ON t (id)"
    await wreck(oracle, sql)
    await oracle.execute("DELETE FROM t")
    directory.revision("i1", building(sql)).settle()
    events = []
    await schemakit.upgrade(engine, migrations=directory, on_event=events.append)
    assert [str(event) for event in events if event.kind == "notice"] == [
        "index public.i on t was left INVALID by an earlier run: dropping it to build it again"
    ]


async def test_an_invalid_index_of_another_name_is_let_be(engine, oracle, twice, directory):
    await wreck(oracle, "CREATE UNIQUE INDEX CONCURRENTLY other ON t (id)")
    directory.revision("i1", building("CREATE INDEX CONCURRENTLY i ON t (id)")).settle()
    await schemakit.upgrade(engine, migrations=directory)
    assert await oracle.fetchval(INVALID) == ["other"]


async def test_an_index_that_another_session_is_building_is_waited_for(engine, oracle, connect):
    await oracle.execute("CREATE TABLE t (id int)")
    blocker, builder = await connect(), await connect()
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("INSERT INTO t VALUES (1)")
    build = asyncio.ensure_future(builder.execute("CREATE INDEX CONCURRENTLY i ON t (id)"))

    async def in_the_making():
        return await oracle.fetchval(OID, "i")

    async def told():
        return events

    await until(in_the_making)
    before = await oracle.fetchval(OID, "i")
    events = []
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        flow = clear_the_way(Name("i"), "CREATE INDEX CONCURRENTLY i ON t (id)", "upgrade")
        waiting = asyncio.ensure_future(connection.run_sync(drive, flow, events.append))
        await until(told)
        await transaction.rollback()
        assert await waiting == "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id)"
    await build
    assert "is being built already: waiting for" in str(events[0])
    assert (await oracle.fetchval(OID, "i"), await oracle.fetchval(VALID, "i")) == (before, True)


async def test_the_invalid_index_of_a_partitioned_table_is_no_wreck(engine, oracle, directory):
    await oracle.execute(
        "CREATE TABLE p (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
        "CREATE INDEX i ON ONLY p (id)"
    )
    before = await oracle.fetchval(OID, "i")
    directory.revision("i1", building("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON p1 (id)"))
    await schemakit.upgrade(engine, migrations=directory.settle())
    assert await oracle.fetchval(OID, "i") == before


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY i ON t (id)",
        "CREATE INDEX CONCURRENTLY i ON public.t USING btree (id)",
        'CREATE UNIQUE INDEX CONCURRENTLY i ON t (lower("Name")) WHERE id > 3',
        "CREATE INDEX CONCURRENTLY i ON t USING hash (id)",
        'CREATE INDEX CONCURRENTLY i ON t (id DESC NULLS LAST) INCLUDE ("Name")',
    ],
)
async def test_an_index_that_an_interrupted_run_has_finished_is_kept(
    sql, engine, oracle, twice, directory
):
    await oracle.execute(sql)
    before = await oracle.fetchval(OID, "i")
    directory.revision("i1", building(sql)).settle()
    result = await schemakit.upgrade(engine, migrations=directory)
    assert (result.heads_after, await oracle.fetchval(OID, "i")) == (("i1",), before)


@pytest.mark.parametrize(
    "sql",
    [
        'CREATE INDEX CONCURRENTLY i ON t ("Name")',
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (id)",
        "CREATE INDEX CONCURRENTLY i ON t (id) WHERE id > 3",
        "CREATE INDEX CONCURRENTLY i ON u (id)",
    ],
)
async def test_an_index_of_that_name_that_is_another_one_is_an_error(
    sql, engine, oracle, directory
):
    await oracle.execute('CREATE TABLE t (id int, "Name" text); CREATE TABLE u (id int)')
    await oracle.execute("CREATE INDEX i ON t (id)")
    directory.revision("i1", building(sql)).settle()
    with pytest.raises(RevisionFailed, match='relation "i" already exists'):
        await schemakit.upgrade(engine, migrations=directory)


# -- the other statements that run outside a transaction -------------------------------------------


async def notices(engine, directory, statement):
    """Run the one revision that *statement* is, and return what was told on the way."""
    events = []
    directory.revision("x1", building(statement)).settle()
    await schemakit.upgrade(engine, migrations=directory, on_event=events.append)
    return [str(event) for event in events if event.kind == "notice"]


async def test_an_index_that_is_gone_already_is_not_dropped_again(engine, oracle, directory):
    await oracle.execute("CREATE TABLE t (id int)")
    said = await notices(engine, directory, "DROP INDEX CONCURRENTLY i")
    assert said == ['index "i" is gone already, as the revision leaves it']


async def test_an_index_that_is_there_is_dropped(engine, oracle, directory):
    await oracle.execute("CREATE TABLE t (id int); CREATE INDEX i ON t (id)")
    assert await notices(engine, directory, "DROP INDEX CONCURRENTLY i") == []
    assert await oracle.fetchval(OID, "i") is None


async def test_an_index_whose_drop_was_broken_off_is_dropped(engine, oracle, connect, directory):
    await oracle.execute("CREATE TABLE t (id int); CREATE INDEX i ON t (id)")
    reader, dropper = await connect(), await connect()
    transaction = reader.transaction()
    await transaction.start()
    await reader.execute("SELECT FROM t")
    drop = asyncio.ensure_future(dropper.execute("DROP INDEX CONCURRENTLY i"))

    async def invalid():
        return await oracle.fetchval(INVALID) == ["i"]

    await until(invalid)
    await oracle.execute("SELECT pg_terminate_backend($1, 5000)", dropper.get_server_pid())
    with pytest.raises(asyncpg.PostgresError):
        await drop
    await transaction.rollback()
    assert await notices(engine, directory, "DROP INDEX CONCURRENTLY i") == []
    assert await oracle.fetchval(OID, "i") is None


LABELS = "SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum"
MOOD = "CREATE TYPE mood AS ENUM ('sad', 'fine', 'happy')"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TYPE mood ADD VALUE 'fine' AFTER 'sad'",
        "ALTER TYPE public.mood ADD VALUE 'fine' BEFORE 'happy'",
        "alter type mood add value 'happy'",
    ],
)
async def test_a_value_that_stands_where_the_revision_puts_it_is_kept(
    statement, engine, oracle, directory
):
    await oracle.execute(MOOD)
    said = await notices(engine, directory, statement)
    assert len(said) == 1
    assert said[0].endswith("already, where the revision puts it: keeping it")
    assert await oracle.fetchval(LABELS) == ["sad", "fine", "happy"]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TYPE mood ADD VALUE 'fine'",
        "ALTER TYPE mood ADD VALUE 'fine' AFTER 'happy'",
        "ALTER TYPE mood ADD VALUE 'happy' BEFORE 'sad'",
    ],
)
async def test_a_value_that_stands_elsewhere_is_an_error(statement, engine, oracle, directory):
    await oracle.execute(MOOD)
    with pytest.raises(RevisionFailed, match="already exists"):
        await notices(engine, directory, statement)


async def test_in_a_transaction_a_value_that_is_there_is_an_error(engine, oracle, directory):
    await oracle.execute(MOOD)
    directory.revision("r1", "op.execute(\"ALTER TYPE mood ADD VALUE 'happy'\")").settle()
    with pytest.raises(RevisionFailed, match="already exists"):
        await schemakit.upgrade(engine, migrations=directory)


PARTITIONED = """
CREATE TABLE p (id int NOT NULL, x text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
"""
DETACH = "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY"
PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'p'::regclass"


async def test_a_partition_is_detached(engine, oracle, directory):
    await oracle.execute(PARTITIONED)
    assert await notices(engine, directory, DETACH) == []
    assert await oracle.fetchval(PARTITIONS) == 0


async def test_a_detach_that_was_broken_off_is_finished(engine, oracle, connect, directory):
    await oracle.execute(PARTITIONED)
    reader, detacher = await connect(), await connect()
    transaction = reader.transaction()
    await transaction.start()
    await reader.execute("SELECT FROM p")
    detach = asyncio.ensure_future(detacher.execute(DETACH))

    async def pending():
        return await oracle.fetchval("SELECT inhdetachpending FROM pg_inherits")

    await until(pending)
    await oracle.execute("SELECT pg_terminate_backend($1, 5000)", detacher.get_server_pid())
    with pytest.raises(asyncpg.PostgresError):
        await detach
    await transaction.rollback()
    said = await notices(engine, directory, DETACH)
    assert said == ['"p1" was being detached by an earlier run: finishing that']
    assert await oracle.fetchval(PARTITIONS) == 0


async def test_a_partition_that_is_detached_already_is_kept_so(engine, oracle, directory):
    await oracle.execute(PARTITIONED)
    await oracle.execute(DETACH)
    said = await notices(engine, directory, DETACH)
    assert said == ['"p1" is detached already, as the revision leaves it: keeping it']


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE p1 (id int)",
        "CREATE TABLE p1 (id int, x int)",
        "CREATE VIEW p1 AS SELECT 1 AS id, 'x'::text AS x",
        "CREATE TABLE q (x text) PARTITION BY LIST (x); CREATE TABLE p1 PARTITION OF q DEFAULT",
    ],
)
async def test_a_table_that_never_was_a_partition_is_an_error(table, engine, oracle, directory):
    await oracle.execute(
        f"CREATE TABLE p (id int NOT NULL, x text) PARTITION BY RANGE (id); {table}"
    )
    with pytest.raises(RevisionFailed):
        await notices(engine, directory, DETACH)


async def leave_reindexed(oracle, connect, statement):
    """Break a REINDEX CONCURRENTLY off, where it waits for a transaction before its index."""
    blocker, builder = await connect(), await connect()
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("INSERT INTO t VALUES (1)")
    build = asyncio.ensure_future(builder.execute(statement))

    async def half_way():
        return await oracle.fetchval("SELECT count(*) FROM pg_class WHERE relname ~ '_ccnew'")

    await until(half_way)
    await oracle.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_progress_create_index"
    )
    with pytest.raises(asyncpg.PostgresError):
        await build
    await transaction.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (VERBOSE, CONCURRENTLY) TABLE public.t",
        "REINDEX SCHEMA CONCURRENTLY public",
    ],
)
async def test_what_a_broken_reindex_left_is_dropped(statement, engine, oracle, connect, directory):
    await oracle.execute("CREATE TABLE t (id int); CREATE INDEX i ON t (id)")
    await leave_reindexed(oracle, connect, statement)
    assert await oracle.fetchval(INVALID) == ["i_ccnew"]
    said = await notices(engine, directory, statement)
    assert said == ["index public.i_ccnew on t was left INVALID by an earlier REINDEX: dropping it"]
    assert await oracle.fetchval(INVALID) is None
    assert await oracle.fetchval("SELECT count(*) FROM pg_class WHERE relname ~ '_ccnew'") == 0


async def test_a_long_name_is_cut_before_the_suffix(engine, oracle, connect, directory):
    name = "i" * 63
    await oracle.execute(f"CREATE TABLE t (id int); CREATE INDEX {name} ON t (id)")
    await leave_reindexed(oracle, connect, f"REINDEX INDEX CONCURRENTLY {name}")
    assert len(await notices(engine, directory, f"REINDEX INDEX CONCURRENTLY {name}")) == 1
    assert await oracle.fetchval(INVALID) is None


async def test_what_was_left_of_another_index_is_let_be(engine, oracle, connect, directory):
    await oracle.execute("CREATE TABLE t (id int); CREATE INDEX i ON t (id)")
    await leave_reindexed(oracle, connect, "REINDEX INDEX CONCURRENTLY i")
    await oracle.execute("CREATE INDEX j ON t (id)")
    assert await notices(engine, directory, "REINDEX INDEX CONCURRENTLY j") == []
    assert await oracle.fetchval(INVALID) == ["i_ccnew"]


async def test_a_revision_that_was_broken_off_between_two_statements_goes_on(
    engine, oracle, directory
):
    await oracle.execute(f"CREATE TABLE t (id int); {MOOD}; CREATE INDEX i ON t (id);")
    directory.revision(
        "r1",
        """
        with op.get_context().autocommit_block():
            op.create_index("i", "t", ["id"], postgresql_concurrently=True)
            op.execute("ALTER TYPE mood ADD VALUE 'happy'")
            op.execute("DROP INDEX CONCURRENTLY gone")
            op.create_index("j", "t", ["id"], postgresql_concurrently=True)
        """,
    )
    result = await schemakit.upgrade(engine, migrations=directory.settle())
    assert result.heads_after == ("r1",)
    assert await oracle.fetchval(VALID, "j") is True
