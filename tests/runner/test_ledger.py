"""The durable history, and the files that have changed since."""

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from socket import gethostname

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.runner.test_traffic import EACH

import schemakit
from schemakit import Settings
from schemakit.errors import AccessDenied, RevisionFailed

KEPT = Settings(record=True)


@pytest.fixture(params=["", EACH], ids=["one", "each"])
def four(request, directory):
    if request.param:
        directory.env(request.param)
    return directory.tables(4).settle()


def checksum(directory, revision):
    return sha256((directory.path / f"versions/{revision}.py").read_bytes()).hexdigest()


async def test_it_tells_what_ran(engine, oracle, four):
    await schemakit.upgrade(engine, "r2", migrations=four, settings=KEPT)
    await schemakit.downgrade(engine, "-1", migrations=four, settings=KEPT)
    entries = await schemakit.recorded(engine)
    ran = [(entry.direction, entry.revision) for entry in reversed(entries)]
    assert ran == [("upgrade", "r1"), ("upgrade", "r2"), ("downgrade", "r2")]
    entry = entries[-1]
    assert entry.version_table == '"alembic_version"'
    assert (entry.user, entry.role) == ("postgres", "postgres")
    assert (entry.host, entry.schemakit) == (gethostname(), schemakit.__version__)
    assert entry.checksum == checksum(four, "r1")
    assert abs(entry.finished - datetime.now(UTC)) < timedelta(minutes=5)
    assert 0 < entry.seconds < 60
    assert "upgrade   r1  by postgres on" in str(entry)


async def test_none_is_kept_unless_asked_for(engine, oracle, four):
    await schemakit.upgrade(engine, migrations=four)
    assert await oracle.fetchval("SELECT to_regnamespace('schemakit')") is None
    assert await schemakit.recorded(engine) == ()


async def test_a_stamp_is_told_too(engine, four):
    await schemakit.stamp(engine, "r3", migrations=four, settings=KEPT)
    await schemakit.stamp(engine, "base", migrations=four, settings=KEPT)
    entries = await schemakit.recorded(engine)
    assert [(entry.direction, entry.revision) for entry in entries] == [
        ("stamp", "base"),
        ("stamp", "r3"),
    ]


async def test_what_is_rolled_back_is_not_told(engine, directory):
    directory.env(EACH).tables(1).revision("bad", "raise ValueError").settle()
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=directory, settings=KEPT)
    assert [entry.revision for entry in await schemakit.recorded(engine)] == ["r1"]


async def test_in_the_callers_transaction_it_is_the_callers_too(engine, four):
    async with engine.connect() as connection:
        await connection.begin()
        await schemakit.upgrade(connection, migrations=four, settings=KEPT)
        assert len(await schemakit.recorded(connection)) == 4
        await connection.rollback()
    assert await schemakit.recorded(engine) == ()


async def test_status_shows_what_has_changed_since(engine, four):
    await schemakit.upgrade(engine, "r3", migrations=four, settings=KEPT)
    assert (await schemakit.status(engine, migrations=four)).changed == ()
    for revision in ("r2", "r4"):  # r4 has not been applied
        path = four.path / f"versions/{revision}.py"
        path.write_text(path.read_text() + "\n# mended\n")
    found = await schemakit.status(engine, migrations=four.settle())
    assert [revision.id for revision in found.changed] == ["r2"]
    assert "changed   r1 -> r2, revision r2 (since it was applied)" in str(found)


async def test_line_ends_are_no_change(engine, four):
    await schemakit.upgrade(engine, migrations=four, settings=KEPT)
    path = four.path / "versions/r1.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert (await schemakit.status(engine, migrations=four.settle())).changed == ()


async def test_a_revision_that_was_taken_back_has_not_changed(engine, four):
    await schemakit.upgrade(engine, "r2", migrations=four, settings=KEPT)
    await schemakit.downgrade(engine, "r1", migrations=four, settings=KEPT)
    path = four.path / "versions/r2.py"
    path.write_text(path.read_text() + "\n# mended\n")
    assert (await schemakit.status(engine, migrations=four.settle())).changed == ()


async def test_autogenerate_leaves_it_alone(engine, directory):
    directory.env(
        EACH.replace("transaction_per", "include_schemas=True, target_metadata=M, transaction_per")
        .replace("from alembic import context", "from alembic import context\nimport sqlalchemy")
        .replace("context.configure", "M = sqlalchemy.MetaData()\ncontext.configure")
    )
    directory.revision("r1").settle()
    await schemakit.upgrade(engine, migrations=directory, settings=KEPT)
    assert not await schemakit.check(engine, migrations=directory)


async def test_two_that_make_the_table_at_once(new_database, new_directory, url_of):
    url = await new_database()
    engines = [create_async_engine(url) for _ in range(2)]
    settings = [Settings(record=True, lock_name=name) for name in ("a", "b")]
    homes = []
    for name in ("a", "b"):
        home = new_directory(name).env(
            EACH.replace("transaction_per", f'version_table="{name}", transaction_per')
        )
        homes.append(home.revision(f"{name}1").settle())
    await asyncio.gather(
        *(
            schemakit.upgrade(engine, migrations=home, settings=each)
            for engine, home, each in zip(engines, homes, settings, strict=True)
        )
    )
    assert len(await schemakit.recorded(engines[0])) == 2
    for engine in engines:
        await engine.dispose()


async def test_hostile_names_are_only_names(engine, directory):
    name = 'v"; drop'
    directory.env(EACH.replace("transaction_per", f"version_table={name!r}, transaction_per"))
    directory.tables(1).settle()
    await schemakit.upgrade(engine, migrations=directory, settings=KEPT)
    (entry,) = await schemakit.recorded(engine)
    assert entry.version_table == '"v""; drop"'
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM schemakit.history"))).scalar()


async def test_a_role_that_may_not_read_it_is_told_so(engine, oracle, four, url_of):
    await schemakit.upgrade(engine, migrations=four, settings=KEPT)
    database = await oracle.fetchval("SELECT current_database()")
    await oracle.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON alembic_version TO reader")
    scheme, _, rest = url_of(database).partition("://")
    other = create_async_engine(f"{scheme}://reader:none@{rest.partition('@')[2]}")
    try:
        assert (await schemakit.status(other, migrations=four)).at_head
        with pytest.raises(AccessDenied, match="GRANT USAGE ON SCHEMA schemakit"):
            await schemakit.recorded(other)
        await oracle.execute("REVOKE SELECT ON alembic_version FROM reader")
        path = four.path / "versions/r1.py"
        path.write_text(path.read_text() + "\n# so that env.py is asked\n")
        with pytest.raises(AccessDenied, match="alembic_version"):
            await schemakit.status(other, migrations=four)
    finally:
        await other.dispose()
        await oracle.execute("DROP OWNED BY reader; DROP ROLE reader")
