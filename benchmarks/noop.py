"""At head, in a running process: what does ``upgrade`` cost when there is nothing to do?"""

import asyncio
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import schemakit

from .bench import (
    ENV_SHARED,
    SIZES,
    directory,
    empty_database,
    interleaved,
    medians,
    server,
    temporary,
    write,
)

TEMPLATES = Path(sys.modules["alembic"].__file__).parent / "templates"
TITLE = "The no-op at head, in a running process"
NOTE = (
    "Milliseconds, medians of interleaved rounds. The floor is `SELECT version_num` through the "
    "same pool. Aim: at 1000 revisions at least 50 times faster than Alembic on a shared "
    "connection (`run_sync`)."
)


def config(home: Path, url: str) -> Config:
    made = Config()
    made.set_main_option("script_location", str(home))
    made.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return made


def template(name: str) -> str:
    return (TEMPLATES / name / "env.py").read_text()


async def compare(running, count: int, rounds: int) -> dict[str, float]:
    url = await empty_database(running, f"noop_{count}")
    engine = create_async_engine(url)
    plain = url.replace("+asyncpg", "+psycopg")
    with temporary() as parent:
        homes = {
            kind: directory(Path(parent) / kind, count, env)
            for kind, env in {
                "shared": ENV_SHARED,
                "generic": template("generic"),
                "async": template("async"),
            }.items()
        }
        await schemakit.upgrade(engine, migrations=homes["shared"])

        def shared(connection) -> None:
            made = config(homes["shared"], url)
            made.attributes["connection"] = connection
            command.upgrade(made, "head")

        async def floor() -> None:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT version_num FROM alembic_version"))

        async def alembic_shared() -> None:
            async with engine.connect() as connection:
                await connection.run_sync(shared)

        async def alembic_psycopg() -> None:
            await asyncio.to_thread(command.upgrade, config(homes["generic"], plain), "head")

        async def alembic_async() -> None:
            await asyncio.to_thread(command.upgrade, config(homes["async"], url), "head")

        async def ours() -> None:
            await schemakit.upgrade(engine, migrations=homes["async"])

        times = await interleaved(
            {
                "schemakit": ours,
                "alembic run_sync": alembic_shared,
                "alembic psycopg": alembic_psycopg,
                "alembic async template": alembic_async,
                "floor": floor,
            },
            rounds,
        )
    await engine.dispose()
    return medians(times)


async def main(rounds: int) -> None:
    rows = []
    async with server() as running:
        for count in SIZES:
            found = await compare(running, count, rounds)
            own = found["schemakit"]
            peers = ("alembic run_sync", "alembic psycopg", "alembic async template")
            rows.append(
                [
                    str(count),
                    f"{own:.2f}",
                    f"{found['floor']:.2f}",
                    *(f"{found[peer]:.1f} ({found[peer] / own:.0f}x)" for peer in peers),
                ]
            )
    header = ["revisions", "schemakit", "floor", "Alembic run_sync", "Alembic psycopg"]
    write("noop", TITLE, NOTE, [*header, "Alembic async template"], rows)
