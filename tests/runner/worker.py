"""One replica: a process that says it is ready, waits for the word, upgrades and says what it did.

    python worker.py URL DIRECTORY [SLOTS]

SLOTS is the size of its engine's pool; 1 allows no second connection.
"""

from __future__ import annotations

import asyncio
import json
import sys

from sqlalchemy.ext.asyncio import create_async_engine

import schemakit


async def main(url: str, directory: str, slots: str = "5") -> None:
    engine = create_async_engine(url, pool_size=int(slots), max_overflow=0, pool_timeout=5)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    try:
        result = await schemakit.upgrade(engine, migrations=directory)
    finally:
        await engine.dispose()
    applied = [step.revision for step in result.applied]
    sys.stdout.write(json.dumps({"applied": applied, "heads": result.heads_after}) + "\n")


asyncio.run(main(*sys.argv[1:]))
