"""Backups in files: what goes out comes in, on any database, and nothing half ever shows."""

import os
import random
from pathlib import Path

import anyio
import pytest
from tests.fix_postgres import disposing

from schemakit.errors import (
    BackupFileDamaged,
    BackupFileFailed,
    BackupFileUnknown,
    BackupMissing,
    BackupTruncated,
    BackupUnknown,
    ConfigurationError,
    OperationFailed,
)
from schemakit.runner.settings import Settings
from schemakit.safety import backup_table, container, export_backup, import_backup, list_backups

HOSTILE = ['"; drop', "Größe", "a.b", "x" * 63, "ü" * 31, "chunks\n", "%s :x $1"]


async def rows(oracle, relation):
    return [r[0] for r in await oracle.fetch(f"SELECT t::text FROM {relation} AS t ORDER BY 1")]


async def exported(engine, path, table="t", **options):
    backup = await backup_table(engine, table, **options)
    await export_backup(engine, backup, path)
    return backup


EVERYTHING = """
CREATE TYPE mood AS ENUM ('ok', 'so so'); CREATE DOMAIN small AS int CHECK (VALUE < 9);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE t (
  n bigint, b bytea, j json, jb jsonb, num numeric(12, 3), f float8, r real, ts timestamptz(3),
  tz timetz, d date, i interval day to second, i2 interval(2), u uuid, ip inet, mac macaddr8,
  a int[], at text[], c char(5), ch "char", vc varchar(7)[], bi bit(3), vb bit varying(5), p point,
  rg int4range, mr int4multirange, tsv tsvector, m mood, ms mood[], s small, pr pair, rc regclass,
  na name, mo money, o oid, gone int, acl aclitem, "we""ird" text, jp jsonpath, l pg_lsn, x8 xid8
);
ALTER TABLE t DROP COLUMN gone;
INSERT INTO t VALUES (
  -1, '\\x00ff', '{"a": 1 }', '{"a":[1,null]}', 'NaN', '-Infinity', 1e-30,
  '2000-01-01 00:00:00.1239+02', '12:00:01.5-07', 'infinity', '1 day 2:03:04.5', '1.239 s',
  '11111111-1111-4111-8111-111111111111', '::1/64', '08:00:2b:01:02:03:04:05', '[2:3]={1,NULL}',
  '{"a,b","",NULL}', 'ab', 'q', '{abcdefg}', '101', '11', '(1,2.5)', '[1,5)', '{[1,2),[5,9)}',
  'a:1 b', 'so so', '{ok,"so so"}', 3, '(1,"x,y")', 'pg_class', 'n', '12.34', 42,
  'postgres=r/postgres', 'tab	nl' || chr(10) || 'ü', '$.a[*]', '0/16B3748', '7'
); INSERT INTO t DEFAULT VALUES;
"""


async def test_all_types_come_back(engine, oracle, tmp_path):
    role = await oracle.fetchval("SELECT current_user")
    await oracle.execute(EVERYTHING.replace("postgres=r/postgres", f'"{role}"=r/"{role}"'))
    path = tmp_path / "t.backup"
    await exported(engine, path)
    imported = await import_backup(engine, path)
    assert await rows(oracle, imported.relation) == await rows(oracle, "t")
    types = dict(
        await oracle.fetch(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = $1::text::regclass AND attnum > 0",
            str(imported.relation),
        )
    )
    assert types["num"] == "numeric(12,3)"
    assert types["ts"] == "timestamp(3) with time zone"
    assert types["i"] == "interval day to second"
    assert types["vc"] == "character varying(7)[]"
    assert types["ch"] == '"char"'
    assert types["m"] == types["rc"] == types["acl"] == "text"
    await oracle.execute("DROP TABLE t; DROP TYPE mood; DROP DOMAIN small; DROP TYPE pair")


