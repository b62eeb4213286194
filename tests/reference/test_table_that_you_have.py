"""docs/reference-layout.md turns a table with the trigger that cannot work into one that works."""

import re

import asyncpg
import pytest

from schemakit.partitioning import partition_key

OLD = """
CREATE TABLE chunks (
    id bigserial, collection_id varchar NOT NULL, partition_key integer NOT NULL,
    chunk_index integer NOT NULL, content text NOT NULL,
    PRIMARY KEY (id, collection_id, partition_key)
) PARTITION BY LIST (partition_key);
CREATE INDEX ON chunks (collection_id);
DO $$ BEGIN
    FOR i IN 0..99 LOOP
        EXECUTE format('CREATE TABLE chunk_part_%s PARTITION OF chunks FOR VALUES IN (%s)', i, i);
    END LOOP;
END $$;
CREATE FUNCTION compute_partition_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.partition_key := abs(hashtext(NEW.collection_id::text)) % 100;
    RETURN NEW;
END $$;
CREATE TRIGGER set_partition_key BEFORE INSERT ON chunks
    FOR EACH ROW EXECUTE FUNCTION compute_partition_key()
"""
INSERT = "INSERT INTO chunks (collection_id, chunk_index, content) VALUES ($1, 0, 'x')"
KEYED = "INSERT INTO chunks (collection_id, partition_key, chunk_index, content)"
#: The hash of the first is -2147483648; upper and lower case are two keys.
IDS = (
    "00000000-0000-4000-8000-0001456ed970",
    "ABCDEFAB-CDEF-4ABC",
    "abcdefab-cdef-4abc",
    "",
    "Zoë",
)


@pytest.fixture
async def old(oracle):
    await oracle.execute(OLD)
    return oracle


@pytest.fixture
def sql_of_the_page(root):
    page = (root / "docs" / "reference-layout.md").read_text("utf-8")
    return re.search(r"```sql\n(DROP TRIGGER.*?)```", page, re.DOTALL)[1]


async def test_before_it_nothing_arrives(old):
    with pytest.raises(asyncpg.CheckViolationError, match="no partition of relation"):
        await old.execute(INSERT, IDS[1])


async def test_afterwards_every_row_finds_its_place(old, sql_of_the_page):
    kept = partition_key("before", 100)
    await old.execute(f"{KEYED} VALUES ('before', {kept}, 0, 'x')")
    await old.execute(sql_of_the_page)
    for id_ in IDS:
        await old.execute(INSERT, id_)
    lying = """
        SELECT collection_id, tableoid::regclass::text
               = 'chunk_part_' || abs(hashtext(collection_id::text) % 100) FROM chunks
    """
    assert dict(await old.fetch(lying)) == dict.fromkeys(["before", *IDS], True)
    await old.execute(
        "ALTER TABLE chunks VALIDATE CONSTRAINT ck_chunks_partition_key_of_collection_id"
    )


async def test_afterwards_a_wrong_key_is_refused(old, sql_of_the_page):
    await old.execute(sql_of_the_page)
    wrong = (partition_key("a", 100) + 1) % 100
    with pytest.raises(asyncpg.CheckViolationError, match="ck_chunks_partition_key"):
        await old.execute(f"{KEYED} VALUES ('a', {wrong}, 0, 'x')")


async def test_rows_that_lie_wrong_already_are_found(old, sql_of_the_page):
    wrong = (partition_key("a", 100) + 1) % 100
    await old.execute("SET session_replication_role = replica")  # no trigger fires
    await old.execute(f"INSERT INTO chunk_part_{wrong} VALUES (1, 'a', {wrong}, 0, 'x')")
    await old.execute(sql_of_the_page)
    with pytest.raises(asyncpg.CheckViolationError):
        await old.execute(
            "ALTER TABLE chunks VALIDATE CONSTRAINT ck_chunks_partition_key_of_collection_id"
        )
