"""One replica behind a pooler; otherwise as `worker`.

python pooled_worker.py URL DIRECTORY LOCK
"""

from __future__ import annotations

import asyncio
import json
import sys

from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import schemakit


async def main(url: str, directory: str, lock: str) -> None:
    statements = {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": str,
    }
    engine = create_async_engine(url, poolclass=NullPool, connect_args=statements)
    settings = schemakit.Settings(lock=lock)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    try:
        result = await schemakit.upgrade(engine, migrations=directory, settings=settings)
    finally:
        await engine.dispose()
    applied = [step.revision for step in result.applied]
    sys.stdout.write(json.dumps({"applied": applied, "heads": result.heads_after}) + "\n")


asyncio.run(main(*sys.argv[1:]))
