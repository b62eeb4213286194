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


async def test_an_index_that_another_session_is_building_is_let_be(engine, oracle, connect):
    await oracle.execute("CREATE TABLE t (id int)")
    blocker, builder = await connect(), await connect()
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("INSERT INTO t VALUES (1)")
    build = asyncio.ensure_future(builder.execute("CREATE INDEX CONCURRENTLY i ON t (id)"))

    async def in_the_making():
        return await oracle.fetchval(OID, "i")

    await until(in_the_making)
    before = await oracle.fetchval(OID, "i")
    sql = "CREATE INDEX CONCURRENTLY i ON t (id)"
    async with engine.connect() as connection:
        flow = clear_the_way(Name("i"), sql, "upgrade")
        assert await connection.run_sync(drive, flow, list) == sql
    await transaction.rollback()
    await build
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
