"""What it costs to leave the key out: rows that a trigger sends on, beside rows with their key."""

from pathlib import Path

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

import schemakit
from schemakit.partitioning import partition_key

from .bench import Table, empty_database, interleaved, medians, server, write_all

TITLE = "A row without its key"
NOTE = (
    "Microseconds a row, medians of interleaved rounds, and the ratio to what stands first: the "
    "reference's `chunks` (100 partitions, six indexes, two foreign keys), rows of 50 collections "
    "with 200 characters of content. Native hash is the same table, `PARTITION BY HASH "
    "(collection_id)`, with `partition_key` as a stored generated column. The last line is the "
    "reference's with a trigger `WHEN (partition_key IS NULL)` on `chunks` itself instead of on "
    "the one partition: COPY would write row by row then."
)
MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
COPIED, INSERTED, COLLECTIONS = 10_000, 2_000, 50
WITHOUT = ("collection_id", "chunk_index", "content")
WITH = ("collection_id", "partition_key", "chunk_index", "content")

OWNERS = """
INSERT INTO users (id, username, email, password_hash) VALUES (-1, 'o', 'o@b', '-');
INSERT INTO collections (owner_id, name, vector_store_name, embedding_model)
SELECT -1, n, n, 'm' FROM generate_series(1, 50) AS n
"""
# As 0010_chunks, but for the key.
NATIVE = """
CREATE TABLE native (LIKE chunks INCLUDING DEFAULTS) PARTITION BY HASH (collection_id);
ALTER TABLE native DROP COLUMN partition_key, ADD COLUMN partition_key integer
    GENERATED ALWAYS AS (abs(hashtext(collection_id::text) % 100)) STORED;
ALTER TABLE native ADD PRIMARY KEY (id, collection_id),
    ADD FOREIGN KEY (collection_id) REFERENCES collections ON DELETE CASCADE,
    ADD FOREIGN KEY (chunking_config_id) REFERENCES chunking_configs ON DELETE SET NULL,
    ADD CHECK (chunk_index >= 0), ADD CHECK (end_offset >= start_offset);
CREATE INDEX ON native (collection_id, document_id, chunk_index);
CREATE INDEX ON native (document_id, chunk_index) WHERE document_id IS NOT NULL;
CREATE INDEX ON native (chunking_config_id);
CREATE INDEX ON native USING brin (created_at);
CREATE INDEX ON native (collection_id, id) WHERE embedding_vector_id IS NULL;
DO $$ BEGIN
    FOR i IN 0..99 LOOP
        EXECUTE format('CREATE TABLE native_%s PARTITION OF native'
                       ' FOR VALUES WITH (MODULUS 100, REMAINDER %s)', i, i);
    END LOOP;
END $$
"""
EVERYWHERE = """
DROP TRIGGER chunk_partition_trigger ON chunks_unkeyed;
CREATE TRIGGER chunk_partition_trigger BEFORE INSERT ON chunks
    FOR EACH ROW WHEN (NEW.partition_key IS NULL) EXECUTE FUNCTION redirect_chunk()
"""


async def database(running, name: str, *scripts: str) -> asyncpg.Connection:
    """Make the database *name* at head, and what the *scripts* add."""
    url = await empty_database(running, name)
    engine = create_async_engine(url)
    await schemakit.upgrade(engine, migrations=MIGRATIONS)
    await engine.dispose()
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    for script in (OWNERS, *scripts):
        await connection.execute(script)
    return connection


class Writer:
    """Somebody who writes the same chunks, in one way."""

    def __init__(self, connection, collections, table: str, columns) -> None:
        self.connection, self.table, self.columns = connection, table, columns
        row = {
            WITH: lambda id_, n: (id_, partition_key(id_, 100), n, "c" * 200),
            WITHOUT: lambda id_, n: (id_, n, "c" * 200),
        }[columns]
        self.rows = [row(collections[n % COLLECTIONS], n) for n in range(COPIED)]
        names = ", ".join(columns)
        places = ", ".join(f"${n + 1}" for n in range(len(columns)))
        self.insert = f"INSERT INTO {table} ({names}) VALUES ({places})"

    async def copy(self) -> None:
        await self.connection.copy_records_to_table(
            self.table, records=self.rows, columns=self.columns
        )

    async def execute_many(self) -> None:
        await self.connection.executemany(self.insert, self.rows[:INSERTED])

    async def execute_each(self) -> None:
        statement = await self.connection.prepare(self.insert)
        for row in self.rows[:INSERTED]:
            await statement.fetch(*row)


async def writers(running) -> dict[str, Writer]:
    reference = await database(running, "redirect", NATIVE)
    everywhere = await database(running, "redirect_everywhere", EVERYWHERE)

    async def writer(connection, table, columns) -> Writer:
        ids = [row[0] for row in await connection.fetch("SELECT id FROM collections ORDER BY name")]
        return Writer(connection, ids, table, columns)

    return {
        "with the key": await writer(reference, "chunks", WITH),
        "without the key": await writer(reference, "chunks", WITHOUT),
        "native hash": await writer(reference, "native", WITHOUT),
        "with the key, the trigger on all": await writer(everywhere, "chunks", WITH),
    }


async def main(rounds: int) -> None:
    tables: dict[str, Table] = {}
    async with server() as running:
        found = await writers(running)
        for heading, way, number in (
            ("COPY, 10,000 rows", "copy", COPIED),
            ("INSERT, 2,000 rows by executemany", "execute_many", INSERTED),
            ("INSERT, 2,000 rows, a round trip for each", "execute_each", INSERTED),
        ):
            contestants = {name: getattr(writer, way) for name, writer in found.items()}
            times = medians(await interleaved(contestants, rounds))
            first = next(iter(times.values()))
            tables[heading] = (
                ["", "µs a row", "ratio"],
                [
                    [name, f"{time * 1000 / number:.1f}", f"{time / first:.2f}"]
                    for name, time in times.items()
                ],
            )
        for writer in found.values():
            await writer.connection.close()
    write_all("redirect", TITLE, NOTE, tables)
