"""Backups beside what one would write by hand: a copy, a move, a comparison, a restore."""

import os
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_table,
    cleanup_backups,
    drop_table,
    restore_backup,
    verify_backup,
)

from .bench import DISK, DURABLE, empty_database, medians, rotated, server, write

ROWS = int(os.environ.get("SCHEMAKIT_BENCH_ROWS", "1000000"))
#: Of the table that is dropped: about a GB with its indexes.
MORE_ROWS = 2 * ROWS
ALLOWED = Settings(allow_destructive="a benchmark")
TITLE = "Backups"
NOTE = (
    f"{ROWS:,} rows, {{size}}; what is dropped has {MORE_ROWS:,}, {{more}}. Medians of rotated "
    "rounds, a checkpoint before each. Everything of schemakit's is one call, with manifest, "
    "registry and commit, on an engine whose pool has a connection. Ratios are to CREATE TABLE AS, "
    "unless named. Aims: `drop_table` at most 0.01 of CREATE TABLE AS + DROP; "
    "`backup_table` at most 1.1; `verify_backup` at most 0.6, with two workers 0.35; the restore "
    "of a copy at most 0.5 of LIKE INCLUDING ALL + INSERT. *By hand* is a count and the sum of the "
    "rows' hashes, which proves less: no facet, nor who wrote the rows."
)
MADE = """
CREATE TABLE {table} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id uuid NOT NULL,
    chunk_index int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    content text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{{}}'
);
INSERT INTO {table} (collection_id, chunk_index, created_at, content, metadata)
SELECT md5((n % 1000)::text)::uuid, n / 1000, '2026-01-01'::timestamptz + n * interval '1 s',
       repeat(md5(n::text), 12), jsonb_build_object('n', n, 'lang', 'en')
  FROM generate_series(1, {rows}) AS n;
CREATE INDEX {table}_collection ON {table} (collection_id, chunk_index);
CREATE INDEX {table}_created ON {table} (created_at);
VACUUM ANALYZE {table}
"""
AS = "CREATE TABLE by_hand AS SELECT * FROM chunks"
LIKE = "CREATE TABLE by_hand (LIKE chunks INCLUDING ALL)"
INSERT = "INSERT INTO by_hand OVERRIDING SYSTEM VALUE SELECT * FROM chunks"


_FREE = ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size")


