"""Every way of writing a chunk: it lies where the server's own formula says, or is refused."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import MetaData, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import FlushError
from tests.reference.models import LAYOUT, PARTITIONS, Chunk
from tests.reference.plans import relations_read

import schemakit
from schemakit.partitioning import explain_routing, partition_key, read_tree, verify_server

#: Of these two, hashtext is -2147483648, whose abs() the server refuses.
POISON = (
    "00000000-0000-4000-8000-0001456ed970",
    "00000000-0000-4000-8000-0001993f4b7e",
)
PLAIN = (
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
    "abcdefab-cdef-4abc-8def-abcdefabcdef",
)
COLLECTIONS = (*PLAIN, *POISON)
FIRST, SECOND, *_ = COLLECTIONS

OWNER = "INSERT INTO users (id, username, email, password_hash) VALUES (-1, 'o', 'o@b', '-')"
COLLECTION = """
INSERT INTO collections (id, owner_id, name, vector_store_name, embedding_model)
VALUES (CAST(:id AS uuid), -1, :id, :id, 'm')
"""
WITHOUT_KEY = "INSERT INTO chunks (collection_id, chunk_index, content) VALUES (:c, :i, 'x')"
WITH_KEY = """
INSERT INTO chunks (collection_id, partition_key, chunk_index, content)
VALUES (:c, CAST(:k AS int), :i, 'x')
"""
ANOTHERS_CHUNKS = """
CREATE SCHEMA other;
CREATE TABLE other.chunks (LIKE public.chunks);
SET LOCAL search_path = other, public
"""
# Where each row lies, and where the server says that it belongs.
LYING = """
SELECT collection_id::text AS collection, tableoid::regclass::text AS leaf,
       'chunk_part_' || abs(hashtext(collection_id::text) % 100) AS home
FROM chunks ORDER BY id
"""


class Plain(DeclarativeBase):
    pass


class Keyless(Plain):
    """The chunks as who has not heard of partitions maps them."""

    __tablename__ = "chunks"

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[UUID]
    chunk_index: Mapped[int]
    content: Mapped[str]


@pytest.fixture
async def chunks(head):
    """A connection to a database at head with a few collections, in a transaction."""
    await head.execute(text(OWNER))
    await head.execute(text(COLLECTION), [{"id": id_} for id_ in COLLECTIONS])
    return head


@pytest.fixture
async def driver(chunks):
    """The driver's own connection, in the same transaction."""
    return (await chunks.get_raw_connection()).driver_connection


async def collections_lying_right(connection):
    """The collection of each row, in the order of the ids, having seen that it lies right."""
    rows = (await connection.execute(text(LYING))).all()
    assert [row.leaf for row in rows] == [row.home for row in rows]
    return [row.collection for row in rows]


async def key_on_server(connection, collection):
    formula = "SELECT abs(hashtext(CAST(:c AS text)) % 100)"
    return (await connection.execute(text(formula), {"c": collection})).scalar_one()


# --- one: plain SQL without the key


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_sql_without_the_key(chunks, collection):
    await chunks.execute(text(WITHOUT_KEY), {"c": collection, "i": 0})
    assert await collections_lying_right(chunks) == [collection]


async def test_sql_with_null_for_a_key(chunks):
    await chunks.execute(text(WITH_KEY), {"c": FIRST, "k": None, "i": 0})
    assert await collections_lying_right(chunks) == [FIRST]


async def test_many_rows_of_one_statement_without_the_key(chunks):
    await chunks.execute(
        text("""
            INSERT INTO chunks (collection_id, chunk_index, content)
            SELECT id, i, 'x' FROM collections, generate_series(0, 9) AS i
        """)
    )
    assert sorted(await collections_lying_right(chunks)) == sorted(COLLECTIONS * 10)


async def test_what_is_given_besides_arrives_and_the_rest_has_its_default(chunks):
    await chunks.execute(
        text("""
            INSERT INTO chunks (id, collection_id, chunk_index, content, metadata, token_count)
            VALUES (-5, :c, 3, 'Zoë', '{"page": 7}', 2)
        """),
        {"c": FIRST},
    )
    (row,) = (await chunks.execute(text("SELECT *, created_at = now() AS now FROM chunks"))).all()
    assert (row.id, row.chunk_index, row.content, row.metadata) == (-5, 3, "Zoë", {"page": 7})
    assert (row.token_count, row.document_id, row.now) == (2, None, True)


