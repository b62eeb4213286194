"""Backups in a database that was restored from a dump: all oids are others, and they are there."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_postgres import disposing
from tests.safety.dump import PG_DUMP

from schemakit.errors import BackupTruncated, DestructiveMigrationBlocked
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

ALLOWED = Settings(allow_destructive="a test")
TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE copied (id int PRIMARY KEY, feeling mood);
INSERT INTO copied SELECT n, 'sad' FROM generate_series(1, 5) AS n;
CREATE TYPE own AS ENUM ('a');
CREATE TABLE moved (id serial PRIMARY KEY, x text, only_here own DEFAULT 'a');
INSERT INTO moved (x) VALUES ('a'), ('b');
CREATE VIEW seen AS SELECT * FROM moved;
CREATE TABLE narrowed (id int PRIMARY KEY, gone text);
INSERT INTO narrowed VALUES (1, 'kept')
"""


async def restored(here, there):
    """Put what pg_dump says of one database into another, whatever the server's version."""
    process = await asyncio.create_subprocess_exec(
        str(PG_DUMP), "--inserts", "-d", here, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    lines = said.decode().splitlines(keepends=True)
    newer = ("\\", "SET transaction_timeout")  # commands of psql; since PostgreSQL 17
    connection = await asyncpg.connect(there)
    await connection.execute("".join(each for each in lines if not each.startswith(newer)))
    await connection.close()


@pytest.fixture
async def transplanted(engine, oracle, dsn_of, new_database):
    """An engine on a copy of a database with a backup of each kind, and their names."""
    await oracle.execute(TABLES)
    made = {
        "copy": await backup_table(engine, "copied"),
        "verified": await backup_table(engine, "copied"),
        "part": await backup_table(engine, "copied", where="id < 3"),
        "move": await drop_table(engine, "moved", cascade=True, settings=ALLOWED),
        "column": await drop_column(engine, "narrowed", "gone", settings=ALLOWED),
    }
    await verify_backup(engine, made["verified"])
    url = await new_database("other")
    here, there = dsn_of(engine.url.database), dsn_of(make_url(url).database)
    await restored(here, there)
    async with disposing(create_async_engine(url)) as other:
        yield other, {kind: each.name for kind, each in made.items()}


async def test_they_are_there_and_whole(transplanted):
    engine, names = transplanted
    found = {each.name: each for each in await list_backups(engine)}
    assert all(each.there and each.transplanted for each in found.values())
    assert (await backup_status(engine)).missing == (await backup_status(engine)).orphans == ()
    against = {kind: (await verify_backup(engine, name)).against for kind, name in names.items()}
    assert against == {
        "copy": "rows", "verified": "digest", "part": "rows", "move": "rows", "column": "rows"
    }  # fmt: skip
    assert (found[names["column"]].columns, found[names["part"]].part) == (("gone",), True)


async def test_what_is_damaged_shows(transplanted):
    engine, names = transplanted
    copy = next(each for each in await list_backups(engine) if each.name == names["copy"])
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"DELETE FROM {copy.relation} WHERE id = 1")
    with pytest.raises(BackupTruncated):
        await verify_backup(engine, copy)


async def test_they_come_back(transplanted):
    engine, names = transplanted
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE copied")
    for kind in ("copy", "move", "column"):
        await restore_backup(engine, names[kind], settings=ALLOWED)
    async with engine.connect() as connection:
        sql = (
            "SELECT (SELECT count(*) FROM copied), (SELECT count(*) FROM seen), gone FROM narrowed"
        )
        assert tuple((await connection.exec_driver_sql(sql)).one()) == (5, 2, "kept")
        sql = "SELECT typnamespace::regnamespace::text FROM pg_type WHERE typname = 'own'"
        assert (await connection.exec_driver_sql(sql)).scalars().all() == ["public"]


async def test_to_remove_one_takes_permission(transplanted):
    engine, names = transplanted
    with pytest.raises(DestructiveMigrationBlocked):
        await cleanup_backups(engine, [names["move"]])
    done = await cleanup_backups(engine, list(names.values()), settings=ALLOWED)
    assert len(done.removed) == len(names)
    assert (await backup_status(engine)).orphans == ()
