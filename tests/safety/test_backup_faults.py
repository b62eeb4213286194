"""The server goes away at every message of a backup, a drop, a restore and a clean-up.

Afterwards the database is as before or as after, the registry is true, and the next call goes on.
"""

import asyncio
import os
import random
import signal
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.fix_postgres import disposing, pool_free
from tests.runner.test_faults import server_of, through
from tests.runner.test_faults_server import (  # noqa: F401 - fixtures
    enlarge,
    home,
    server,
    small,
    until_it_answers,
)
from tests.runner.watching import LONG, at_rest
from tools.fault_proxy import Fault, FaultProxy

from schemakit.errors import ConnectionFailed, ConnectionLost, OperationFailed
from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_status,
    backup_table,
    cleanup_backups,
    drop_column,
    drop_table,
    list_backups,
    restore_backup,
    verify_backup,
)

SEED = int(os.environ.get("SCHEMAKIT_TEST_SEED", "20261124"))
ALLOWED = Settings(allow_destructive="a test", retry_for=5)
IMPATIENT = replace(ALLOWED, server_timeout=1.0)
MADE = """
CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2), (3);
CREATE TABLE t (id serial PRIMARY KEY, p int REFERENCES parent, s text);
CREATE INDEX i ON t (s); CREATE VIEW v AS SELECT id FROM t;
INSERT INTO t (p, s) VALUES (1, 'a'), (2, 'b'), (3, 'c');
"""
FACTS = """
SELECT (SELECT count(*) FROM pg_class WHERE relname IN ('t', 'v', 'i', 't_id_seq', 't_pkey')
                                        AND relnamespace = 'public'::regnamespace),
       (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated),
       (SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%_backup_%'),
       (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('public.t')
                                            AND attnum > 0 AND NOT attisdropped)
"""


async def whole(engine, _, settings=ALLOWED):
    return await backup_table(engine, "t", settings=settings)


async def gone(engine, _, settings=ALLOWED):
    return await drop_table(engine, "t", cascade=True, settings=settings)


async def back(engine, backup, settings=ALLOWED):
    return await restore_backup(engine, backup, overwrite=True, settings=settings)


async def narrower(engine, _, settings=ALLOWED):
    return await drop_column(engine, "t", "s", settings=settings)


async def removed(engine, backup, settings=ALLOWED):
    return await cleanup_backups(engine, [backup], settings=settings)


async def verified(engine, backup, settings=ALLOWED):
    return await verify_backup(engine, backup, settings=settings)


async def nothing(engine, _, settings=ALLOWED):
    return None


#: What is done before, and what is struck.
CALLS = {
    "backup": (nothing, whole),
    "drop": (nothing, gone),
    "return": (gone, back),
    "refill": (whole, back),
    "clean up a copy": (whole, removed),
    "clean up a move": (gone, removed),
    "verify": (whole, verified),
    "drop a column": (nothing, narrower),
    "put it back": (narrower, back),
}


async def fresh(oracle):
    """As at the beginning."""
    await oracle.execute(
        "DO $$ DECLARE n name; BEGIN FOR n IN SELECT nspname FROM pg_namespace WHERE nspname LIKE"
        " '%\\_backup\\_%' OR nspname IN ('public', 'schemakit_backups') LOOP"
        " EXECUTE format('DROP SCHEMA %I CASCADE', n); END LOOP; END $$; CREATE SCHEMA public;"
        + MADE
    )


async def facts(oracle, engine):
    registry = await list_backups(engine)
    kinds = sorted((each.kind, each.verified is not None) for each in registry)
    rows = (
        await oracle.fetchval("SELECT string_agg(s, '' ORDER BY id) FROM t")
        if await oracle.fetchval("SELECT to_regclass('t')") and (await columns(oracle)) == 3
        else None
    )
    return tuple(await oracle.fetchrow(FACTS)), kinds, rows


async def columns(oracle):
    return await oracle.fetchval(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('t')"
        " AND attnum > 0 AND NOT attisdropped"
    )


async def prepared(oracle, engine, call):
    await fresh(oracle)
    return await CALLS[call][0](engine, None)


async def counted(url, engine, oracle, call):
    """How many messages the call takes each way, and what it makes of the database."""
    given = await prepared(oracle, engine, call)
    before = await facts(oracle, engine)
    async with FaultProxy(server_of(url)) as proxy:
        async with disposing(through(proxy, url)) as proxied:
            await CALLS[call][1](proxied, given)
        counts = {way: proxy.count(way) for way in ("frontend", "backend")}
    return counts, before, await facts(oracle, engine)


def chosen(counts, call):
    """Faults by a seed; the long form cuts before every message to the server.

    Each of the other kinds would take longer than that: a silent one waits out its limit.
    """
    dice = random.Random(f"{SEED} {call}")  # noqa: S311 - a seed is the point
    sent, received = (
        [Fault("reset", way, number) for number in range(1, counts[way] + 1)]
        for way in ("frontend", "backend")
    )
    silent = [Fault("half-open", "frontend", number) for number in range(9, counts["frontend"])]
    if LONG:
        return [*sent, *dice.sample(received, 30), *dice.sample(silent, 10)]
    return [*dice.sample(sent + received, 3), *dice.sample(silent, 1)]


async def struck(url, fault, call, given):
    settings = IMPATIENT if fault.kind == "half-open" else ALLOWED
    async with FaultProxy(server_of(url), fault) as proxy, disposing(through(proxy, url)) as engine:
        with suppress(ConnectionLost, ConnectionFailed):
            async with asyncio.timeout(20):
                await CALLS[call][1](engine, given, settings)


