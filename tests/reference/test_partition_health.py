"""The health views of the chunks: their figures are those of a brute-force count."""

import asyncio
import re
from decimal import Decimal
from itertools import count
from uuid import UUID

import pytest
from sqlalchemy import text

from schemakit.partitioning import partition_key

OWNER = "INSERT INTO users (id, username, email, password_hash) VALUES (-1, 'o', 'o@b', '-')"
COLLECTION = """
INSERT INTO collections (id, owner_id, name, vector_store_name, embedding_model)
SELECT CAST(:id AS uuid), -1, :id, :id, 'm'
"""
SEED = """
INSERT INTO chunks (collection_id, partition_key, chunk_index, content, created_at)
SELECT CAST(:id AS uuid), CAST(:key AS int), i, 'x', now() - CAST(CAST(:age AS text) AS interval)
FROM generate_series(1, CAST(:number AS int)) AS i
"""
# What lies where, by tableoid and by nothing else; a partition without rows is there too.
BRUTE_FORCE = """
SELECT p.relname::text AS name,
       (SELECT count(*) FROM chunks AS c WHERE c.tableoid = p.oid) AS number
FROM pg_class AS p WHERE p.relname ~ '^chunk_part_[0-9]+$' AND p.relkind = 'r'
"""


def collection_in(key):
    """A collection whose chunks lie in the partition *key*."""
    return next(
        str(UUID(int=number)) for number in count() if partition_key(UUID(int=number), 100) == key
    )


async def seed(connection, key, number, age="0"):
    """Write *number* chunks of that *age* into the partition *key*."""
    collection = collection_in(key)
    await connection.execute(text(f"{COLLECTION} ON CONFLICT DO NOTHING"), {"id": collection})
    values = {"id": collection, "key": key, "number": number, "age": age}
    await connection.execute(text(SEED), values)


async def rows(connection, query):
    return (await connection.execute(text(query))).all()


async def by_partition(connection, columns, view):
    return {row[0]: row[1:] for row in await rows(connection, f"SELECT {columns} FROM {view}")}


@pytest.fixture
async def seeded(head):
    """A few chunks in three partitions of a hundred."""
    await head.execute(text(OWNER))
    for key, number in ((3, 40), (50, 9), (99, 1)):
        await seed(head, key, number)
    return head


@pytest.fixture
async def four(head):
    """A tree of four partitions, with 1000, 1400, 1600 and 0 chunks: an average of 1000."""
    await head.execute(text(OWNER))
    for key in range(4, 100):
        await head.execute(text(f"ALTER TABLE chunks DETACH PARTITION chunk_part_{key}"))
        await head.execute(text(f"DROP TABLE chunk_part_{key}"))
    for key, number in enumerate((1000, 1400, 1600)):
        await seed(head, key, number, "2 days")
    return head


@pytest.mark.parametrize(
    "view", ["partition_stats", "partition_chunk_distribution", "partition_health_summary"]
)
async def test_each_partition_is_counted(seeded, view):
    counted = await by_partition(seeded, "name, number", f"({BRUTE_FORCE}) AS b")
    assert len(counted) == 100
    assert await by_partition(seeded, "partition_name, chunk_count", view) == counted


async def test_an_empty_table(head):
    assert await rows(head, "SELECT * FROM partition_distribution") == [
        (0, 100, 0, 100, 0, 0, 0, 0, None, "TOO FEW CHUNKS")
    ]
    assert len(await rows(head, "SELECT * FROM partition_health_summary")) == 100
    statuses = await rows(head, "SELECT DISTINCT status FROM analyze_partition_skew()")
    assert statuses == [("TOO FEW CHUNKS",)]


async def test_the_empty_ones_count(seeded):
    (found,) = await rows(seeded, "SELECT * FROM partition_distribution")
    assert found[:7] == (50, 100, 3, 97, Decimal("0.50"), 0, 40)
    assert found.max_skew_ratio == 80


async def test_small_data_is_not_critical(seeded):
    """A reference system called one row critical."""
    for view in ("partition_chunk_distribution", "partition_health_summary", "partition_health"):
        statuses = await rows(seeded, f"SELECT DISTINCT partition_status FROM {view}")
        assert statuses == [("TOO FEW CHUNKS",)]
    status = await rows(seeded, "SELECT distribution_status FROM partition_distribution")
    assert status == [("TOO FEW CHUNKS",)]


async def test_shares_and_skew(four):
    found = await by_partition(
        four,
        "partition_num, chunk_percentage, relative_skew, partition_status",
        "partition_chunk_distribution",
    )
    assert found == {
        0: (25, 0, "HEALTHY"),
        1: (35, Decimal("0.4"), "WARNING"),
        2: (40, Decimal("0.6"), "UNBALANCED"),
        3: (0, -1, "UNBALANCED"),
    }


async def test_the_number_of_partitions_comes_from_the_catalog(four):
    assert await rows(four, "SELECT * FROM partition_distribution") == [
        (4000, 4, 3, 1, 1000, 0, 1600, Decimal("616.44"), Decimal("1.6"), "REBALANCE NEEDED")
    ]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ((400, 0, 0, 1400), "WARNING"),
        ((600, 200, 0, 1600), "HEALTHY"),
    ],
)
async def test_how_even_is_even(four, more, status):
    for key, number in enumerate(more):
        await seed(four, key, number)
    found = await rows(four, "SELECT distribution_status FROM partition_distribution")
    assert found == [(status,)]


