"""At head, the first call of a fresh process, which has its engine and connection already."""

import asyncio
import statistics
import sys
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine

import schemakit

from .bench import ENV_SHARED, SIZES, directory, empty_database, server, temporary, write
from .noop import template

TITLE = "The no-op at head, first call of a fresh process"
NOTE = (
    "Milliseconds, medians of interleaved processes, from the call on: SQLAlchemy and asyncpg are "
    "imported and a connection is in the pool, as in a service that starts; Alembic's and "
    "schemakit's own imports count. Aim: at 1000 revisions at least 25 times faster than Alembic "
    "on a shared connection, with an env.py that is remembered."
)

PROGRAM = """
import asyncio, sys, time
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

async def main(kind, url, home):
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    began = time.perf_counter()
    if kind == "schemakit":
        import schemakit
        await schemakit.upgrade(engine, migrations=home)
    elif kind == "floor":
        async with engine.connect() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))
    else:
        from alembic import command
        from alembic.config import Config
        def run(connection):
            config = Config()
            config.set_main_option("script_location", home)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        async with engine.connect() as connection:
            await connection.run_sync(run)
    print((time.perf_counter() - began) * 1000)
    await engine.dispose()

asyncio.run(main(*sys.argv[1:]))
"""


async def timed(kind: str, url: str, home: Path) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, kind, url, str(home), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return float(out)


async def compare(running, count: int, rounds: int) -> dict[str, float]:
    url = await empty_database(running, f"fresh_{count}")
    with temporary() as parent:
        homes = {
            "schemakit": directory(Path(parent) / "ours", count, template("async")),
            "alembic run_sync": directory(Path(parent) / "theirs", count, ENV_SHARED),
        }
        homes["floor"] = homes["schemakit"]
        engine = create_async_engine(url)
        await schemakit.upgrade(engine, migrations=homes["schemakit"])
        await engine.dispose()
        times: dict[str, list[float]] = {kind: [] for kind in homes}
        for turn in range(rounds + 1):
            for kind, home in homes.items():
                milliseconds = await timed(kind, url, home)
                if turn:
                    times[kind].append(milliseconds)
    return {kind: statistics.median(values) for kind, values in times.items()}


async def main(rounds: int) -> None:
    rows = []
    async with server() as running:
        for count in SIZES:
            found = await compare(running, count, rounds)
            own, theirs = found["schemakit"], found["alembic run_sync"]
            cells = [f"{own:.1f}", f"{found['floor']:.2f}", f"{theirs:.0f} ({theirs / own:.0f}x)"]
            rows.append([str(count), *cells])
    write("fresh", TITLE, NOTE, ["revisions", "schemakit", "floor", "Alembic run_sync"], rows)
