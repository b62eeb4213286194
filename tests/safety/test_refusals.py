"""What is refused before anything is touched, and the way out that the refusal names."""

import pytest
from sqlalchemy import make_url
from tests.safety.dump import changed, dumped

from schemakit.errors import AccessDenied, HasDependants, RestoreRefused
from schemakit.runner.settings import Settings
from schemakit.safety import backup_table, drop_column, drop_table, restore_backup

ALLOWED = Settings(allow_destructive="a test", lock_timeout=1, retry_for=0)


@pytest.fixture
def dsn(database_url):
    url = make_url(database_url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


@pytest.fixture
async def table(oracle):
    await oracle.execute(
        "CREATE TABLE t (id serial PRIMARY KEY, s text); INSERT INTO t (s) VALUES ('a'), ('b')"
    )


async def test_some_of_the_rows_are_not_the_table(engine, oracle, table):
    backup = await backup_table(engine, "t", where="id < 2")
    await oracle.execute("DROP TABLE t")
    with pytest.raises(RestoreRefused, match=r"some of the rows only, and public\.t is gone") as no:
        await restore_backup(engine, backup)
    assert "to=…" in no.value.remedy
    assert await oracle.fetchval("SELECT to_regclass('t')::oid") is None
    assert (await restore_backup(engine, backup, to="t")).rows == 1


@pytest.mark.parametrize("kind", ["copy", "move"])
async def test_what_is_in_the_way_is_not_to_be_cascaded(engine, oracle, dsn, table, kind):
    if kind == "copy":
        backup = await backup_table(engine, "t")
        await oracle.execute("ALTER TABLE t ADD x int")
    else:
        backup = await drop_table(engine, "t", settings=ALLOWED)
        await oracle.execute("CREATE TABLE t (id int)")
    await oracle.execute("CREATE VIEW late AS SELECT * FROM t")
    before = await dumped(dsn)
    with pytest.raises(HasDependants, match=r"view public\.late") as caught:
        await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)
    assert "cascade" not in str(caught.value)
    assert "drop those first" in caught.value.remedy
    assert changed(before, await dumped(dsn)) == []
    await oracle.execute("DROP VIEW late")  # as it says
    await restore_backup(engine, backup, overwrite=True, settings=ALLOWED)


async def test_a_partition_needs_its_parent(engine, oracle, dsn):
    await oracle.execute(
        "CREATE TABLE logs (k int) PARTITION BY LIST (k);"
        "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES IN (1); INSERT INTO logs VALUES (1)"
    )
    whole = await dumped(dsn)
    leaf = await drop_table(engine, "logs_1", settings=ALLOWED)
    parent = await drop_table(engine, "logs", settings=ALLOWED)
    before = await dumped(dsn)
    with pytest.raises(RestoreRefused, match=r"public\.logs, which public\.logs_1 was below") as no:
        await restore_backup(engine, leaf)
    assert no.value.remedy.startswith("restore public.logs first")
    assert changed(before, await dumped(dsn)) == []
    await restore_backup(engine, leaf, to="rows")
    await oracle.execute("DROP TABLE rows")
    await restore_backup(engine, parent)
    await restore_backup(engine, leaf)
    await oracle.execute("DROP SCHEMA schemakit_backups CASCADE")
    assert changed(whole, await dumped(dsn)) == []


@pytest.fixture
async def owner(oracle):
    """A role that owns the table `orders`, and no longer may refer to what that refers to."""
    name = await oracle.fetchval("SELECT 'r' || substr(md5(random()::text), 1, 10)")
    database = await oracle.fetchval("SELECT current_database()")
    await oracle.execute(
        f'CREATE ROLE {name} NOSUPERUSER; GRANT CREATE ON DATABASE "{database}" TO {name};'
        f"GRANT CREATE, USAGE ON SCHEMA public TO {name}; CREATE SCHEMA app;"
        "CREATE TABLE app.customers (id int PRIMARY KEY); INSERT INTO app.customers VALUES (1);"
        "CREATE TABLE orders (id int PRIMARY KEY, c int REFERENCES app.customers, s text);"
        f"INSERT INTO orders VALUES (1, 1); ALTER TABLE orders OWNER TO {name}"
    )
    yield name
    await oracle.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


async def dropping(engine, what, own):
    if what == "table":
        return await drop_table(engine, "orders", settings=own)
    return await drop_column(engine, "orders", "c", settings=own)


@pytest.mark.parametrize("what", ["table", "column"])
async def test_a_key_that_could_not_be_put_back_is_not_taken_down(engine, oracle, dsn, owner, what):
    own = Settings(role=owner, allow_destructive="a test")
    before = await dumped(dsn)
    missing = r"public\.orders back takes REFERENCES on app\.customers, USAGE on the schema app\."
    with pytest.raises(AccessDenied, match=missing):
        await dropping(engine, what, own)
    assert changed(before, await dumped(dsn)) == []
    await oracle.execute(
        f"GRANT USAGE ON SCHEMA app TO {owner}; GRANT REFERENCES (id) ON app.customers TO {owner}"
    )
    backup = await dropping(engine, what, own)
    assert (await restore_backup(engine, backup, settings=own)).unproven == ()


async def test_a_column_without_a_key_takes_no_such_right(engine, oracle, owner):
    own = Settings(role=owner, allow_destructive="a test")
    backup = await drop_column(engine, "orders", "s", settings=own)
    assert (await restore_backup(engine, backup, settings=own)).left == ()
