"""Trees of 100, 1000 and 5000 leaves: `create_tree` beside one statement per round trip."""

from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy.ext.asyncio import create_async_engine

from schemakit.partitioning import (
    HashKeyLayout,
    HashLayout,
    LeafIndex,
    LeafTraits,
    Name,
    create_tree,
)

from .bench import empty_database, medians, rotated, server, write

TITLE = "Creating a partitioned table and its leaves"
NOTE = (
    "Seconds, medians of interleaved rounds, each in an empty database: a parent with a primary "
    "key and two indexes, so that a leaf is a table with its TOAST table and three indexes. Beside "
    "it, the same statements one per round trip, through SQLAlchemy in autocommit. The server runs "
    "with its default settings, data directory on tmpfs. Aim: at most 0.70, 0.65 and 0.65 of that "
    "time, and never out of shared memory."
)
#: A throw-away server is started without them.
DEFAULTS = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
ROUNDS = {100: 7, 1000: 3, 5000: 1}
DEFINITION = (
    "id bigint, collection_id text, partition_key int, content text, created_at timestamptz, "
    "PRIMARY KEY (id, {key})"
)
TRAITS = LeafTraits(
    indexes=(
        LeafIndex("{table}_collection_idx", ("collection_id",)),
        LeafIndex("{table}_created_idx", ("created_at",)),
    )
)


def layouts(count):
    """Both layouts that have a number of leaves."""
    yield (
        HashLayout(
            Name("chunks"), ("collection_id",), types=("text",), modulus=count, carries=TRAITS
        ),
        DEFINITION.format(key="collection_id"),
    )
    yield (
        HashKeyLayout(
            Name("chunks"),
            "partition_key",
            source="collection_id",
            modulus=count,
            carries=TRAITS,
            checked=False,
        ),
        DEFINITION.format(key="partition_key"),
    )


async def one_by_one(engine, layout, definition):
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        run = connection.exec_driver_sql
        await run(f"CREATE TABLE {layout.parent} ({definition}) {layout.partition_by}")
        for index in layout.carries.indexes:
            await run(index.create(layout.parent))
        for leaf in layout.leaves():
            await run(f"CREATE TABLE {leaf.name} PARTITION OF {layout.parent} {leaf.bound}")


async def compare(running, layout, definition, rounds):
    layout.leaves()  # not what is measured

    @asynccontextmanager
    async def leg(work):
        engine = create_async_engine(await empty_database(running, "partitions"))
        async with engine.connect():
            pass
        yield partial(work, engine, layout, definition)
        await engine.dispose()

    times = await rotated(
        {"one by one": partial(leg, one_by_one), "create_tree": partial(leg, create_tree)}, rounds
    )
    return medians(times)


async def main(rounds):
    rows = []
    async with server(DEFAULTS) as running:
        for count, most in ROUNDS.items():
            for layout, definition in layouts(count):
                found = await compare(running, layout, definition, min(rounds, most))
                ours, theirs = found["create_tree"] / 1000, found["one by one"] / 1000
                kind = layout.partition_by.split()[2]
                rows.append(
                    [
                        f"{count} leaves, {kind}",
                        f"{theirs:.2f}",
                        f"{ours:.2f}",
                        f"{ours / theirs:.2f}",
                    ]
                )
                print(" | ".join(rows[-1]), flush=True)
    header = ["", "one statement per round trip", "create_tree", "ratio"]
    write("partitions", TITLE, NOTE, header, rows)