async def test_the_verdict(four):
    assert await rows(four, "SELECT metric, value, status, details FROM analyze_partition_skew()"
                      " WHERE metric <> 'size_distribution'") == [
        ("chunk_distribution", 1, "CRITICAL", "3 of 4 partitions used"),
        ("partition_health", 2, "CRITICAL", "2 of 4 partitions are unbalanced"),
        ("hot_partitions", 0, "TOO FEW CHUNKS", "none"),
    ]  # fmt: skip


async def test_a_partition_that_takes_most_of_what_is_written_is_hot(four):
    await seed(four, 3, 990)
    await seed(four, 1, 10)
    found = await rows(four, "SELECT value, status, details FROM analyze_partition_skew()"
                       " WHERE metric = 'hot_partitions'")  # fmt: skip
    assert found == [(1, "WARNING", "chunk_part_3")]


async def test_what_went_where_of_late(seeded):
    for key, number, age in ((3, 10, "2 hours"), (7, 30, "3 days"), (8, 5, "8 days")):
        await seed(seeded, key, number, age)
    found = await by_partition(
        seeded,
        "partition_num, chunks_last_hour, chunks_last_day, chunks_last_week,"
        " hour_percentage, day_percentage, week_percentage",
        "partition_hot_spots WHERE partition_num IN (3, 7, 8)",
    )
    assert found == {
        3: (40, 50, 50, 80, Decimal("83.33"), Decimal("55.56")),
        7: (0, 0, 30, 0, 0, Decimal("33.33")),
        8: (0, 0, 0, 0, 0, 0),
    }


async def test_sizes_are_those_of_the_server(seeded):
    await seed(seeded, 3, 2000)
    measured = """
        SELECT c.relname::text, pg_total_relation_size(c.oid)
        FROM pg_class AS c WHERE c.relname ~ '^chunk_part_[0-9]+$' AND c.relkind = 'r'
    """
    sizes = await by_partition(seeded, "partition_name, total_bytes", "partition_size_distribution")
    assert sizes == {name: (size,) for name, size in await rows(seeded, measured)}
    shares = "SELECT sum(size_percentage) FROM partition_size_distribution"
    assert abs((await rows(seeded, shares))[0][0] - 100) < 1


async def test_what_lies_in_a_partition(seeded):
    columns = "chunk_count, collection_count, document_count, avg_content_length"
    found = f"SELECT {columns}, total_content_length, oldest_chunk = now() FROM partition_stats"
    assert await rows(seeded, f"{found} WHERE partition_num = 50") == [(9, 1, 0, 1, 9, True)]
    assert await rows(seeded, f"{found} WHERE partition_num = 51") == [(0, 0, 0, None, None, None)]


async def test_health_is_told_by_the_statistics(head_url, oracle_on):
    oracle = await oracle_on(head_url)
    await oracle.execute(OWNER)
    for key, number in ((3, 400), (4, 60)):
        collection = collection_in(key)
        await oracle.execute(COLLECTION.replace(":id", f"'{collection}'"))
        await oracle.execute(
            "INSERT INTO chunks (collection_id, chunk_index, content)"
            f" SELECT '{collection}', i, 'x' FROM generate_series(1, {number}) AS i"
        )
    await oracle.execute("DELETE FROM chunks WHERE partition_key = 3 AND chunk_index <= 100")
    health = """
        SELECT live_rows, dead_rows, dead_percentage, needs_vacuum FROM partition_health
        WHERE partition_num = ANY ($1::int[]) ORDER BY partition_num
    """
    expected = [(300, 100, 25, True), (60, 0, 0, False), (0, 0, 0, False)]
    for _ in range(100):  # they arrive a moment later
        found = [tuple(row) for row in await oracle.fetch(health, [3, 4, 5])]
        if found == expected:
            break
        await asyncio.sleep(0.1)
    assert found == expected


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ("SELECT * FROM partition_stats", 1),
        ("SELECT * FROM partition_chunk_distribution", 1),
        ("SELECT * FROM partition_distribution", 1),
        ("SELECT * FROM partition_hot_spots", 1),
        ("SELECT * FROM partition_health_summary", 1),
        ("SELECT * FROM partition_health", 0),
        ("SELECT * FROM partition_size_distribution", 0),
    ],
)
async def test_no_view_reads_the_chunks_twice(head, query, passes):
    plan = "\n".join(row[0] for row in await rows(head, f"EXPLAIN {query}"))
    assert len(re.findall(r" on chunk_part_7\b", plan)) == passes


async def test_the_verdict_reads_the_chunks_once(seeded):
    """The server counts how often a transaction has read a table and its indexes."""
    numscans = """
        SELECT sum(pg_stat_get_xact_numscans(oid)) FROM (
            SELECT 'chunk_part_3'::regclass::oid AS oid
            UNION ALL
            SELECT indexrelid FROM pg_index WHERE indrelid = 'chunk_part_3'::regclass
        ) AS relations
    """
    ((before,),) = await rows(seeded, numscans)
    await rows(seeded, "SELECT * FROM analyze_partition_skew()")
    ((after,),) = await rows(seeded, numscans)
    assert after - before == 1


async def test_the_figures_of_a_collection_are_refreshed_in_a_transaction(seeded):
    figures = "SELECT chunk_count, avg_content_length FROM collection_chunking_stats"
    assert await rows(seeded, figures) == []
    await seeded.execute(text("SELECT refresh_collection_chunking_stats()"))
    assert await rows(seeded, f"{figures} ORDER BY 1") == [(1, 1), (9, 1), (40, 1)]
    await seeded.execute(text("DELETE FROM collections WHERE id IN (SELECT collection_id FROM"
                              " collection_chunking_stats WHERE chunk_count > 1)"))  # fmt: skip
    await seeded.execute(text("SELECT refresh_collection_chunking_stats()"))
    assert await rows(seeded, figures) == [(1, 1)]
