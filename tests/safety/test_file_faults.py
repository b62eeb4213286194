"""An export or import that is cut off anywhere leaves nothing half, and works again."""

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
)
from tests.runner.watching import LONG, at_rest
from tools.fault_proxy import Fault, FaultProxy

from schemakit.errors import ConnectionFailed, ConnectionLost, OperationFailed
from schemakit.runner.backups import progress
from schemakit.runner.settings import Settings
from schemakit.safety import (
    backup_status,
    backup_table,
    export_backup,
    import_backup,
    list_backups,
    verify_backup,
)

SEED = int(os.environ.get("SCHEMAKIT_TEST_SEED", "20261124"))
PATIENT = Settings(retry_for=5)
IMPATIENT = replace(PATIENT, server_timeout=1.0)
ROWS = 300
TABLE = (
    "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 30) AS body"
    f" FROM generate_series(1, {ROWS}) AS n"
)
CALLS = ("export", "import")


class Case:
    """A backup and a file of it."""

    def __init__(self, engine, oracle, place):
        self.engine, self.oracle, self.place = engine, oracle, place
        self.out, self.given = place / "out", place / "given"

    async def prepare(self):
        await self.oracle.execute(TABLE)
        self.backup = await backup_table(self.engine, "t")
        await export_backup(self.engine, self.backup, self.given)

    async def do(self, call, engine, settings=PATIENT):
        if call == "export":
            return await export_backup(engine, self.backup, self.out, settings=settings)
        return await import_backup(engine, self.given, settings=settings)

    async def look(self, call):
        """Whether it was done; raises if it was done by half."""
        await at_rest(self.oracle)
        status = await backup_status(self.engine)
        assert (status.missing, status.orphans) == ((), ())
        assert {each.rows for each in status.backups} == {ROWS}
        files = sorted(each.name for each in self.place.iterdir())
        assert files in (["given"], ["given", "out"])
        imported = [each for each in status.backups if each.name != self.backup.name]
        if call == "import":
            assert len(imported) <= 1
            return bool(imported)
        assert imported == []
        return "out" in files

    async def clear(self, call):
        self.out.unlink(missing_ok=True)
        if call == "import":
            others = await self.oracle.fetch(
                "DELETE FROM schemakit_backups.migration_backups WHERE backup_table_name <> $1"
                " RETURNING format('%I.%I', backup_schema, relation_name) AS relation",
                self.backup.name,
            )
            for other in others:
                await self.oracle.execute(f"DROP TABLE {other['relation']}")


@pytest.fixture
async def case(engine, oracle, tmp_path):
    made = Case(engine, oracle, tmp_path)
    await made.prepare()
    return made


def chosen(counts, call):
    dice = random.Random(f"{SEED} {call}")  # noqa: S311 - a seed is the point
    every = [Fault("reset", way, number) for way in counts for number in range(1, counts[way] + 1)]
    silent = [Fault("half-open", "frontend", number) for number in range(9, counts["frontend"])]
    return [*dice.sample(every, 120 if LONG else 6), *dice.sample(silent, 8 if LONG else 1)]


@pytest.mark.parametrize("call", CALLS)
async def test_at_any_message(case, database_url, call):
    async with FaultProxy(server_of(database_url)) as proxy:
        async with disposing(through(proxy, database_url)) as engine:
            await case.do(call, engine)
        counts = {way: proxy.count(way) for way in ("frontend", "backend")}
    assert await case.look(call)
    for fault in chosen(counts, call):
        await case.clear(call)
        settings = IMPATIENT if fault.kind == "half-open" else PATIENT
        async with (
            FaultProxy(server_of(database_url), fault) as proxy,
            disposing(through(proxy, database_url)) as engine,
        ):
            with suppress(ConnectionLost, ConnectionFailed):
                async with asyncio.timeout(20):
                    await case.do(call, engine, settings)
        if not await case.look(call):
            await case.do(call, case.engine)
            assert await case.look(call), fault


@pytest.mark.parametrize("call", CALLS)
async def test_cancelled_at_any_time(case, call):
    for milliseconds in range(0, 120 if LONG else 60, 3 if LONG else 12):
        await case.clear(call)
        task = asyncio.create_task(case.do(call, case.engine))
        await asyncio.sleep(milliseconds / 1000)
        task.cancel()
        await asyncio.wait([task])
        await case.look(call)
    await case.clear(call)
    await case.do(call, case.engine)
    assert await case.look(call)


@pytest.mark.parametrize("call", CALLS)
async def test_the_server_is_killed_while_rows_come_through(server, tmp_path, call, monkeypatch):  # noqa: F811 - a fixture
    monkeypatch.setattr(progress, "_EVERY", 0)
    struck = []

    def strike(event):
        if event.kind == "progress" and event.command.startswith(call) and not struck:
            struck.append(event.bytes)
            server.kill(signal.SIGQUIT)

    async with server.oracle() as oracle, disposing(pool_free(server.url)) as engine:
        await oracle.execute(TABLE.replace(str(ROWS), "20000"))
        backup = await backup_table(engine, "t")
        await export_backup(engine, backup, tmp_path / "given")
        work = (
            export_backup(engine, backup, tmp_path / "out", on_event=strike)
            if call == "export"
            else import_backup(engine, tmp_path / "given", on_event=strike)
        )
        with pytest.raises(ConnectionLost):
            await work
    assert struck[0] > 0
    assert [each.name for each in tmp_path.iterdir()] == ["given"]
    await server.start()
    async with disposing(pool_free(server.url)) as engine:
        assert [each.name for each in await list_backups(engine)] == [backup.name]
        assert (await import_backup(engine, tmp_path / "given")).rows == 20000


async def test_the_servers_disk_is_full(server, small, tmp_path):  # noqa: F811 - fixtures
    space = server.database
    async with server.oracle() as oracle, disposing(pool_free(server.url)) as engine:
        await oracle.execute(TABLE.replace(str(ROWS), "20000"))
        await export_backup(engine, await backup_table(engine, "t"), tmp_path / "f")
        await oracle.execute(f"CREATE TABLESPACE {space} LOCATION '{small}'")
        await oracle.execute(f"ALTER DATABASE {space} SET default_tablespace = {space}")
        with pytest.raises(OperationFailed, match="No space left on device") as caught:
            await import_backup(engine, tmp_path / "f")
        assert "disk" in caught.value.remedy
        assert len(await list_backups(engine)) == 1
        enlarge(small)
        imported = await import_backup(engine, tmp_path / "f")
        assert (await verify_backup(engine, imported)).rows == 20000
        await oracle.execute("DROP SCHEMA schemakit_backups CASCADE")
        await oracle.execute(f"ALTER DATABASE {space} RESET default_tablespace")
        await oracle.execute(f"DROP TABLESPACE {space}")