async def test_without_the_key_the_server_says_that_it_inserted_none(driver):
    statement = "INSERT INTO chunks (collection_id, chunk_index, content) VALUES ($1, 0, 'x')"
    assert await driver.execute(statement, FIRST) == "INSERT 0 0"
    assert await driver.fetch(f"{statement} RETURNING id", FIRST) == []
    assert await driver.fetchval("SELECT count(*) FROM chunks") == 2


async def test_without_the_key_on_conflict_does_not_see_the_conflict(chunks):
    taken = "INSERT INTO chunks (id, collection_id, chunk_index, content) VALUES (-1, :c, 0, 'x')"
    await chunks.execute(text(taken), {"c": FIRST})
    with pytest.raises(IntegrityError, match="duplicate key"):
        await chunks.execute(text(f"{taken} ON CONFLICT DO NOTHING"), {"c": FIRST})


@pytest.mark.parametrize(
    "surroundings",
    [
        "SET LOCAL search_path = pg_catalog",
        "CREATE TEMPORARY TABLE chunks (LIKE public.chunks)",
        ANOTHERS_CHUNKS,
    ],
)
async def test_whatever_the_search_path_a_row_finds_its_way(chunks, driver, surroundings):
    await driver.execute(surroundings)
    statement = WITHOUT_KEY.replace("chunks", "public.chunks")
    await chunks.execute(text(statement), {"c": FIRST, "i": 0})
    await chunks.execute(text("UPDATE public.chunks SET collection_id = :c"), {"c": SECOND})
    await driver.execute("SET LOCAL search_path = public, pg_temp")
    assert await collections_lying_right(chunks) == [SECOND]


async def test_a_column_that_is_added_later_arrives_too(chunks):
    await chunks.execute(text(WITHOUT_KEY), {"c": FIRST, "i": 0})
    await chunks.execute(text("ALTER TABLE chunks DROP COLUMN updated_at"))
    await chunks.execute(text("ALTER TABLE chunks ADD COLUMN language text DEFAULT 'en'"))
    statement = "INSERT INTO chunks (collection_id, chunk_index, content, language)"
    await chunks.execute(text(f"{statement} VALUES (:c, 1, 'x', 'fr')"), {"c": FIRST})
    found = await chunks.execute(text("SELECT language FROM chunks ORDER BY chunk_index"))
    assert found.scalars().all() == ["en", "fr"]


@pytest.mark.parametrize("column", ["collection_id", "chunk_index", "content"])
async def test_what_a_writer_must_give(chunks, column):
    given = {"collection_id": f"'{FIRST}'", "chunk_index": "0", "content": "'x'"}
    del given[column]
    with pytest.raises(IntegrityError, match=f'null value in column "{column}"'):
        await chunks.execute(
            text(f"INSERT INTO chunks ({', '.join(given)}) VALUES ({', '.join(given.values())})")
        )


# --- two: plain SQL with the key


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_sql_with_the_key_of_the_calculator(chunks, collection):
    key = partition_key(collection, PARTITIONS)
    assert key == await key_on_server(chunks, collection)
    result = await chunks.execute(text(WITH_KEY), {"c": collection, "k": key, "i": 0})
    assert result.rowcount == 1
    assert await collections_lying_right(chunks) == [collection]


async def test_sql_with_the_key_of_the_function(chunks):
    statement = """
        INSERT INTO chunks (collection_id, partition_key, chunk_index, content)
        SELECT id, get_partition_key(id), 0, 'x' FROM collections ORDER BY id
    """
    assert (await chunks.execute(text(statement))).rowcount == len(COLLECTIONS)
    assert sorted(await collections_lying_right(chunks)) == sorted(COLLECTIONS)


# --- three: a wrong key


