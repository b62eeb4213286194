"""Twenty typical revisions under traffic, with long transactions in the way."""

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from alembic import command
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import schemakit

from . import load
from .bench import Contestant, Table, directory, empty_database, server, temporary, write_all
from .empty import ENV_EACH
from .noop import config
from .typical import REVISIONS, TABLES

TEMPLATE = "traffic_template"
WARM_UP = 2.0  # seconds of traffic before the migration begins; the first transaction is there
WINDOW = 20.0  # seconds that are measured, or longer, until the revisions have run
SLOW = 1.0  # seconds
RATIOS = ("p99", "stall", "slow")
PEER = "plain Alembic"

TITLE = "Revisions under traffic"
NOTE = (
    f"{len(REVISIONS)} typical revisions, a transaction each, on tables of up to 300,000 rows. "
    f"Meanwhile a process of its own reads and writes single rows over {load.CONNECTIONS} "
    f"connections, {load.RATE} requests a second, and begins a transaction every "
    f"{load.EVERY:.0f} seconds or so that touches one of the tables and stays open for "
    f"{load.SHORTEST:.0f} to {load.LONGEST:.0f} seconds; they come at the same times for all, and "
    "the first of them is on the table of the first revision. "
    "Latency in milliseconds, from when a request was due to its answer, for the requests due "
    f"in the {WINDOW:.0f} seconds from the beginning, or until the revisions have run if that "
    "takes longer; *stall* is the longest, *slow* counts those above a second. Medians of "
    "interleaved rounds, each with another schedule; *worst* is the longest stall of all rounds. "
    "Plain Alembic runs in `run_sync` with the cookbook's env.py: it sets no lock_timeout. "
    "Ratios are to it; the time of the migration is in seconds."
)


@dataclass(frozen=True)
class Outcome:
    """What one run of the revisions did to the traffic."""

    seconds: float
    latencies: list[float]
    errors: list[str]
    failure: str

    def quantile(self, share: float) -> float:
        """Return the latency, in milliseconds, that *share* of the requests stayed under."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000

    @property
    def figures(self) -> dict[str, float]:
        return {
            "requests": len(self.latencies),
            "p50": self.quantile(0.5),
            "p99": self.quantile(0.99),
            "p99.9": self.quantile(0.999),
            "stall": self.quantile(1),
            "worst": self.quantile(1),
            "slow": sum(latency > SLOW for latency in self.latencies),
            "errors": len(self.errors),
            "migration": self.seconds,
        }


def nothing(engine: AsyncEngine, home: Path) -> Contestant:  # noqa: ARG001 - does nothing with it
    return lambda: asyncio.sleep(0)


def alembic(engine: AsyncEngine, home: Path) -> Contestant:
    def upgrade(connection) -> None:
        made = config(home, str(engine.url))
        made.attributes["connection"] = connection
        command.upgrade(made, "head")

    async def run() -> None:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)

    return run


def ours(settings: schemakit.Settings) -> Callable[[AsyncEngine, Path], Contestant]:
    def contestant(engine: AsyncEngine, home: Path) -> Contestant:
        return lambda: schemakit.upgrade(engine, migrations=home, settings=settings)

    return contestant


LEGS = {
    "no migration": nothing,
    PEER: alembic,
    "schemakit": ours(schemakit.Settings()),
    "schemakit, lock_timeout=0.5": ours(schemakit.Settings(lock_timeout=0.5)),
}


async def template(running) -> None:
    """Fill the database that every run begins with a copy of."""
    url = await empty_database(running, TEMPLATE)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(TABLES)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def copied(running, name: str) -> str:
    connection = await asyncpg.connect(running.dsn)
    await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    await connection.close()
    return running.url_for(name)


async def under_traffic(running, contestant, home: Path, seed: int) -> Outcome:
    """Run the revisions while there is traffic."""
    url = await copied(running, "traffic")
    engine = create_async_engine(url, poolclass=NullPool)
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-m", "benchmarks.load", url.replace("+asyncpg", ""), str(seed))
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=pipe, stdout=pipe, limit=1 << 26
    )
    assert await process.stdout.readline() == b"ready\n"
    await asyncio.sleep(WARM_UP)
    failure = ""
    process.stdin.write(b"begin\n")
    began = time.perf_counter()
    try:
        await contestant(engine, home)()
    except Exception as error:  # noqa: BLE001 - giving up is a result, too
        failure = f"{type(error).__name__}: {error}".splitlines()[0]
    seconds = time.perf_counter() - began
    await asyncio.sleep(WINDOW - seconds)
    process.stdin.write(b"end\n")
    found = json.loads(await process.stdout.readline())
    await process.wait()
    await engine.dispose()
    return Outcome(seconds, found["latencies"], found["errors"], failure)


def summary(outcomes: list[Outcome]) -> dict[str, float]:
    """Return the median of every figure over the rounds, and the maximum of the worst."""
    figures = {
        figure: statistics.median(each.figures[figure] for each in outcomes)
        for figure in outcomes[0].figures
    }
    figures["worst"] = max(each.figures["stall"] for each in outcomes)
    return figures


def rows(found: dict[str, list[Outcome]]) -> list[list[str]]:
    """Return a row for each leg, and its ratios to the peer."""
    peer = summary(found[PEER])
    return [
        [
            name,
            *(f"{value:.1f}" if value % 1 and value < 100 else f"{value:.0f}" for value in own),
            *(f"**{summary(outcomes)[figure] / max(peer[figure], 1):.2f}**" for figure in RATIOS),
        ]
        for name, outcomes in found.items()
        for own in [summary(outcomes).values()]
    ]


def troubles(found: dict[str, list[Outcome]]) -> Table:
    """Return what went wrong: errors of requests, and migrations that gave up."""
    table = []
    for name, outcomes in found.items():
        kinds = Counter(kind for each in outcomes for kind in each.errors)
        kinds.update(each.failure for each in outcomes if each.failure)
        table += [[name, kind, str(times)] for kind, times in kinds.items()]
    return ["leg", "error", "times"], table


async def main(rounds: int) -> None:
    found: dict[str, list[Outcome]] = {name: [] for name in LEGS}
    async with server() as running:
        await template(running)
        with temporary() as parent:
            home = directory(Path(parent), len(REVISIONS), ENV_EACH, REVISIONS.__getitem__)
            for seed in range(1, rounds + 1):
                for name, contestant in LEGS.items():
                    outcome = await under_traffic(running, contestant, home, seed)
                    found[name].append(outcome)
                    print(seed, name, {k: round(v, 1) for k, v in outcome.figures.items()})
    header = ["leg", *found[PEER][0].figures, *(f"{figure} ratio" for figure in RATIOS)]
    tables = {f"{rounds} rounds": (header, rows(found))}
    wrong = troubles(found)
    if wrong[1]:
        tables["What went wrong"] = wrong
    write_all("traffic", TITLE, NOTE, tables)
