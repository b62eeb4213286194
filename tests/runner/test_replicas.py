"""Many processes, one database: all succeed, and each revision is applied once.

The long forms (20 rounds; 100 processes) run with ``SCHEMAKIT_TEST_LONG=1``.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url
from tests.runner.watching import LONG, at_rest

WORKER = Path(__file__).with_name("worker.py")
CONCURRENTLY = """
    with op.get_context().autocommit_block():
        op.create_index("{0}", "t1", ["id"], postgresql_concurrently=True)
    op.execute("INSERT INTO ran VALUES ('{0}')")
"""
REVISIONS = ["r1", "i1", "r2", "i2"]


@pytest.fixture
def mixed(directory):
    """Tables and concurrent index builds; each revision but the first leaves a row when it ran."""
    directory.template("async")
    directory.revision(
        "r1", 'op.execute("CREATE TABLE ran (id text)"); op.execute("CREATE TABLE t1 (id int)")'
    )
    directory.revision("i1", CONCURRENTLY.format("i1"))
    directory.revision("r2", "op.execute(\"INSERT INTO ran VALUES ('r2')\")")
    directory.revision("i2", CONCURRENTLY.format("i2"))
    return directory.settle()


async def replicas(count, url, directory, slots=5):
    """Start *count* processes at once; return what each applied."""
    command = [sys.executable, str(WORKER), url, str(directory.path), str(slots)]
    started = [
        await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        for _ in range(count)
    ]
    for process in started:
        assert await process.stdout.readline() == b"ready\n"
    for process in started:
        process.stdin.write(b"go\n")
    answers = await asyncio.gather(*(process.communicate() for process in started))
    assert [process.returncode for process in started] == [0] * count
    return [json.loads(answer) for answer, _ in answers]


async def each_was_applied_once(url, answers):
    assert sorted(revision for each in answers for revision in each["applied"]) == sorted(REVISIONS)
    assert [each["heads"] for each in answers] == [["i2"]] * len(answers)
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    oracle = await asyncpg.connect(plain)
    assert await oracle.fetchval("SELECT version_num FROM alembic_version") == "i2"
    assert await oracle.fetchval("SELECT array_agg(id ORDER BY id) FROM ran") == ["i1", "i2", "r2"]
    assert await oracle.fetchval("SELECT bool_and(indisvalid) FROM pg_index")
    await at_rest(oracle)
    await oracle.close()


@pytest.mark.long
@pytest.mark.parametrize("round_", range(20 if LONG else 1))
async def test_eight_processes_upgrade_one_empty_database(round_, database_url, mixed):
    answers = await replicas(8, database_url, mixed)
    await each_was_applied_once(database_url, answers)


@pytest.mark.long
async def test_a_hundred_processes_upgrade_one_empty_database(database_url, mixed):
    answers = await replicas(100 if LONG else 6, database_url, mixed)
    await each_was_applied_once(database_url, answers)


async def test_an_engine_of_one_connection_is_enough(database_url, mixed):
    answers = await replicas(3, database_url, mixed, slots=1)
    await each_was_applied_once(database_url, answers)