async def test_it_is_a_backup_of_another_database_then(engine, oracle, new_database, tmp_path):
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    first = await exported(engine, tmp_path / "t", revision="0042")
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    async with disposing(create_async_engine(await new_database())) as other:
        imported = await import_backup(other, tmp_path / "t", retention_days=30)
        (found,) = await list_backups(other)
    assert found.name == imported.name
    assert (imported.kind, imported.rows, imported.exact) == ("copy", 1000, True)
    assert (imported.original, imported.revision) == (first.original, "0042")
    assert (imported.kept_until - imported.created).days in (29, 30)
    assert imported.there


@pytest.mark.parametrize("name", HOSTILE)
async def test_any_legal_name(engine, oracle, tmp_path, name):
    quoted = '"' + name.replace('"', '""') + '"'
    await oracle.execute(
        f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} AS SELECT 1 AS {quoted}"
    )
    await exported(engine, tmp_path / "f", name, schema=name)
    imported = await import_backup(engine, tmp_path / "f")
    assert (imported.original.schema, imported.original.name) == (name, name)
    assert await rows(oracle, imported.relation) == ["(1)"]


@pytest.mark.parametrize("columns", ["", "a int"])
async def test_nothing_in_it(engine, oracle, tmp_path, columns):
    await oracle.execute(f"CREATE TABLE t ({columns})")
    await exported(engine, tmp_path / "f")
    assert (await import_backup(engine, tmp_path / "f")).rows == 0


async def test_rows_without_columns(engine, oracle, tmp_path):
    await oracle.execute("CREATE TABLE t (); INSERT INTO t DEFAULT VALUES")
    await exported(engine, tmp_path / "f")
    assert (await import_backup(engine, tmp_path / "f")).rows == 1


WIDE = (
    "CREATE TABLE t AS SELECT n, md5(n::text) || repeat(md5((n / 3)::text), 20) AS body"
    " FROM generate_series(1, 8000) AS n"
)


async def test_through_a_stream_with_progress(engine, oracle, tmp_path):
    await oracle.execute(WIDE)
    backup = await backup_table(engine, "t")
    events = []
    send, receive = anyio.create_memory_object_stream(2)

    async def there():
        async with send:
            await export_backup(engine, backup, send, on_event=events.append)

    async with anyio.create_task_group() as group:
        group.start_soon(there)
        async with receive:
            imported = await import_backup(engine, receive, on_event=events.append)
    assert imported.rows == 8000
    assert await rows(oracle, imported.relation) == await rows(oracle, "t")
    last = {each.command: each for each in events if each.kind == "progress"}
    assert [each.rows for each in last.values()] == [8000, 8000]
    assert last["export_backup"].bytes == last["import_backup"].bytes > 5_000_000
    assert str(last["import_backup"]) == (
        f"import_backup: 8,000 rows, {last['import_backup'].bytes / 1e6:.1f} MB"
    )


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
async def test_both_compressions(engine, oracle, tmp_path, compression):
    await oracle.execute(WIDE)
    backup = await backup_table(engine, "t")
    await export_backup(engine, backup, tmp_path / "f", compression=compression)
    imported = await import_backup(engine, tmp_path / "f")
    assert await rows(oracle, imported.relation) == await rows(oracle, "t")
    with pytest.raises(ConfigurationError, match="choose zlib or zstd"):
        await export_backup(engine, backup, tmp_path / "g", compression="lz4")


async def test_without_zstd_it_is_said_first(engine, oracle, tmp_path, monkeypatch):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS n")
    backup = await backup_table(engine, "t")
    await export_backup(engine, backup, tmp_path / "f", compression="zstd")
    monkeypatch.setattr(container, "import_module", absent)
    container.zstd.cache_clear()
    for work in (
        export_backup(engine, backup, tmp_path / "g", compression="zstd"),
        import_backup(engine, tmp_path / "f"),
    ):
        with pytest.raises(ConfigurationError, match=r"schemakit\[zstd\]"):
            await work
    assert len(await list_backups(engine)) == 1
    container.zstd.cache_clear()


def absent(name):
    raise ImportError(name)


async def test_a_stream_is_waited_for(engine, oracle):
    """Memory stays the same: the server is held up by who takes slowly."""
    await oracle.execute(WIDE)
    backup = await backup_table(engine, "t")
    taken = []

    class Slow:
        async def send(self, item):
            taken.append(len(item))
            await anyio.sleep(0.001)

    await export_backup(engine, backup, Slow())
    assert sum(taken) < 5_000_000
    assert max(taken) < 2 << 20


