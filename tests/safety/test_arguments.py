"""What the coroutines of `schemakit.safety` do not take is named before a connection is used."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.ext.asyncio import create_async_engine

from schemakit import safety
from schemakit.errors import ConfigurationError
from schemakit.partitioning import Name
from schemakit.runner.settings import Settings

SA_TABLE = Table("t", MetaData(), Column("id", Integer))
WRONG = [
    ("verify_backup", (1,), {}, "backup"),
    ("verify_backup", ([],), {}, "backup"),
    ("verify_backup", ("b",), {"workers": "2"}, "workers"),
    ("verify_backup", ("b",), {"workers": -1}, "workers"),
    ("verify_backup", ("b",), {"workers": True}, "workers"),
    ("verify_backup", ("b",), {"settings": {}}, "settings"),
    ("restore_backup", (None,), {}, "backup"),
    ("restore_backup", ("b",), {"settings": {"role": "x"}}, "settings"),
    ("restore_backup", ("b",), {"to": 5}, "to"),
    ("restore_backup", ("b",), {"to": SA_TABLE}, "to"),
    ("extend_backup", (None,), {}, "backup"),
    ("extend_backup", ("b", "30"), {}, None),
    ("cleanup_backups", (5,), {}, "backups"),
    ("cleanup_backups", ([None],), {}, "backup"),
    ("list_backups", (), {"settings": "x"}, "settings"),
    ("backup_status", (), {"settings": []}, "settings"),
    ("backup_table", (5,), {}, "table"),
    ("backup_table", (SA_TABLE,), {}, "table"),
    ("backup_table", ("t",), {"schema": 5}, "schema"),
    ("backup_table", ("t",), {"max_bytes": "1MB"}, "max_bytes"),
    ("backup_table", ("t",), {"max_bytes": -1}, "max_bytes"),
    ("backup_table", ("t",), {"where": ""}, "where"),
    ("backup_table", ("t",), {"where": Column("id") == 1}, "where"),
    ("backup_table", ("t",), {"revision": 42}, "revision"),
    ("backup_table", ("t",), {"settings": {}}, "settings"),
    ("drop_table", (5,), {}, "table"),
    ("drop_table", ("t",), {"revision": 42}, "revision"),
    ("drop_table", ("t",), {"settings": {}}, "settings"),
    ("drop_column", (5, "c"), {}, "table"),
    ("drop_column", ("t", 5), {}, "column"),
    ("drop_column", ("t", [5]), {}, "column"),
    ("drop_column", ("t", []), {}, "column"),
    ("export_backup", (None, "x.backup"), {}, "backup"),
    ("export_backup", ("b", "x.backup"), {"settings": {}}, "settings"),
    ("import_backup", ("x.backup",), {"settings": {}}, "settings"),
]


@pytest.fixture
async def nowhere():
    """An engine that no server answers."""
    engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(("call", "values", "options", "argument"), WRONG)
async def test_what_it_does_not_take_is_named(nowhere, call, values, options, argument):
    with pytest.raises(ConfigurationError) as caught:
        await getattr(safety, call)(nowhere, *values, **options)
    assert caught.value.detail.startswith(f"{argument}=" if argument else "'30' is no number")
    assert caught.value.remedy.startswith("give ")


async def test_a_guard_names_it_too(nowhere):
    with pytest.raises(ConfigurationError, match=r"settings=\{\}"):
        async with safety.guarded_table(nowhere, "t", settings={}):
            pass


async def test_one_backup_is_one_name(engine, oracle):
    await oracle.execute("CREATE TABLE t AS SELECT 1 AS x")
    backup = await safety.backup_table(engine, Name("t", "public"))
    allowed = Settings(allow_destructive="a test")
    done = await safety.cleanup_backups(engine, backup.name, settings=allowed)
    assert [each.name for each in done.removed] == [backup.name]
    backup = await safety.backup_table(engine, "t")
    done = await safety.cleanup_backups(engine, backup, settings=allowed)
    assert [each.name for each in done.removed] == [backup.name]