async def test_a_wrong_key_is_refused_by_a_check_that_says_what_it_is(chunks):
    wrong = (await key_on_server(chunks, FIRST) + 1) % PARTITIONS
    with pytest.raises(IntegrityError, match="ck_chunks_partition_key_of_collection_id"):
        await chunks.execute(text(WITH_KEY), {"c": FIRST, "k": wrong, "i": 0})


@pytest.mark.parametrize("key", [-1, 100])
async def test_a_key_without_a_partition_is_refused(chunks, key):
    with pytest.raises(IntegrityError, match='no partition of relation "chunks" found for row'):
        await chunks.execute(text(WITH_KEY), {"c": FIRST, "k": key, "i": 0})


async def test_why_it_was_refused(chunks, url_of, template):
    with pytest.raises(IntegrityError) as caught:
        await chunks.execute(text(WITH_KEY), {"c": FIRST, "k": 100, "i": 0})
    engine = create_async_engine(url_of(template))
    why = await explain_routing(engine, caught.value)
    await engine.dispose()
    assert why.detail == (
        "No partition of public.chunks takes this row. Rows without partition_key:"
        " chunk_partition_trigger on chunks_unkeyed is enabled."
    )


# --- four: COPY


async def test_copy_without_the_key(chunks, driver):
    rows = [(collection, i, "x") for i in range(20) for collection in COLLECTIONS]
    columns = ["collection_id", "chunk_index", "content"]
    assert await driver.copy_records_to_table("chunks", records=rows, columns=columns) == "COPY 0"
    assert await collections_lying_right(chunks) == list(COLLECTIONS * 20)


async def test_copy_with_the_key(chunks, driver):
    rows = [
        (collection, partition_key(collection, PARTITIONS), i, "x")
        for i in range(20)
        for collection in COLLECTIONS
    ]
    columns = ["collection_id", "partition_key", "chunk_index", "content"]
    tag = await driver.copy_records_to_table("chunks", records=rows, columns=columns)
    assert tag == f"COPY {len(rows)}"
    assert await collections_lying_right(chunks) == list(COLLECTIONS * 20)


async def test_copy_with_a_wrong_key(driver, chunks):
    wrong = (await key_on_server(chunks, FIRST) + 1) % PARTITIONS
    columns = ["collection_id", "partition_key", "chunk_index", "content"]
    with pytest.raises(asyncpg.CheckViolationError, match="ck_chunks_partition_key"):
        await driver.copy_records_to_table(
            "chunks", records=[(FIRST, wrong, 0, "x")], columns=columns
        )


# --- five: the ORM


async def test_the_orm(chunks):
    async with AsyncSession(chunks) as session:
        written = [Chunk(collection_id=c, chunk_index=0, content="x") for c in COLLECTIONS]
        session.add_all(written)
        await session.flush()
        keys = [await key_on_server(chunks, c) for c in COLLECTIONS]
        assert [chunk.partition_key for chunk in written] == keys
        assert all(chunk.id for chunk in written)
    assert await collections_lying_right(chunks) == list(COLLECTIONS)


async def test_the_orm_without_the_key_says_that_it_got_no_id(chunks):
    async with AsyncSession(chunks) as session:
        session.add(Keyless(collection_id=UUID(FIRST), chunk_index=0, content="x"))
        with pytest.raises(FlushError, match="did not produce a new primary key"):
            await session.flush()


# --- six: Core


async def test_core(chunks):
    rows = [{"collection_id": c, "chunk_index": 0, "content": "x"} for c in COLLECTIONS]
    ids = await chunks.execute(insert(Chunk.__table__).returning(Chunk.__table__.c.id), rows)
    assert len(set(ids.scalars())) == len(COLLECTIONS)
    assert await collections_lying_right(chunks) == list(COLLECTIONS)


# --- seven: UPDATE


async def test_an_update_of_the_collection_moves_the_row(chunks, driver):
    await chunks.execute(text(WITHOUT_KEY), {"c": FIRST, "i": 0})
    statement = "UPDATE chunks SET collection_id = $1 RETURNING partition_key"
    key = await key_on_server(chunks, SECOND)
    assert await driver.fetchval(statement, SECOND) == key
    assert await collections_lying_right(chunks) == [SECOND]