async def test_the_event_loop_goes_on(engine, oracle, tmp_path):
    await oracle.execute(WIDE)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await anyio.sleep(0.001)
            ticks += 1

    backup = await backup_table(engine, "t")
    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await export_backup(engine, backup, tmp_path / "f")
        await import_backup(engine, tmp_path / "f")
        group.cancel_scope.cancel()
    assert ticks > 10


async def test_the_file_is_the_owners(engine, oracle, tmp_path):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS n")
    await exported(engine, tmp_path / "f")
    assert [each.name for each in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


async def test_a_file_that_is_there_is_left(engine, oracle, tmp_path):
    (tmp_path / "f").write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already"):
        await export_backup(engine, "x", tmp_path / "f")
    assert (tmp_path / "f").read_text() == "mine"


@pytest.mark.parametrize("place", ["nowhere/f", "."])
async def test_places_that_are_none(engine, tmp_path, place):
    with pytest.raises(ConfigurationError):
        await export_backup(engine, "x", tmp_path / place)
    with pytest.raises(ConfigurationError):
        await import_backup(engine, tmp_path / place)


@pytest.mark.parametrize("what", [None, 7, b"bytes", object()])
async def test_what_is_no_place_at_all(engine, what):
    with pytest.raises(ConfigurationError, match="give a path, or an"):
        await export_backup(engine, "x", what)
    with pytest.raises(ConfigurationError, match="give a path, or an"):
        await import_backup(engine, what)


async def test_what_is_not_there_leaves_no_file(engine, oracle, tmp_path):
    with pytest.raises(BackupUnknown):
        await export_backup(engine, "nothing", tmp_path / "f")
    await oracle.execute("CREATE TABLE t AS SELECT generate_series(1, 3) AS n")
    backup = await backup_table(engine, "t")
    await oracle.execute(f"DELETE FROM {backup.relation} WHERE n = 1")
    with pytest.raises(BackupTruncated, match="has 2 rows; 3 were put away"):
        await export_backup(engine, backup, tmp_path / "f")
    await oracle.execute(f"DROP TABLE {backup.relation}")
    with pytest.raises(BackupMissing):
        await export_backup(engine, backup, tmp_path / "f")
    assert [each.name for each in tmp_path.iterdir()] == []


async def test_inside_the_callers_transaction(engine, oracle, tmp_path):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS n")
    async with engine.connect() as connection:
        await connection.begin()
        backup = await backup_table(connection, "t")
        await export_backup(connection, backup, tmp_path / "f")
        await import_backup(connection, tmp_path / "f")
        assert len(await list_backups(connection)) == 2
        await connection.rollback()
    assert await list_backups(engine) == ()


def untouched(oracle):
    return oracle.fetchval("SELECT to_regnamespace('schemakit_backups') IS NULL")


@pytest.fixture
async def whole(engine, oracle, tmp_path, new_database):
    """The bytes of a file, and an empty database to import them into."""
    await oracle.execute(WIDE.replace("8000", "2500"))
    await exported(engine, tmp_path / "whole")
    await oracle.execute("DROP SCHEMA schemakit_backups CASCADE")
    return (tmp_path / "whole").read_bytes()


ROUNDS = 400 if os.environ.get("SCHEMAKIT_TEST_LONG") else 60


async def test_a_file_that_was_cut_is_refused_before_anything_is_touched(
    engine, oracle, whole, tmp_path
):
    dice, path = random.Random(5), tmp_path / "cut"  # noqa: S311 - dice
    places = [0, 1, 7, 8, 9, 10, 23, len(whole) - 1, len(whole) - 32, len(whole) - 33]
    for place in places + [dice.randrange(len(whole)) for _ in range(ROUNDS)]:
        path.write_bytes(whole[:place])
        with pytest.raises((BackupFileDamaged, BackupFileUnknown)):
            await import_backup(engine, path)
    assert await untouched(oracle)


async def test_a_file_that_was_edited_is_refused_before_anything_is_touched(
    engine, oracle, whole, tmp_path
):
    dice, path = random.Random(6), tmp_path / "edited"  # noqa: S311 - dice
    for place in [*range(40), *(dice.randrange(len(whole)) for _ in range(ROUNDS))]:
        edited = bytearray(whole)
        edited[place] ^= 1 << dice.randrange(8)
        path.write_bytes(edited)
        with pytest.raises((BackupFileDamaged, BackupFileUnknown)):
            await import_backup(engine, path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(BackupFileDamaged, match="more behind its end"):
        await import_backup(engine, path)
    assert await untouched(oracle)


async def test_a_stream_that_was_cut_is_refused_before_anything_is_touched(engine, oracle, whole):
    async def stream():
        yield whole[:1000]
        yield whole[1000:-40]

    with pytest.raises(BackupFileDamaged):
        await import_backup(engine, stream())

    async def breaks():
        yield whole[:1000]
        raise ConnectionResetError

    with pytest.raises(BackupFileFailed):
        await import_backup(engine, breaks())
    assert await untouched(oracle)


async def test_what_is_no_backup(engine, oracle, tmp_path):
    for content in (b"", b"PGDMP\x01\x0e", b"\x89PNG\r\n\x1a\n" + b"\0" * 99):
        (tmp_path / "f").write_bytes(content)
        with pytest.raises(BackupFileUnknown, match="does not begin as one"):
            await import_backup(engine, tmp_path / "f")
    (tmp_path / "f").write_bytes(b"\x89SKB\r\n\x1a\n\0\x09")
    with pytest.raises(BackupFileUnknown, match="of version 9"):
        await import_backup(engine, tmp_path / "f")


async def test_a_full_disk_leaves_nothing(engine, oracle):
    await oracle.execute(WIDE)
    backup = await backup_table(engine, "t")

    class Full:
        async def send(self, item):
            raise OSError(28, "No space left on device")

    with pytest.raises(BackupFileFailed, match="No space left on device"):
        await export_backup(engine, backup, Full())
    assert len(await list_backups(engine)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
async def test_a_full_disk_under_a_file(engine, oracle, tmp_path, monkeypatch):
    await oracle.execute(WIDE)
    backup = await backup_table(engine, "t")
    real = os.open

    def full(path, flags, mode=0o777):
        real(path, flags, mode)
        return real("/dev/full", os.O_WRONLY)

    monkeypatch.setattr("schemakit.runner.backups.streams.os.open", full)
    with pytest.raises(BackupFileFailed, match="No space left on device"):
        await export_backup(engine, backup, tmp_path / "f")
    assert [each.name for each in tmp_path.iterdir()] == []


async def test_a_type_in_a_file_is_a_type(engine, oracle, tmp_path):
    """Even of a file whose checksums are right."""
    from schemakit.safety.container import Writer, said  # noqa: PLC0415

    await oracle.execute("CREATE TABLE t AS SELECT 1 AS n")
    await exported(engine, tmp_path / "f")
    from schemakit.safety.container import frames  # noqa: PLC0415

    with (tmp_path / "f").open("rb") as file:
        head, *rest = frames(file.read)
    for type_ in ("int); DROP TABLE t; --", "int DEFAULT f()", "int REFERENCES t", "int,x int"):
        values = head.values
        values["columns"][0]["type"] = type_
        writer = Writer()
        pieces = [writer.opening(), *map(writer.frame, [said(b"H", values), *rest])]
        (tmp_path / "g").write_bytes(b"".join(pieces) + writer.closing())
        with pytest.raises(BackupFileDamaged, match="type of column 'n' is none"):
            await import_backup(engine, tmp_path / "g")


async def test_the_servers_refusal_leaves_nothing(engine, oracle, whole, tmp_path):
    settings = Settings(statement_timeout=0.001, retry_for=0)
    (tmp_path / "f").write_bytes(whole)
    with pytest.raises(OperationFailed):
        await import_backup(engine, tmp_path / "f", settings=settings)
    assert await untouched(oracle)
