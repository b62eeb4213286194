"""What came out of a file is restored like any other backup, also on another server version."""

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_postgres import SETTINGS, disposing, pool_free
from tests.runner.watching import LONG
from tests.safety.dump import changed, ordered
from tests.safety.test_restores import (  # noqa: F401 - a fixture
    CASES,
    cleared,
    dsn,
    made,
)
from tools.postgres_matrix import bindir

from schemakit.embedded import EmbeddedServer
from schemakit.errors import ConfigurationError
from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_table,
    drop_column,
    drop_table,
    export_backup,
    import_backup,
    restore_backup,
    verify_backup,
)

ALLOWED = Settings(allow_destructive="a test", lock_timeout=1, retry_for=0)


@pytest.mark.parametrize("case", CASES)
async def test_made_anew_out_of_a_file_it_is_the_same(engine, oracle, dsn, tmp_path, case):  # noqa: F811 - a fixture
    schema, name, sql = await made(oracle, case)
    before = await ordered(dsn)
    await export_backup(engine, await backup_table(engine, name, schema=schema), tmp_path / "f")
    await oracle.execute(f"DROP TABLE {sql} CASCADE")
    await cleared(oracle)
    imported = await import_backup(engine, tmp_path / "f")
    assert (await verify_backup(engine, imported)).facets
    done = await restore_backup(engine, imported)
    assert (done.unproven, done.left, done.overwritten) == ((), (), None)
    await cleared(oracle)
    assert changed(before, await ordered(dsn)) == []


@pytest.mark.parametrize("case", ["tree", "leaves"])
async def test_a_move_goes_into_a_file_as_well(engine, oracle, dsn, tmp_path, case):  # noqa: F811 - a fixture
    schema, name, _ = await made(oracle, case)
    before = await ordered(dsn)
    moved = await drop_table(engine, name, schema=schema, cascade=True, settings=ALLOWED)
    await export_backup(engine, moved, tmp_path / "f")
    for row in await oracle.fetch(
        "SELECT quote_ident(nspname) FROM pg_namespace WHERE starts_with(nspname, $1)",
        moved.relation.schema,
    ):
        await oracle.execute(f"DROP SCHEMA {row[0]} CASCADE")
    await cleared(oracle)
    done = await restore_backup(engine, await import_backup(engine, tmp_path / "f"))
    assert (done.unproven, done.left) == ((), ())
    await cleared(oracle)
    assert changed(before, await ordered(dsn)) == []


async def test_heirs_are_tables_of_their_own(engine, oracle, tmp_path):
    await oracle.execute(
        "CREATE TABLE base (x int); CREATE TABLE heir () INHERITS (base);"
        "INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2)"
    )
    moved = await drop_table(engine, "base", cascade=True, settings=ALLOWED)
    with pytest.raises(ConfigurationError, match="a file holds one table"):
        await export_backup(engine, moved, tmp_path / "f")
    await restore_backup(engine, moved)
    await export_backup(engine, await backup_table(engine, "base"), tmp_path / "f")
    assert (await import_backup(engine, tmp_path / "f")).rows == 1


async def test_columns_that_were_dropped(engine, oracle, tmp_path):
    await oracle.execute(
        "CREATE TABLE t (id int PRIMARY KEY, s text NOT NULL, n int);"
        "INSERT INTO t VALUES (1, 'a', 5), (2, 'b', 6)"
    )
    dropped = await drop_column(engine, "t", "s", settings=ALLOWED)
    await export_backup(engine, dropped, tmp_path / "f")
    await cleared(oracle)
    imported = await import_backup(engine, tmp_path / "f")
    assert imported.kind == "column"
    await restore_backup(engine, imported)
    assert await oracle.fetchval("SELECT string_agg(s, '' ORDER BY id) FROM t") == "ab"


async def test_an_earlier_verification_still_holds(engine, oracle, tmp_path):
    await oracle.execute("CREATE TABLE t AS SELECT n, n::text AS s FROM generate_series(1, 99) n")
    first = await backup_table(engine, "t")
    digest = (await verify_backup(engine, first)).backup.digest
    await export_backup(engine, first, tmp_path / "f")
    imported = await import_backup(engine, tmp_path / "f")
    assert imported.digest == digest
    assert (await verify_backup(engine, imported)).against == "digest"


RICH = """
CREATE TYPE mood AS ENUM ('ok', 'so so');
CREATE SCHEMA app;
CREATE TABLE app.t (
  id serial PRIMARY KEY, m mood NOT NULL, body text COLLATE "C", meta jsonb DEFAULT '{}',
  at timestamptz(3), CONSTRAINT positive CHECK (id > 0)
) PARTITION BY RANGE (id);
CREATE TABLE app.t1 PARTITION OF app.t FOR VALUES FROM (1) TO (500);
CREATE TABLE app.t2 PARTITION OF app.t DEFAULT;
CREATE INDEX ON app.t (body) WHERE m = 'ok';
COMMENT ON COLUMN app.t.body IS 'it''s "ü"';
CREATE VIEW app.v AS SELECT id, body FROM app.t WHERE m = 'ok';
"""
FILL = """
INSERT INTO app.t (m, body, meta, at)
SELECT CASE n % 2 WHEN 0 THEN 'ok' ELSE 'so so' END::mood, repeat(md5(n::text), 3),
       jsonb_build_object('n', n), '2026-01-01 00:00:00.123456+02'::timestamptz + n * interval '1 h'
  FROM generate_series(1, 1000) AS n
"""


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="SCHEMAKIT_TEST_LONG=1 fetches PostgreSQL 14")
@pytest.mark.parametrize(("before", "after"), [(14, 18), (18, 14)])
async def test_from_one_version_to_another(background, tmp_path, before, after):
    servers = {}
    try:
        for major in (before, after):
            servers[major] = EmbeddedServer(
                settings=SETTINGS | {"max_connections": "20"}, bindir=bindir(major)
            )
            background.run(servers[major].start())
        async with (
            disposing(pool_free(servers[before].url)) as source,
            disposing(create_async_engine(servers[after].url)) as target,
        ):
            await run(source, RICH + FILL)
            backup = await backup_table(source, "t", schema="app")
            await verify_backup(source, backup)
            await export_backup(source, backup, tmp_path / "f")
            await run(target, "CREATE TYPE mood AS ENUM ('ok', 'so so'); CREATE SCHEMA app")
            imported = await import_backup(target, tmp_path / "f")
            assert (await verify_backup(target, imported)).against == "seal"
            done = await restore_backup(target, imported)
            assert (done.unproven, done.left) == ((), ())
            look = "SELECT t.tableoid::regclass::text, t.* FROM app.t ORDER BY id"
            assert await run(source, look) == await run(target, look)
            await run(target, "DROP TABLE app.t CASCADE; " + RICH[RICH.index("CREATE TABLE") :])
    finally:
        for server in servers.values():
            background.run(server.stop())


async def run(engine, sql):
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        return (
            [tuple(map(str, row)) for row in await raw.fetch(sql)]
            if sql[0] == "S"
            else (await raw.execute(sql))
        )
