"""What the server shows from outside: the oracle of the tests about locks and cancellation."""

from __future__ import annotations

import asyncio
import os

#: Rounds of the tests that repeat themselves: the long form is `SCHEMAKIT_TEST_LONG=1`.
LONG = bool(os.environ.get("SCHEMAKIT_TEST_LONG"))

LOCKS = """
    SELECT count(*) FROM pg_locks
     WHERE locktype = 'advisory'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
BUSY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND backend_type = 'client backend' AND state <> 'idle'
"""
INVALID = "SELECT array_agg(indexrelid::regclass::text) FROM pg_index WHERE NOT indisvalid"
TABLES = """
    SELECT coalesce(array_agg(relname::text ORDER BY relname), '{}') FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""
VERSIONS = "SELECT array_agg(version_num::text ORDER BY 1) FROM alembic_version"


async def until(condition, seconds=10.0):
    """Wait until *condition*, a coroutine function, says yes."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the server gives no sign
            await asyncio.sleep(0.02)


async def at_rest(oracle, seconds=10.0):
    """Wait until nobody holds an advisory lock or a transaction in the oracle's database."""

    async def quiet():
        return await oracle.fetchval(LOCKS) == 0 and await oracle.fetchval(BUSY) == 0

    await until(quiet, seconds)


async def blocked(oracle):
    """Wait until a session of the oracle's database waits in ``pg_sleep``."""

    async def asleep():
        return await oracle.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'PgSleep'"
        )

    await until(asleep)


async def versions(oracle):
    """Return what the version table holds; None if there is no such table."""
    if await oracle.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    return await oracle.fetchval(VERSIONS) or []
