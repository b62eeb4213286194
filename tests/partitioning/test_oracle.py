"""A hundred thousand random keys, and what the server says of them.

A million, with ``make oracle`` (``SCHEMAKIT_TEST_LONG=1``). The seed is printed if a test fails:
``SCHEMAKIT_TEST_SEED=…`` repeats it.
"""

import os
import random
from collections.abc import Iterator
from itertools import islice
from uuid import uuid4

import pytest

from schemakit.partitioning import (
    hash_partition,
    hash_partitions,
    hashtext,
    hashtextextended,
    partition_key,
    partition_keys,
)

from .values import ALPHABETS, MAKERS, row, text

LONG = bool(os.environ.get("SCHEMAKIT_TEST_LONG"))
TIMES = 10 if LONG else 1
SEED = int(os.environ.get("SCHEMAKIT_TEST_SEED") or random.randrange(10**9))  # noqa: S311 - no secret

HASHES = """
    SELECT array_agg(hashtext(t) ORDER BY n), array_agg(hashtextextended(t, s) ORDER BY n),
           array_agg(abs(hashtext(t::text) % $3) ORDER BY n)
      FROM unnest($1::text[], $2::int8[]) WITH ORDINALITY AS k (t, s, n)
"""
#: The largest modulus: a remainder of it shows nearly all bits of the hash.
MODULUS = 2**31 - 1
WRONG = """
    SELECT count(*) FROM {filled}
     WHERE satisfies_hash_partition('{parent}'::regclass, {modulus}, remainder, {columns})
           IS NOT TRUE
"""


@pytest.fixture
def rng():
    print(f"SCHEMAKIT_TEST_SEED={SEED}")  # noqa: T201 - to repeat a failure
    return random.Random(SEED)  # noqa: S311 - keys, no secrets


def texts(rng) -> Iterator[str]:
    """Every length from 0 to 100 of every alphabet, and then at random."""
    for length in range(101):
        for alphabet in ALPHABETS:
            yield "".join(rng.choices(alphabet, k=length))
    while True:
        yield text(rng)


@pytest.mark.long
async def test_text_is_hashed_as_the_server_does(oracle, rng):
    source = texts(rng)
    for _ in range(2 * TIMES):
        keys = list(islice(source, 20_000))
        seeds = [rng.choice((0, 1, -1, rng.randint(-(2**63), 2**63 - 1))) for _ in keys]
        modulus = rng.choice((1, 2, 7, 100, 4096, MODULUS))
        plain, extended, remainders = await oracle.fetchrow(HASHES, keys, seeds, modulus)
        assert list(map(hashtext, keys)) == plain
        assert list(map(hashtextextended, keys, seeds)) == extended
        assert [partition_key(key, modulus) for key in keys] == remainders
        assert partition_keys(keys, modulus) == remainders


async def differing(oracle, types, rows, remainders):
    """How many of *rows* the server places elsewhere."""
    parent, filled = f"p_{uuid4().hex}", f"f_{uuid4().hex}"  # asyncpg remembers a table's columns
    names = [f"c{place}" for place in range(len(types))]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    await oracle.execute(
        f"CREATE TABLE {parent} ({columns}) PARTITION BY HASH ({', '.join(names)});"
        f"CREATE TEMP TABLE {filled} (remainder int, {columns})"
    )
    records = [(remainder, *row) for remainder, row in zip(remainders, rows, strict=True)]
    await oracle.copy_records_to_table(filled, records=records)
    query = WRONG.format(parent=parent, filled=filled, modulus=MODULUS, columns=", ".join(names))
    return await oracle.fetchval(query)


@pytest.mark.long
@pytest.mark.parametrize("kind", MAKERS)
async def test_a_column_is_hashed_as_the_server_does(oracle, rng, kind):
    rows = [row(rng, (kind,)) for _ in range(2_500 * TIMES)]
    remainders = hash_partitions(rows, MODULUS, types=(kind,))
    assert await differing(oracle, (kind,), rows, remainders) == 0
    few = rows[:500]
    assert [hash_partition(each, MODULUS, types=(kind,)) for each in few] == remainders[:500]


@pytest.mark.long
@pytest.mark.parametrize("columns", range(2, 9))
async def test_several_columns_are_hashed_as_the_server_does(oracle, rng, columns):
    for _ in range(TIMES):
        types = tuple(rng.choices(list(MAKERS), k=columns))
        rows = [row(rng, types) for _ in range(3_000)]
        remainders = hash_partitions(rows, MODULUS, types=types)
        assert await differing(oracle, types, rows, remainders) == 0, types


async def test_a_row_is_where_the_calculator_says(oracle, rng):
    await oracle.execute("CREATE TABLE p (a text, b int8, c timestamptz) PARTITION BY HASH (a, b)")
    for remainder in range(7):
        await oracle.execute(
            f"CREATE TABLE p{remainder} PARTITION OF p"
            f" FOR VALUES WITH (MODULUS 7, REMAINDER {remainder})"
        )
    rows = [row(rng, ("text", "int8", "timestamptz")) for _ in range(500)]
    await oracle.copy_records_to_table("p", records=rows)
    keys = await oracle.fetch("SELECT a, b FROM p")
    found = await oracle.fetch("SELECT tableoid::regclass::text FROM p")
    assert [each[0] for each in found] == [
        f"p{remainder}" for remainder in hash_partitions(keys, 7, types=("text", "int8"))
    ]
    assert found[0][0] == f"p{hash_partition(keys[0], 7, types=('text', 'int8'))}"
