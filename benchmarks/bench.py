"""What the benchmarks share: a server, directories, interleaved timing, the table at the end."""

import compileall
import gc
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from textwrap import indent

from sqlalchemy.ext.asyncio import create_async_engine

from schemakit.embedded import EmbeddedServer

RESULTS = Path(__file__).parent / "results"
MEMORY = "data directory on tmpfs"
DISK = "data directory on disk, fsync on, 2 GB of shared_buffers"
SIZES = (1, 100, 1000, 3000)

Contestant = Callable[[], Awaitable[object]]
#: A contestant who needs preparing anew each time; only what it yields is timed.
Leg = Callable[[], AbstractAsyncContextManager[Contestant]]
#: A heading, and the rows below.
Table = tuple[list[str], list[list[str]]]

ENV_SHARED = """
from alembic import context
target_metadata = None
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=target_metadata)
with context.begin_transaction():
    context.run_migrations()
"""

REVISION = '''"""add column {number}

Revision ID: {id}
Revises: {down}
Create Date: 2026-01-01 00:00:00.000000

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = {id!r}
down_revision: Union[str, None] = {down!r}
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
    pass
'''


#: Settings of a server that keeps what it is told: a throw-away one is told to forget.
DURABLE = {
    "max_connections": "50",
    "shared_buffers": "2GB",
    "max_wal_size": "4GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


@asynccontextmanager
async def server(
    settings: dict[str, str] | None = None, *, memory: bool = True
) -> AsyncIterator[EmbeddedServer]:
    """Run a PostgreSQL whose data lie in memory, where the machine has such a place, or on disk."""
    settings = {"max_connections": "50"} if settings is None else settings
    shared = Path("/dev/shm")  # noqa: S108 - tmpfs, on purpose
    if memory and shared.is_dir():  # noqa: ASYNC240 - once, before anything is measured
        os.environ.setdefault("SCHEMAKIT_PG_HOME", str(shared / f"schemakit-bench-{os.getuid()}"))
    async with EmbeddedServer(settings=settings) as running:
        yield running


async def empty_database(running: EmbeddedServer, name: str) -> str:
    """Make the database *name* and return its URL."""
    admin = create_async_engine(running.url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    await admin.dispose()
    return running.url_for(name)


def no_change(number: int) -> str:  # noqa: ARG001 - the same for all
    return 'op.execute("SELECT 1")'


def directory(
    parent: Path, count: int, env: str, upgrade: Callable[[int], str] = no_change
) -> Path:
    """Write a linear history of *count* revisions, as Alembic's template writes them."""
    home = parent / f"migrations_{count}"
    (home / "versions").mkdir(parents=True)
    (home / "env.py").write_text(env)
    down = None
    for number in range(count):
        id_ = f"{number:012x}"
        body = indent(upgrade(number).strip(), "    ")
        text = REVISION.format(id=id_, down=down, number=number, upgrade=body)
        (home / "versions" / f"{id_}_add_column_{number}.py").write_text(text)
        down = id_
    for path in home.rglob("*.py"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return home


def compiled(home: Path) -> Path:
    """Write the bytecode of a directory, as its first use does where Python is not told not to."""
    compileall.compile_dir(home, quiet=1)
    return home


async def interleaved(contestants: dict[str, Contestant], rounds: int) -> dict[str, list[float]]:
    """Time every contestant once a round, after a round that does not count. Milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            began = time.perf_counter()
            await run()
            if turn:
                times[name].append((time.perf_counter() - began) * 1000)
    return times


async def rotated(
    legs: dict[str, Leg], rounds: int, before: Contestant | None = None
) -> dict[str, list[float]]:
    """Time every leg once a round, each round begun by another one; *before* is not timed.

    Milliseconds.
    """
    times: dict[str, list[float]] = {name: [] for name in legs}
    names = list(legs)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            async with legs[name]() as run:
                if before is not None:
                    await before()
                gc.collect()
                began = time.perf_counter()
                await run()
                times[name].append((time.perf_counter() - began) * 1000)
    return times


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each."""
    return {name: statistics.median(values) for name, values in times.items()}


def temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="schemakit-bench-")


def write(  # noqa: PLR0913 - what a page is made of
    name: str,
    title: str,
    note: str,
    header: list[str],
    rows: list[list[str]],
    *,
    place: str = MEMORY,
) -> None:
    """Print the table and write it to ``results/<name>.md``."""
    write_all(name, title, note, {"": (header, rows)}, place=place)


def write_all(
    name: str, title: str, note: str, tables: dict[str, Table], *, place: str = MEMORY
) -> None:
    """Print the tables under their headings and write them to ``results/<name>.md``."""
    lines = [f"# {title}", "", note, "", _conditions(place)]
    for heading, (header, rows) in tables.items():
        lines += ["", f"## {heading}"] if heading else []
        lines += ["", "| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    RESULTS.mkdir(exist_ok=True)
    text = "\n".join(lines) + "\n"
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def _conditions(place: str) -> str:
    packages = ("sqlalchemy", "alembic", "asyncpg", "psycopg")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()} on {sys.platform}, "
        f"{os.cpu_count()} cores, {versions}, PostgreSQL embedded, {place}, "
        f"load average {os.getloadavg()[0]:.1f}."
    )
