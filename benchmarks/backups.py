"""Backups beside what one would write by hand: a copy, a move, a comparison, a restore."""

import os
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

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
ALLOWED = Settings(allow_destructive="a benchmark")
TITLE = "Backups"
NOTE = (
    f"{ROWS:,} rows, {{size}} of table and {{indexes}} in three indexes; medians of rotated "
    "rounds. Everything of schemakit's is one call, with manifest, registry and commit. Ratios are "
    "to CREATE TABLE AS, unless named. Aims: `drop_table` at most 0.01 of CREATE TABLE AS + DROP; "
    "`backup_table` at most 1.1; `verify_backup` at most 0.6, with two workers 0.35; the restore "
    "of a copy at most 0.5 of LIKE INCLUDING ALL + INSERT."
)
MADE = f"""
CREATE TABLE chunks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id uuid NOT NULL,
    chunk_index int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    content text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{{}}'
);
INSERT INTO chunks (collection_id, chunk_index, created_at, content, metadata)
SELECT md5((n % 1000)::text)::uuid, n / 1000, '2026-01-01'::timestamptz + n * interval '1 s',
       repeat(md5(n::text), 12), jsonb_build_object('n', n, 'lang', 'en')
  FROM generate_series(1, {ROWS}) AS n;
CREATE INDEX chunks_collection ON chunks (collection_id, chunk_index);
CREATE INDEX chunks_created ON chunks (created_at);
VACUUM ANALYZE chunks
"""
AS = "CREATE TABLE by_hand AS SELECT * FROM chunks"
LIKE = "CREATE TABLE by_hand (LIKE chunks INCLUDING ALL)"
INSERT = "INSERT INTO by_hand OVERRIDING SYSTEM VALUE SELECT * FROM chunks"


class Legs:
    """What is timed, each with what goes before and after."""

    def __init__(self, engine, hand):
        self.engine, self.hand = engine, hand

    @asynccontextmanager
    async def by_hand(self, *statements):
        async def run():
            for statement in statements:
                await self.hand.execute(statement)

        yield run
        await self.hand.execute("DROP TABLE by_hand")

    @asynccontextmanager
    async def copied_and_dropped(self):
        async def run():
            await self.hand.execute(AS)
            await self.hand.execute("DROP TABLE chunks")

        await self.hand.execute("BEGIN")
        yield run
        await self.hand.execute("ROLLBACK")

    @asynccontextmanager
    async def dropped(self):
        made = []

        async def run():
            made.append(await drop_table(self.engine, "chunks", settings=ALLOWED))

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
        backup = await backup_table(self.engine, "chunks")
        await self.hand.execute(f"VACUUM {backup.relation}")

        async def run():
            await verify_backup(self.engine, backup, workers=workers)

        yield run
        await cleanup_backups(self.engine, [backup], settings=ALLOWED)

    @asynccontextmanager
    async def restored(self):
        backup = await backup_table(self.engine, "chunks")
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
            "verify_backup": lambda: self.verified(0),
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
        for statement in MADE.split(";\n"):
            await hand.execute(statement)
        sizes = await hand.fetchrow(
            "SELECT pg_size_pretty(pg_table_size('chunks')),"
            " pg_size_pretty(pg_indexes_size('chunks'))"
        )
        engine = create_async_engine(url, poolclass=NullPool)
        legs = Legs(engine, hand).all()
        found = medians(await rotated(legs, rounds, partial(hand.execute, "CHECKPOINT")))
        await engine.dispose()
        await hand.close()
    note = NOTE.format(size=sizes[0], indexes=sizes[1])
    write("backups", TITLE, note, ["", "ms", "ratio", "to"], body(found), place=DISK)