async def test_many_rows_move_to_many_partitions(chunks):
    await chunks.execute(text(WITHOUT_KEY), [{"c": FIRST, "i": i} for i in range(len(COLLECTIONS))])
    statement = """
        UPDATE chunks SET collection_id = c.id FROM (
            SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM collections
        ) AS c WHERE c.place = chunk_index
    """
    assert (await chunks.execute(text(statement))).rowcount == len(COLLECTIONS)
    assert await collections_lying_right(chunks) == sorted(COLLECTIONS)


async def test_an_update_of_both_moves_the_row(chunks):
    await chunks.execute(text(WITHOUT_KEY), {"c": FIRST, "i": 0})
    key = await key_on_server(chunks, SECOND)
    statement = "UPDATE chunks SET collection_id = :c, partition_key = :k"
    assert (await chunks.execute(text(statement), {"c": SECOND, "k": key})).rowcount == 1
    assert await collections_lying_right(chunks) == [SECOND]


async def test_the_orm_moves_a_row(chunks):
    async with AsyncSession(chunks) as session:
        session.add(Chunk(id=-1, collection_id=FIRST, chunk_index=0, content="x"))
        await session.flush()
        await session.execute(update(Chunk).values(collection_id=SECOND))
    assert await collections_lying_right(chunks) == [SECOND]


@pytest.mark.parametrize(
    "change",
    [
        "partition_key = (partition_key + 1) % 100",
        f"collection_id = '{SECOND}', partition_key = (get_partition_key('{SECOND}') + 1) % 100",
    ],
)
async def test_an_update_to_a_wrong_key_is_refused(chunks, change):
    await chunks.execute(text(WITHOUT_KEY), {"c": FIRST, "i": 0})
    with pytest.raises(IntegrityError, match="ck_chunks_partition_key_of_collection_id"):
        await chunks.execute(text(f"UPDATE chunks SET {change}"))


async def test_an_update_without_its_trigger_is_refused(chunks):
    await chunks.execute(text(WITHOUT_KEY), {"c": FIRST, "i": 0})
    await chunks.execute(text("DROP TRIGGER chunk_move_trigger ON chunks"))
    with pytest.raises(IntegrityError, match="ck_chunks_partition_key_of_collection_id"):
        await chunks.execute(text("UPDATE chunks SET collection_id = :c"), {"c": SECOND})


async def test_an_update_of_the_partition_itself_is_refused(chunks):
    await chunks.execute(text(WITHOUT_KEY), {"c": FIRST, "i": 0})
    key = await key_on_server(chunks, FIRST)
    with pytest.raises(IntegrityError, match="violates partition constraint"):
        await chunks.execute(text(f"UPDATE chunk_part_{key} SET collection_id = :c"), {"c": SECOND})


async def test_who_waits_for_a_row_that_moves_may_try_again(head_url, oracle_on):
    mover, other = await oracle_on(head_url), await oracle_on(head_url)
    await mover.execute(OWNER)
    for collection in (FIRST, SECOND):
        await mover.execute(COLLECTION.replace(":id", f"'{collection}'"))
    await mover.execute(WITHOUT_KEY.replace(":c", f"'{FIRST}'").replace(":i", "0"))
    await mover.execute("BEGIN")
    await mover.execute("UPDATE chunks SET collection_id = $1", UUID(SECOND))
    waiting = asyncio.create_task(other.execute("DELETE FROM chunks"))
    blocked = "SELECT cardinality(pg_blocking_pids($1)) > 0"
    while not await mover.fetchval(blocked, other.get_server_pid()):  # noqa: ASYNC110 - the server is asked
        await asyncio.sleep(0.01)
    await mover.execute("COMMIT")
    with pytest.raises(asyncpg.SerializationError, match="already moved to another partition"):
        await waiting
    assert await other.execute("DELETE FROM chunks") == "DELETE 1"


async def test_the_collection_may_go_with_its_chunks(chunks):
    await chunks.execute(text(WITHOUT_KEY), [{"c": c, "i": 0} for c in (FIRST, SECOND)])
    await chunks.execute(text("DELETE FROM collections WHERE id = :c"), {"c": FIRST})
    assert await collections_lying_right(chunks) == [SECOND]


