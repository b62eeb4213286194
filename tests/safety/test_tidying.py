"""An upgrade that removes expired backups when it has ended well."""

import schemakit
from schemakit import Settings
from schemakit.safety import backup_table, list_backups

TIDY = Settings(cleanup_backups=True)


async def expired(engine, oracle):
    await oracle.execute("CREATE TABLE IF NOT EXISTS x AS SELECT 1 AS n")
    backup = await backup_table(engine, "x")
    await oracle.execute(
        "UPDATE schemakit_backups.migration_backups SET retention_until = now() - interval '1 h'"
    )
    return backup


async def upgraded(engine, directory, settings=TIDY):
    events = []
    result = await schemakit.upgrade(
        engine, migrations=directory, settings=settings, on_event=events.append
    )
    return result, [each.message for each in events if each.kind == "notice"]


async def test_expired_backups_go_and_it_is_said(engine, oracle, directory):
    backup = await expired(engine, oracle)
    result, said = await upgraded(engine, directory.tables(1))
    assert result.heads_after == ("r1",)
    assert len(said) == 1
    assert said[0].startswith(f"removed {backup.name}")
    assert await list_backups(engine) == ()
    assert (await upgraded(engine, directory))[1] == []


async def test_only_where_it_is_asked_for(engine, oracle, directory):
    await expired(engine, oracle)
    await upgraded(engine, directory.tables(1), Settings())
    assert len(await list_backups(engine)) == 1


async def test_what_goes_wrong_is_said_and_fails_nothing(engine, oracle, directory):
    backup = await expired(engine, oracle)
    await oracle.execute(f"CREATE VIEW holds AS SELECT * FROM {backup.relation}")
    result, said = await upgraded(engine, directory.tables(1))
    assert result.heads_after == ("r1",)
    assert said[0].startswith(f"kept {backup.name}: ")
    directory.tables(1)
    await oracle.execute("ALTER TABLE schemakit_backups.migration_backups RENAME COLUMN id TO no")
    result, said = await upgraded(engine, directory)
    assert "Expired backups were not removed: " in said[0]


async def test_a_run_that_fails_removes_nothing(engine, oracle, directory):
    await expired(engine, oracle)
    try:
        await upgraded(engine, directory.revision("r1", "1 / 0"))
    except schemakit.errors.RevisionFailed:
        assert len(await list_backups(engine)) == 1


async def test_from_the_environment(engine, oracle, directory, monkeypatch):
    await expired(engine, oracle)
    monkeypatch.setenv("SCHEMAKIT_CLEANUP_BACKUPS", "1")
    await schemakit.upgrade(engine, migrations=directory.tables(1))
    assert await list_backups(engine) == ()
