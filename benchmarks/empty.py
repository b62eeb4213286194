"""From empty to head: a thousand revisions, and the same with a network in between."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

import schemakit
from schemakit.runner import index

from .bench import (
    ENV_SHARED,
    Contestant,
    Leg,
    compiled,
    directory,
    empty_database,
    medians,
    rotated,
    server,
    temporary,
    write_all,
)
from .latency import ROUND_TRIPS, STATEMENTS, Proxy, added, calibrated, proxied

COUNT, FAR_COUNT = 1000, 200
FAR = 0.001  # seconds that a round trip takes longer
EVERY = 50  # revisions on one table, in the first shape
ONE, EACH = "one transaction", "one each"
ENV_EACH = ENV_SHARED.replace("configure(", "configure(transaction_per_migration=True, ")

TITLE = "From empty to head"
NOTE = (
    "Milliseconds, medians of interleaved rounds whose order rotates, each on a new database; "
    "connecting and creating it do not count, loading the revisions does. All run the same files "
    "with the same env.py. *columns*: `op.add_column`, and a new table every {every}; *tables*: "
    "`op.create_table` with a primary key. The floor is the same DDL and one insert of the version "
    "as one script; *loading* is what Alembic takes to load the revisions and nothing else, a part "
    "of all but the floor. psycopg and run_sync are plain Alembic: `command.upgrade` on psycopg 3, "
    "and in `run_sync` on asyncpg. Aim: at most 0.75 of psycopg's time (0.6 where the updates of "
    "the version travel with the next statement), and, where a round trip takes 1 ms longer, at "
    "most 0.4 of run_sync's. There a proxy adds {before:.2f} ms to `SELECT 1` before the rounds, "
    "{after:.2f} ms after them, and counts statements and round trips."
)


class Shape(NamedTuple):
    """What the revisions do, as a revision says it and as SQL."""

    name: str
    upgrade: Callable[[int], str]
    ddl: Callable[[int], str]


def _table(number: int) -> str:
    columns = 'sa.Column("id", sa.Uuid, primary_key=True), sa.Column("name", sa.String(50))'
    return f'op.create_table("t{number}", {columns})'


def _table_ddl(number: int) -> str:
    return f"CREATE TABLE t{number} (id UUID NOT NULL, name VARCHAR(50), PRIMARY KEY (id))"


def _column(number: int) -> str:
    if number % EVERY == 0:
        return _table(number)
    return f'op.add_column("t{number - number % EVERY}", sa.Column("c{number}", sa.Integer))'


def _column_ddl(number: int) -> str:
    if number % EVERY == 0:
        return _table_ddl(number)
    return f"ALTER TABLE t{number - number % EVERY} ADD COLUMN c{number} INTEGER"


SHAPES = (Shape("columns", _column, _column_ddl), Shape("tables", _table, _table_ddl))


class Course(NamedTuple):
    """What all legs run: these files, on new databases of this server."""

    running: object
    proxy: Proxy | None
    shape: Shape
    home: Path
    count: int
    each: bool

    @property
    def title(self) -> str:
        return f"{self.count} {self.shape.name}, {EACH if self.each else ONE}"

    @property
    def config(self) -> Config:
        made = Config()
        made.set_main_option("script_location", str(self.home))
        return made

    async def database(self, name: str) -> str:
        url = await empty_database(self.running, f"empty_{name}")
        return self.proxy.url_for(f"empty_{name}") if self.proxy else url

    def upgrade(self, connection: Connection) -> None:
        config = self.config
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    @asynccontextmanager
    async def psycopg(self) -> AsyncIterator[Contestant]:
        url = await self.database("psycopg")
        engine = create_engine(url.replace("+asyncpg", "+psycopg"), poolclass=NullPool)
        with engine.connect() as connection:

            async def run() -> None:
                self.upgrade(connection)

            yield run

    @asynccontextmanager
    async def run_sync(self) -> AsyncIterator[Contestant]:
        engine = create_async_engine(await self.database("run_sync"), poolclass=NullPool)
        async with engine.connect() as connection:
            yield lambda: connection.run_sync(self.upgrade)

    @asynccontextmanager
    async def schemakit(self) -> AsyncIterator[Contestant]:
        engine = create_async_engine(await self.database("schemakit"))
        async with engine.connect() as connection:  # in the pool from here on
            await connection.execute(text("SELECT 1"))
        index.forget()
        settings = schemakit.Settings(index="off")
        yield lambda: schemakit.upgrade(engine, migrations=self.home, settings=settings)
        await engine.dispose()

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[Contestant]:
        url = await self.database("floor")
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        version = "INSERT INTO alembic_version VALUES ('head')"
        ddl = ["CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"]
        ddl += [*map(self.shape.ddl, range(self.count)), version]
        script = "; COMMIT; BEGIN; ".join(ddl) if self.each else "; ".join(ddl)
        yield lambda: connection.execute(f"BEGIN; {script}; COMMIT")
        await connection.close()

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[Contestant]:
        async def run() -> None:
            ScriptDirectory.from_config(self.config).get_heads()

        yield run

    @property
    def legs(self) -> dict[str, Leg]:
        own = (self.floor, self.loading, self.psycopg, self.run_sync, self.schemakit)
        return {leg.__name__: leg for leg in own}


async def outcome(course: Course, name: str) -> tuple[int, int]:
    """Return how many columns a leg has left, and how many rows in the version table."""
    url = course.running.url_for(f"empty_{name}").replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'"
    found = await connection.fetchval(columns)
    versions = await connection.fetchval("SELECT count(*) FROM alembic_version")
    await connection.close()
    return found, versions


async def check(course: Course) -> None:
    """Have they all done the same?"""
    left = {name: await outcome(course, name) for name in course.legs if name != "loading"}
    assert len(set(left.values())) == 1, left


async def sent(course: Course) -> list[str]:
    """Return how many statements and round trips each leg takes."""
    found = [course.title]
    for leg in course.legs.values():
        async with leg() as run:
            await course.proxy.counts()
            await run()
            counts = await course.proxy.counts()
        found.append(f"{counts.get(STATEMENTS, 0)} / {counts.get(ROUND_TRIPS, 0)}")
    return found


async def compare(course: Course, rounds: int) -> list[str]:
    found = medians(await rotated(course.legs, rounds))
    await check(course)
    own = found["schemakit"]
    return [
        course.title,
        *(f"{milliseconds:.0f}" for milliseconds in found.values()),
        *(f"**{own / found[peer]:.2f}**" for peer in ("psycopg", "run_sync")),
    ]


async def main(rounds: int) -> None:
    began = time.perf_counter()
    near, far, counts = [], [], []
    async with server() as running, proxied(running) as proxy:
        await calibrated(proxy, running, FAR)
        before = await added(proxy, running)
        for shape in SHAPES:
            for each in (False, True):
                with temporary() as parent:
                    env = ENV_EACH if each else ENV_SHARED
                    homes = [
                        compiled(directory(Path(parent), count, env, shape.upgrade))
                        for count in (COUNT, FAR_COUNT)
                    ]
                    close = Course(running, None, shape, homes[0], COUNT, each)
                    distant = Course(running, proxy, shape, homes[1], FAR_COUNT, each)
                    counts.append(await sent(distant))  # and all are warm
                    near.append(await compare(close, rounds))
                    far.append(await compare(distant, rounds))
        after = await added(proxy, running)
    legs = ["floor", "loading", "psycopg", "run_sync", "schemakit"]
    header = ["revisions", *legs, "of psycopg", "of run_sync"]
    tables = {
        "On the same machine": (header, near),
        "1 ms away": (header, far),
        "Statements / round trips": (["revisions", *legs], counts),
    }
    note = NOTE.format(every=EVERY, before=before * 1000, after=after * 1000)
    write_all("empty", TITLE, note, tables)
    print(f"{time.perf_counter() - began:.0f} s")