# --- eight: ON CONFLICT … RETURNING


async def test_on_conflict_returning_with_the_key(chunks):
    table = Chunk.__table__
    for content in ("old", "new"):
        statement = postgresql.insert(table).values(
            id=-1, collection_id=FIRST, chunk_index=0, content=content
        )
        result = await chunks.execute(
            statement.on_conflict_do_update(
                index_elements=["id", "collection_id", "partition_key"],
                set_={"content": statement.excluded.content},
            ).returning(table.c.id, table.c.content)
        )
        assert result.all() == [(-1, content)]
    assert await collections_lying_right(chunks) == [FIRST]


# --- the formula, the plan, the tree


async def test_the_functions_say_where_it_lies(chunks):
    await chunks.execute(text(WITHOUT_KEY), [{"c": c, "i": 0} for c in COLLECTIONS])
    said = """
        SELECT DISTINCT get_partition_for_collection(collection_id) = tableoid,
               get_partition_key(collection_id) = partition_key FROM chunks
    """
    assert (await chunks.execute(text(said))).all() == [(True, True)]


async def test_a_look_at_a_collection_with_its_key_reads_one_partition(chunks):
    table = Chunk.__table__
    key = partition_key(FIRST, PARTITIONS)
    query = select(table.c.content).where(
        table.c.collection_id == FIRST, table.c.partition_key == key
    )
    compiled = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    assert await relations_read(chunks, compiled) == {f"chunk_part_{key}"}


async def test_the_calculator_may_be_used_with_it(url_of, template):
    engine = create_async_engine(url_of(template))
    assert (await verify_server(engine, "chunks")).uncertain == ()
    await engine.dispose()


async def test_the_hundred_partitions_and_the_one_for_rows_without_a_key(head):
    leaves = """
        SELECT inhrelid::regclass::text, pg_get_expr(relpartbound, inhrelid)
        FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'chunks'::regclass
    """
    found = dict(list(await head.execute(text(leaves))))
    assert found == {
        "chunks_unkeyed": "FOR VALUES IN (NULL)",
        **{f"chunk_part_{key}": f"FOR VALUES IN ({key})" for key in range(100)},
    }


async def test_the_status_names_the_trigger(head_url, migrations):
    engine = create_async_engine(head_url)
    line = "routing   public.chunks: chunk_partition_trigger on chunks_unkeyed is enabled"
    assert line in str(await schemakit.status(engine, migrations=migrations)).splitlines()
    async with engine.begin() as connection:
        await connection.execute(text("DROP TRIGGER chunk_partition_trigger ON chunks_unkeyed"))
    (found,) = (await schemakit.status(engine, migrations=migrations)).key_triggers
    assert (found.trigger, found.state) == (None, "missing")
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.execute(text(WITHOUT_KEY), {"c": FIRST, "i": 0})
    why = await explain_routing(engine, caught.value)
    assert "no trigger on chunks_unkeyed computes partition_key" in why.detail
    await engine.dispose()


async def test_a_partition_can_be_detached_concurrently(head_url):
    engine = create_async_engine(head_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(
            text("ALTER TABLE chunks DETACH PARTITION chunk_part_7 CONCURRENTLY")
        )
        left = await connection.execute(text("SELECT count(*) FROM chunk_partitions"))
        assert left.scalar_one() == 99
    await engine.dispose()


async def test_check_finds_no_difference(head_url, migrations):
    """The models declare the parent; the rest of the schema is taken as it is."""
    engine = create_async_engine(head_url)
    models = MetaData()
    async with engine.connect() as connection:
        await connection.run_sync(models.reflect, only=lambda name, _: not name.startswith("chunk"))
        await connection.run_sync(models.reflect, only=["chunking_strategies", "chunking_configs"])
    Chunk.__table__.to_metadata(models)
    drift = await schemakit.check(engine, models, migrations=migrations)
    await engine.dispose()
    assert drift.differences == ()


async def test_its_tree_is_as_the_layout_says(head_url):
    engine = create_async_engine(head_url)
    tree = await read_tree(engine, LAYOUT)
    await engine.dispose()
    assert str(tree) == "as the layout says"