@pytest.mark.parametrize("call", CALLS)
async def test_at_any_message(database_url, engine, oracle, call):
    counts, before, after = await counted(database_url, engine, oracle, call)
    assert before != after
    for fault in chosen(counts, call):
        given = await prepared(oracle, engine, call)
        await struck(database_url, fault, call, given)
        await at_rest(oracle)
        found = await facts(oracle, engine)
        assert found in (before, after), fault
        status = await backup_status(engine)
        assert (status.missing, status.orphans) == ((), ()), fault
        if found == before:
            await CALLS[call][1](engine, given)
            assert await facts(oracle, engine) == after


@pytest.mark.parametrize("call", CALLS)
async def test_cancelled_at_any_time(engine, oracle, call):
    given = await prepared(oracle, engine, call)
    before = await facts(oracle, engine)
    await CALLS[call][1](engine, given)
    after = await facts(oracle, engine)
    for milliseconds in range(0, 100 if LONG else 60, 4 if LONG else 20):
        given = await prepared(oracle, engine, call)
        task = asyncio.create_task(CALLS[call][1](engine, given))
        await asyncio.sleep(milliseconds / 1000)
        task.cancel()
        await asyncio.wait([task])
        await at_rest(oracle)
        assert await facts(oracle, engine) in (before, after)
        status = await backup_status(engine)
        assert (status.missing, status.orphans) == ((), ())


async def killed_at_the_registry(server, call, given, which):  # noqa: F811 - a fixture
    """The call has done its work and is about to note it, where another holds it up."""
    pid = None
    async with server.oracle() as holder, disposing(pool_free(server.url)) as engine:
        await holder.execute(
            "BEGIN; LOCK TABLE schemakit_backups.migration_backups IN EXCLUSIVE MODE"
        )
        task = asyncio.create_task(CALLS[call][1](engine, given))
        async with asyncio.timeout(20):
            while pid is None and not task.done():
                pid = await holder.fetchval("SELECT pid FROM pg_locks WHERE NOT granted")
        assert pid is not None
        # With a process, the postmaster ends all others and recovers; without the postmaster, all
        # of them end.
        os.kill(pid if which == "process" else server.postmaster, signal.SIGKILL)
        with pytest.raises(ConnectionLost):
            await task
    if which == "postmaster":
        await server.start()
    await until_it_answers(server)


#: A server that recovers takes its time: all of them in the long form.
KILLS = [("drop", "postmaster"), ("refill", "process")]
if LONG:
    calls = ["backup", "drop", "return", "refill", "clean up a move"]
    KILLS = [(call, which) for call in calls for which in ("process", "postmaster")]


@pytest.mark.long
@pytest.mark.parametrize(("call", "which"), KILLS)
async def test_the_server_is_killed_in_the_middle(server, call, which):  # noqa: F811 - a fixture
    async with server.oracle() as oracle, disposing(pool_free(server.url)) as engine:
        await fresh(oracle)
        await oracle.execute("CREATE TABLE other ()")
        await backup_table(engine, "other")  # so that there is a registry
        await oracle.execute("DROP TABLE other")
        given = await CALLS[call][0](engine, None)
        before = await facts(oracle, engine)
    await killed_at_the_registry(server, call, given, which)
    async with server.oracle() as oracle, disposing(pool_free(server.url)) as engine:
        assert await facts(oracle, engine) == before
        status = await backup_status(engine)
        assert (status.missing, status.orphans) == ((), ())
        await CALLS[call][1](engine, given)
        assert await facts(oracle, engine) != before


async def test_a_full_disk_leaves_the_state_before(server, small):  # noqa: F811 - fixtures
    space = server.database
    async with server.oracle() as oracle, disposing(pool_free(server.url)) as engine:
        await oracle.execute(f"CREATE TABLESPACE {space} LOCATION '{small}'")
        await oracle.execute(
            "CREATE TABLE big AS SELECT n, repeat('x', 1000) AS x FROM generate_series(1, 20000) n"
        )
        await oracle.execute(f"ALTER DATABASE {space} SET default_tablespace = {space}")
        with pytest.raises(OperationFailed, match="No space left on device") as caught:
            await backup_table(engine, "big")
        assert "disk" in caught.value.remedy
        assert await list_backups(engine) == ()
        assert await oracle.fetchval("SELECT count(*) FROM big") == 20000
        enlarge(small)
        await oracle.execute(f"ALTER TABLE big SET TABLESPACE {space}")
        backup = await backup_table(engine, "big")
        assert (await verify_backup(engine, backup)).rows == 20000
        await oracle.execute("DROP TABLE big")
        await oracle.execute(
            f"CREATE TABLE filler TABLESPACE {space} AS SELECT repeat('x', 980) AS x"
            " FROM generate_series(1, 220 * 1024) n"
        )
        with pytest.raises(OperationFailed, match="No space left on device"):
            await restore_backup(engine, backup)
        assert not await oracle.fetchval("SELECT to_regclass('big')::oid")
        await oracle.execute("DROP TABLE filler")
        await restore_backup(engine, backup, drop_backup=True)
        assert await oracle.fetchval("SELECT count(*) FROM big") == 20000
        await oracle.execute("DROP TABLE big; DROP SCHEMA schemakit_backups CASCADE;")
        await oracle.execute(f"ALTER DATABASE {space} RESET default_tablespace")
        await oracle.execute(f"DROP TABLESPACE {space}")


async def test_no_value_and_no_password_is_in_an_error(engine, oracle):
    await oracle.execute("CREATE TABLE t (s text); INSERT INTO t VALUES ('secret')")
    with pytest.raises(OperationFailed) as caught:
        await backup_table(engine, "t", where="s::int = 1")
    assert "secret" not in f"{caught.value}{caught.value.__cause__}"
