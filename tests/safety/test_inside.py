"""The same flows inside migrations, and as a role that is no superuser."""

import logging
import subprocess
import sys

import pytest
from sqlalchemy import make_url, text
from tests.safety.dump import changed, ordered

from schemakit.runner.backups.copying import Copy
from schemakit.runner.backups.moving import Drop
from schemakit.runner.backups.registry import Registry
from schemakit.runner.backups.restoring import Restore
from schemakit.runner.driver import drive
from schemakit.runner.settings import Settings
from schemakit.runner.transactions import Transactions
from schemakit.safety import (
    backup_status,
    backup_table,
    cleanup_backups,
    drop_column,
    drop_table,
    extend_backup,
    list_backups,
    restore_backup,
    verify_backup,
)
from schemakit.sql.name import Name

REGISTRY = Registry("schemakit_backups")


@pytest.fixture
async def table(oracle):
    await oracle.execute(
        "CREATE TABLE t (id serial PRIMARY KEY, s text); INSERT INTO t (s) VALUES ('a'), ('b')"
    )


def inside(connection, flow):
    """As an operation of a migration runs it, on ``op.get_bind()``."""
    return drive(connection, Transactions().atomically(flow), lambda _: None)


async def test_d03_d19_inside_a_migration_it_is_the_same_flow(engine, oracle, table):
    def upgrade(connection):
        copy = inside(connection, Copy(Name("t"), REGISTRY, 7, revision="r1").flow)
        drop = Drop(Name("t"), REGISTRY, 7, revision="r1", reason="a test")
        inside(connection, drop.flow)
        connection.execute(text("CREATE TABLE t (other int)"))
        return copy

    async with engine.begin() as connection:
        copy = await connection.run_sync(upgrade)
        path = (await connection.execute(text("SHOW search_path"))).scalar()
    assert "public" in path
    assert copy.rows == 2
    assert {each.kind for each in await list_backups(engine)} == {"copy", "move"}
    move = next(each for each in await list_backups(engine) if each.kind == "move")

    def downgrade(connection):
        back = Restore(move, REGISTRY, 7, overwrite=True, reason="a test")
        return inside(connection, back.flow)

    async with engine.begin() as connection:
        done = await connection.run_sync(downgrade)
    assert done.rows == 2
    assert await oracle.fetchval("SELECT string_agg(s, '' ORDER BY id) FROM t") == "ab"


async def test_d17_a_migration_that_is_rolled_back_takes_its_backups_along(engine, oracle, table):
    def upgrade(connection):
        inside(connection, Drop(Name("t"), REGISTRY, 7, reason="a test").flow)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    assert await oracle.fetchval("SELECT count(*) FROM t") == 2
    assert await list_backups(engine) == ()


def test_d18_importing_it_configures_nothing():
    code = (
        "import logging, sys, schemakit.safety as s; s.backup_table;"
        "assert not logging.getLogger().handlers; assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert logging.getLogger("schemakit.safety").handlers == []


@pytest.fixture
async def owner(oracle):
    """A role that owns the table `t`, may make schemas, and is no superuser."""
    name = await oracle.fetchval("SELECT 'r' || substr(md5(random()::text), 1, 10)")
    database = await oracle.fetchval("SELECT current_database()")
    await oracle.execute(
        f'CREATE ROLE {name} NOSUPERUSER; GRANT CREATE ON DATABASE "{database}" TO {name};'
        f"GRANT CREATE, USAGE ON SCHEMA public TO {name}; SET ROLE {name};"
        "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE parent (id int PRIMARY KEY);"
        "INSERT INTO parent VALUES (1);"
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TABLE t (id serial PRIMARY KEY, p int REFERENCES parent, m mood DEFAULT 'ok');"
        "CREATE TABLE child (t int REFERENCES t); CREATE VIEW v AS SELECT p FROM t;"
        "CREATE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();"
        "CREATE INDEX i ON t (p); GRANT SELECT ON t TO PUBLIC; INSERT INTO t (p) VALUES (1), (1);"
        "INSERT INTO child VALUES (1); RESET ROLE"
    )
    yield name
    await oracle.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


@pytest.fixture
def dsn(database_url):
    url = make_url(database_url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


async def test_an_owner_without_superuser_can_do_all_of_it(engine, oracle, dsn, owner):
    before = await ordered(dsn)
    own = Settings(role=owner, allow_destructive="a test")
    moved = await drop_table(engine, "t", cascade=True, settings=own)
    await verify_backup(engine, moved, settings=own)
    assert (await restore_backup(engine, moved, settings=own)).unproven == ()
    column = await drop_column(engine, "t", "m", settings=own)
    assert (await restore_backup(engine, column, settings=own)).left == ()
    copy = await backup_table(engine, "t", settings=own)
    await verify_backup(engine, copy, settings=own)
    await restore_backup(engine, copy, overwrite=True, settings=own)
    await oracle.execute(f"SET ROLE {owner}; DROP TABLE t CASCADE; RESET ROLE")
    await restore_backup(engine, copy, settings=own)
    await extend_backup(engine, copy, 30, settings=own)
    assert (await backup_status(engine, settings=own)).orphans == ()
    left = await list_backups(engine, settings=own)
    assert (await cleanup_backups(engine, left, settings=own)).failed == ()
    await oracle.execute("DROP SCHEMA schemakit_backups CASCADE")
    assert changed(before, await ordered(dsn)) == []


async def test_a_policy_that_binds_the_owner_too_does_not_keep_a_table(engine, oracle, owner):
    await oracle.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    own = Settings(role=owner, allow_destructive="a test")
    moved = await drop_table(engine, "t", cascade=True, settings=own)
    assert moved.exact is False
    await restore_backup(engine, moved, settings=own)
    assert await oracle.fetchval("SELECT count(*) FROM t") == 2
