"""A database that stands at a revision which this code does not know."""

import pytest
from tests.runner.watching import versions

import schemakit
from schemakit import Settings
from schemakit.errors import DatabaseAhead


@pytest.fixture
async def ahead(engine, directory, new_directory):
    """The directory of the old release; the database was migrated by the new one."""
    await schemakit.upgrade(engine, migrations=directory.tables(3).settle())
    return new_directory("old").tables(2).settle()


def on_ahead(choice):
    return Settings(on_ahead=choice)


@pytest.mark.parametrize("choice", ["warn", "ignore"])
async def test_the_old_release_starts_beside_the_new_one(choice, engine, oracle, ahead):
    result = await schemakit.upgrade(engine, migrations=ahead, settings=on_ahead(choice))
    assert (result.applied, result.ahead, result.heads_after) == ((), ("r3",), ("r3",))
    assert str(result) == "nothing to upgrade: the database is ahead of this code (r3)"
    assert await versions(oracle) == ["r3"]


async def test_warn_is_the_default_and_warns_once(engine, ahead, caplog):
    await schemakit.upgrade(engine, migrations=ahead)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["The database is ahead of this code. It holds r3; the heads here are r2."]


async def test_ignore_does_not_warn(engine, ahead, caplog):
    await schemakit.upgrade(engine, migrations=ahead, settings=on_ahead("ignore"))
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


async def test_error_raises_and_says_both_sides(engine, ahead):
    with pytest.raises(DatabaseAhead, match=r"It holds r3; the heads here are r2\."):
        await schemakit.upgrade(engine, migrations=ahead, settings=on_ahead("error"))


async def test_no_lock_is_needed_to_see_it(engine, connect, ahead):
    other = await connect()
    await other.execute("SELECT pg_advisory_lock(3176914061155598535)")
    settings = Settings(lock_wait=0)
    assert (await schemakit.upgrade(engine, migrations=ahead, settings=settings)).ahead == ("r3",)


async def test_a_database_that_ran_ahead_while_this_one_waited(
    engine, oracle, connect, directory, new_directory
):
    old = new_directory("old").tables(1).settle()
    await schemakit.upgrade(engine, migrations=new_directory("new").tables(2).settle())
    await oracle.execute("UPDATE alembic_version SET version_num = 'r0'")
    old.revision("r0", down=None)
    old.revision("r1", 'op.execute("SELECT 1")', down="r0").settle()
    holder = await connect()
    await holder.execute("SELECT pg_advisory_lock(3176914061155598535)")

    async def run_ahead(event):
        if event.kind == "waiting_for_lock":
            await holder.execute("UPDATE alembic_version SET version_num = 'r2'")
            await holder.execute("SELECT pg_advisory_unlock_all()")

    result = await schemakit.upgrade(engine, migrations=old, on_event=run_ahead)
    assert (result.applied, result.ahead, result.heads_after) == ((), ("r2",), ("r2",))


@pytest.mark.parametrize("choice", ["warn", "error", "ignore"])
async def test_downgrade_is_an_error_whatever_on_ahead_says(choice, engine, oracle, ahead):
    with pytest.raises(DatabaseAhead):
        await schemakit.downgrade(engine, "base", migrations=ahead, settings=on_ahead(choice))
    assert await versions(oracle) == ["r3"]


async def test_stamp_is_an_error_unless_it_purges(engine, oracle, ahead):
    with pytest.raises(DatabaseAhead):
        await schemakit.stamp(engine, "r2", migrations=ahead)
    await schemakit.stamp(engine, "r2", migrations=ahead, purge=True)
    assert await versions(oracle) == ["r2"]


async def test_on_a_callers_transaction_it_is_seen_too(engine, ahead):
    async with engine.begin() as connection:
        result = await schemakit.upgrade(connection, migrations=ahead)
    assert result.ahead == ("r3",)


@pytest.mark.parametrize("revision", ["r2", "r1", "+1", "heads"])
async def test_whatever_was_asked_for(revision, engine, oracle, ahead):
    result = await schemakit.upgrade(engine, revision, migrations=ahead)
    assert (result.applied, result.ahead) == ((), ("r3",))
    assert await versions(oracle) == ["r3"]
