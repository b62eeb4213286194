"""How long is the event loop held while ``upgrade`` runs?"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine

import schemakit
from schemakit.runner import index

from .bench import ENV_SHARED, directory, empty_database, server, temporary, write
from .noop import config, template

SIZES = (100, 1000, 3000)
TITLE = "The longest stall of the event loop"
NOTE = (
    "Milliseconds: the longest gap between two ticks of a task that sleeps for 0.5 ms, median and "
    "maximum over the rounds, with and without a call beside it. At head, and while the revisions "
    "are loaded (nothing remembered, nothing to apply). Aim: under 5 ms at head, 20 ms while "
    "loading. What exceeds it is Python's cyclic garbage collector: each round leaves the revision "
    "modules of the one before, and a full collection holds the interpreter for all its threads. "
    "A service loads once."
)


async def longest_stall(work: Callable[[], Awaitable[object]]) -> float:
    gaps = []

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.0005)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.02)
    gaps.clear()
    await work()
    await asyncio.sleep(0.002)
    ticker.cancel()
    return max(gaps) * 1000


async def compare(running, count: int, rounds: int) -> dict[str, list[float]]:
    url = await empty_database(running, f"stall_{count}")
    engine = create_async_engine(url)
    with temporary() as parent:
        home = directory(Path(parent) / "ours", count, template("async"))
        shared_home = directory(Path(parent) / "theirs", count, ENV_SHARED)
        settings = schemakit.Settings(index="off")
        await schemakit.upgrade(engine, migrations=home, settings=settings)

        async def at_head() -> None:
            await schemakit.upgrade(engine, migrations=home, settings=settings)

        async def loading() -> None:
            index.forget()
            await schemakit.upgrade(engine, migrations=home, settings=settings)

        def run(connection) -> None:
            made = config(shared_home, url)
            made.attributes["connection"] = connection
            command.upgrade(made, "head")

        async def theirs() -> None:
            async with engine.connect() as connection:
                await connection.run_sync(run)

        async def idle() -> None:
            await asyncio.sleep(0.05)

        works = {"idle": idle, "at head": at_head, "loading": loading, "Alembic run_sync": theirs}
        found: dict[str, list[float]] = {name: [] for name in works}
        for turn in range(rounds + 1):
            for name, work in works.items():
                stall = await longest_stall(work)
                if turn:
                    found[name].append(stall)
    await engine.dispose()
    return found


async def main(rounds: int) -> None:
    rows = []
    async with server() as running:
        for count in SIZES:
            found = await compare(running, count, rounds)
            cells = (f"{statistics.median(v):.1f} / {max(v):.1f}" for v in found.values())
            rows.append([str(count), *cells])
    header = ["revisions", "idle", "schemakit at head", "schemakit loading", "Alembic run_sync"]
    write("stall", TITLE, NOTE, header, rows)
