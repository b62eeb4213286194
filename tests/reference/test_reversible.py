"""The reference migrations can be taken back, one by one and all together."""

import itertools
import os
import sys

import pytest
from anyio import run_process
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import schemakit

REVISIONS = [
    "0001_users",
    "0002_collections",
    "0003_documents",
    "0004_operations",
    "0005_access",
    "0006_chunking",
    "0007_chunking_columns",
    "0008_chunking_constraints",
    "0009_operations_index",
    "0010_chunks",
    "0011_partition_health",
]

# Everything somebody made in this database: relations, types, functions, schemas. Row types and
# array types go with what they belong to.
USER_OBJECTS = """
SELECT 'relation ' || c.oid::regclass::text AS name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'type ' || t.oid::regtype::text
FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND t.typrelid = 0 AND t.typelem = 0
UNION ALL
SELECT 'function ' || p.oid::regprocedure::text
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'schema ' || n.nspname
FROM pg_namespace AS n
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
ORDER BY 1
"""


async def test_base_leaves_nothing_behind(engine, migrations):
    await schemakit.upgrade(engine, migrations=migrations)
    await schemakit.downgrade(engine, "base", migrations=migrations)
    async with engine.connect() as connection:
        left = (await connection.execute(text(USER_OBJECTS))).scalars().all()
    assert left == ["relation alembic_version", "relation alembic_version_pkc"]


async def test_up_down_up_is_the_same_database(engine, migrations, dump):
    await schemakit.upgrade(engine, migrations=migrations)
    first = await dump()
    await schemakit.downgrade(engine, "base", migrations=migrations)
    await schemakit.upgrade(engine, migrations=migrations)
    assert await dump() == first


@pytest.mark.parametrize(
    ("before", "revision"), list(itertools.pairwise(REVISIONS)), ids=REVISIONS[1:]
)
async def test_each_revision_takes_back_what_it_did(engine, migrations, dump, before, revision):
    await schemakit.upgrade(engine, before, migrations=migrations)
    old = await dump()
    await schemakit.upgrade(engine, revision, migrations=migrations)
    assert await dump() != old
    await schemakit.downgrade(engine, before, migrations=migrations)
    assert await dump() == old


async def test_downgrade_keeps_rows_of_tables_that_stay(engine, migrations):
    await schemakit.upgrade(engine, "0009_operations_index", migrations=migrations)
    async with engine.begin() as connection:
        await connection.execute(text(ONE_DOCUMENT))
    await schemakit.downgrade(engine, "0005_access", migrations=migrations)
    await schemakit.upgrade(engine, "0009_operations_index", migrations=migrations)
    async with engine.connect() as connection:
        kept = await connection.execute(text("SELECT file_name, chunks_count FROM documents"))
        assert kept.all() == [("a.txt", 0)]


async def test_concurrent_steps_run_again_after_an_interruption(engine, migrations, dump):
    await schemakit.upgrade(engine, "0009_operations_index", migrations=migrations)
    finished = await dump()
    await schemakit.downgrade(engine, "0007_chunking_columns", migrations=migrations)
    async with engine.begin() as connection:
        for statement in LEFT_BY_AN_INTERRUPTED_RUN:
            await connection.execute(text(statement))
    await schemakit.upgrade(engine, "0009_operations_index", migrations=migrations)
    assert await dump() == finished


async def test_a_server_with_default_settings_has_locks_enough(engine, migrations):
    """All of them in one transaction: 64 for each of 100 connections, of which others need some."""
    locks = text("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")
    await schemakit.upgrade(engine, "0009_operations_index", migrations=migrations)
    async with engine.connect() as connection:
        async with connection.begin():
            await schemakit.upgrade(connection, migrations=migrations)
            assert (await connection.execute(locks)).scalar_one() < 4000
        async with connection.begin():
            await schemakit.downgrade(connection, "0009_operations_index", migrations=migrations)
            assert (await connection.execute(locks)).scalar_one() < 4000


async def test_a_dump_can_be_restored(head_url, new_database, dump_of, psql):
    """COPY goes to each partition by its name, past the trigger."""
    engine = create_async_engine(head_url)
    async with engine.begin() as connection:
        await connection.execute(text(ONE_DOCUMENT))
        await connection.execute(text(CHUNKS))
    await engine.dispose()
    script = await dump_of(head_url)
    copy = await new_database("copy")
    # pg_dump 18 sets what a server before 17 does not know.
    await psql(copy, [line for line in script if "transaction_timeout" not in line])
    assert await dump_of(copy) == script


async def test_plain_alembic_makes_the_same_database(
    engine, migrations, dump, database_url, tmp_path
):
    await schemakit.upgrade(engine, migrations=migrations)
    ours = await dump()
    await schemakit.downgrade(engine, "base", migrations=migrations)
    ini = tmp_path / "alembic.ini"
    ini.write_text(f"[alembic]\nscript_location = {migrations}\n")
    await run_process(
        [sys.executable, "-m", "alembic", "-c", str(ini), "upgrade", "head"],
        env={**os.environ, "DATABASE_URL": database_url},
    )
    assert await dump() == ours


ONE_DOCUMENT = """
WITH owner AS (
    INSERT INTO users (username, email, password_hash) VALUES ('ada', 'ada@example.org', '-')
    RETURNING id
), collection AS (
    INSERT INTO collections (owner_id, name, vector_store_name, embedding_model)
    SELECT id, 'notes', 'notes_1', 'some-model' FROM owner
    RETURNING id
)
INSERT INTO documents (collection_id, file_name, file_path, file_size, content_hash)
SELECT id, 'a.txt', '/a.txt', 1, repeat('0', 64) FROM collection
"""

CHUNKS = """
INSERT INTO chunks (collection_id, chunk_index, content)
SELECT id, i, 'x' FROM collections, generate_series(0, 9) AS i
"""

LEFT_BY_AN_INTERRUPTED_RUN = (
    "CREATE INDEX ix_documents_chunking_config_id ON documents (chunking_config_id)",
    """
    ALTER TABLE documents ADD CONSTRAINT ck_documents_chunks_count_not_negative
        CHECK (chunks_count >= 0) NOT VALID
    """,
    "CREATE INDEX ix_operations_collection_id_type_status ON operations (collection_id)",
)
