"""Which partition a key has: computed here, by skytools, and asked of the server."""

import random
import sys
from uuid import UUID

import asyncpg
import numpy as np
from skytools.hashtext import hashtext_new as skytools_c
from skytools.hashtext import hashtext_new_py as skytools_py

from schemakit.partitioning import hash_partitions, partition_key, partition_keys
from schemakit.partitioning.hashing import engines

from .bench import interleaved, medians, server, write_all

TITLE = "The partition of a key"
NOTE = (
    "Nanoseconds a key, medians of interleaved rounds, and the ratio to what stands "
    "first; keys are 36 characters long, the modulus is 100. skytools (PyPI) is the only other "
    "correct port of `hashtext`: it takes one key a call and gives its hash, `% 100` not included. "
    "Without numpy: the standard library alone. Aims: one key in at most 0.65 of skytools' pure "
    "Python; a million in at most 4 times skytools' C without numpy, and faster with numpy; "
    "`uuid.UUID` in at most half, with numpy a quarter, of `str` and skytools' C."
)
ONE, MANY, MILLION = 1_000, 1_000, 1_000_000
ASKED = "SELECT abs(hashtext($1) % 100)"
UNNESTED = """
    SELECT array_agg(abs(hashtext(k) % 100) ORDER BY n)
      FROM unnest($1::text[]) WITH ORDINALITY AS u (k, n)
"""
#: The server's own time: the first less the second.
HASHED = """
    SELECT sum(hashtext(k))
      FROM (SELECT md5(n::text)::uuid::text AS k FROM generate_series(1, $1) AS n) AS u
"""
COUNTED = HASHED.replace("sum(hashtext(k))", "count(k)")


def without_numpy(run):
    """Run on big integers, as if numpy were not there."""
    fewest, engines.FEWEST_VECTORS = engines.FEWEST_VECTORS, sys.maxsize
    try:
        run()
    finally:
        engines.FEWEST_VECTORS = fewest


def contestant(run):
    async def once() -> None:
        run()

    return once


def locally(keys) -> dict:
    """How the keys of a batch are hashed without a server."""
    contestants = {
        "schemakit, numpy": contestant(lambda: partition_keys(keys, 100)),
        "schemakit, without numpy": contestant(
            lambda: without_numpy(lambda: partition_keys(keys, 100))
        ),
    }
    if isinstance(keys[0], UUID):
        by_text = contestant(lambda: [skytools_c(str(key)) for key in keys])
        return contestants | {"str and skytools C": by_text}
    array = np.array(keys)
    return contestants | {
        "schemakit, numpy array": contestant(lambda: partition_keys(array, 100)),
        "skytools C": contestant(lambda: [skytools_c(key) for key in keys]),
    }


async def one_key(connection, keys: list[str], rounds: int) -> dict[str, float]:
    asked = await connection.prepare(ASKED)

    async def round_trips() -> None:
        for key in keys:
            await asked.fetchval(key)

    return medians(
        await interleaved(
            {
                "schemakit": contestant(lambda: [partition_key(key, 100) for key in keys]),
                "skytools pure Python": contestant(lambda: [skytools_py(key) for key in keys]),
                "skytools C": contestant(lambda: [skytools_c(key) for key in keys]),
                "a prepared round trip": round_trips,
            },
            rounds,
        )
    )


async def batch(connection, keys: list[str], rounds: int) -> dict[str, float]:
    async def unnested() -> None:
        await connection.fetchval(UNNESTED, keys)

    contestants = locally(keys) | {"one unnest query": unnested}
    return medians(await interleaved(contestants, rounds))


async def million(connection, keys: list[str], rounds: int) -> dict[str, float]:
    async def unnested() -> None:
        await connection.fetchval(UNNESTED, keys)

    async def hashed() -> None:
        await connection.fetchval(HASHED, len(keys))

    async def counted() -> None:
        await connection.fetchval(COUNTED, len(keys))

    contestants = locally(keys) | {
        "one unnest query": unnested,
        "hashed": hashed,
        "counted": counted,
    }
    found = medians(await interleaved(contestants, rounds))
    found["the server's own hashtext"] = found.pop("hashed") - found.pop("counted")
    return found


async def rows(keys: list[str], rounds: int) -> dict[str, float]:
    made = list(zip(keys, range(len(keys)), strict=True))

    def native() -> None:
        hash_partitions(made, 100, types=("text", "int8"))

    contestants = {
        "schemakit, numpy": contestant(native),
        "schemakit, without numpy": contestant(lambda: without_numpy(native)),
    }
    return medians(await interleaved(contestants, rounds))


def table(found: dict[str, float], keys: int):
    """Nanoseconds a key, and how many times the first."""
    first = next(iter(found.values()))
    body = [
        [name, f"{time * 1e6 / keys:,.0f}", f"{time / first:.2f}"] for name, time in found.items()
    ]
    return ["", "ns a key", "ratio"], body


async def main(rounds: int) -> None:
    source = random.Random(7)  # noqa: S311 - keys, no secrets
    uuids = [UUID(int=source.getrandbits(128)) for _ in range(MILLION)]
    keys = list(map(str, uuids))
    async with server() as running:
        connection = await asyncpg.connect(running.url.replace("+asyncpg", ""))
        tables = {
            "One key": table(await one_key(connection, keys[:ONE], rounds), ONE),
            "A thousand keys": table(await batch(connection, keys[:MANY], rounds), MANY),
            "A million keys": table(await million(connection, keys, rounds), MILLION),
            "A million uuid.UUID": table(
                medians(await interleaved(locally(uuids), rounds)), MILLION
            ),
            "A hundred thousand rows (text, int8)": table(
                await rows(keys[:100_000], rounds), 100_000
            ),
        }
        await connection.close()
    write_all("hashing", TITLE, NOTE, tables)