class Legs:
    """What is timed, each with what goes before and after."""

    def __init__(self, engine, hand):
        self.engine, self.hand = engine, hand

    async def rested_copy(self):
        """A copy that has settled, as the table has from which the others copy.

        Autovacuum has been there (who reads a new table first sets its hint bits, with WAL), and it
        lies in the server's memory.
        """
        backup = await backup_table(self.engine, "chunks")
        await self.hand.execute(f"VACUUM {backup.relation}")
        await self.hand.execute(f"SELECT count(*) FROM {backup.relation}")
        return backup

    @asynccontextmanager
    async def by_hand(self, *statements):
        async def run():
            for statement in statements:
                await self.hand.execute(statement)

        yield run
        await self.hand.execute("DROP TABLE by_hand")

    @asynccontextmanager
    async def copied_and_dropped(self):
        """With the COMMIT of each, which syncs the log and unlinks a gigabyte."""

        async def run():
            await self.hand.execute("CREATE TABLE by_hand AS SELECT * FROM twin")
            await self.hand.execute("DROP TABLE twin")

        yield run
        await self.hand.execute("ALTER TABLE by_hand RENAME TO twin")
        await self.hand.execute("VACUUM twin")

    @asynccontextmanager
    async def dropped(self):
        made = []

        async def run():
            made.append(await drop_table(self.engine, "more", settings=ALLOWED))

        yield run
        await restore_backup(self.engine, made[0], settings=ALLOWED)

    @asynccontextmanager
    async def backed_up(self):
        made = []

        async def run():
            made.append(await backup_table(self.engine, "chunks"))

        yield run
        await cleanup_backups(self.engine, made, settings=ALLOWED)

    @asynccontextmanager
    async def verified(self, workers):
        backup = await self.rested_copy()

        async def run():
            await verify_backup(self.engine, backup, workers=workers)

        yield run
        await cleanup_backups(self.engine, [backup], settings=ALLOWED)

    @asynccontextmanager
    async def hashed(self, workers):
        """What no comparison of the content can do without: the server's own hash, once a row."""
        backup = await self.rested_copy()
        limit = f"SET max_parallel_workers_per_gather = {workers}"
        free = "; ".join(f"SET {name} = 0" for name in _FREE)
        await self.hand.execute(f"{limit}; {free}")

        async def run():
            sql = f"SELECT count(*), sum(hash_record_extended(t, 0)) FROM {backup.relation} AS t"
            await self.hand.fetch(sql)

        yield run
        await self.hand.execute("RESET ALL")
        await cleanup_backups(self.engine, [backup], settings=ALLOWED)

    @asynccontextmanager
    async def restored(self):
        backup = await self.rested_copy()
        await self.hand.execute("DROP TABLE chunks")

        async def run():
            await restore_backup(self.engine, backup)

        yield run
        await cleanup_backups(self.engine, [backup], settings=ALLOWED)
        await self.hand.execute("VACUUM ANALYZE chunks")

    def all(self):
        return {
            "CREATE TABLE AS": lambda: self.by_hand(AS),
            "backup_table": self.backed_up,
            "a hash by hand": lambda: self.hashed(0),
            "verify_backup": lambda: self.verified(0),
            "a hash by hand, two workers": lambda: self.hashed(2),
            "verify_backup, two workers": lambda: self.verified(2),
            "CREATE TABLE AS + DROP": self.copied_and_dropped,
            "drop_table": self.dropped,
            "LIKE INCLUDING ALL + INSERT": lambda: self.by_hand(LIKE, INSERT),
            "restore_backup of a copy": self.restored,
        }


BESIDE = {
    "drop_table": "CREATE TABLE AS + DROP",
    "restore_backup of a copy": "LIKE INCLUDING ALL + INSERT",
}


async def made(hand: asyncpg.Connection, table: str, rows: int) -> str:
    """Make *table* and return how large it is."""
    for statement in MADE.format(table=table, rows=rows).split(";\n"):
        await hand.execute(statement)
    sql = "SELECT pg_size_pretty(pg_table_size($1)), pg_size_pretty(pg_indexes_size($1))"
    heap, indexes = await hand.fetchrow(sql, table)
    return f"{heap} and {indexes} in three indexes"


def body(found: dict[str, float]) -> list[list[str]]:
    rows = []
    for name, time in found.items():
        beside = BESIDE.get(name, "CREATE TABLE AS")
        ratio = (
            f"{time / found[beside]:.4f}" if name == "drop_table" else f"{time / found[beside]:.2f}"
        )
        rows.append([name, f"{time:,.1f}", ratio, beside if name in BESIDE else ""])
    return rows


async def main(rounds: int) -> None:
    async with server(DURABLE, memory=False) as running:
        url = await empty_database(running, "bench_backups")
        hand = await asyncpg.connect(url.replace("+asyncpg", ""))
        sizes = [await made(hand, *each) for each in (("chunks", ROWS), ("more", MORE_ROWS))]
        await hand.execute("CREATE TABLE twin AS SELECT * FROM more")
        await hand.execute("VACUUM twin")
        engine = create_async_engine(url)
        legs = Legs(engine, hand).all()
        found = medians(await rotated(legs, rounds, partial(hand.execute, "CHECKPOINT")))
        await engine.dispose()
        await hand.close()
    note = NOTE.format(size=sizes[0], more=sizes[1])
    write("backups", TITLE, note, ["", "ms", "ratio", "to"], body(found), place=DISK)
