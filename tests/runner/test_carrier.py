"""BEGIN and version updates travel with the statement after them, and nobody can tell."""

import pytest
from sqlalchemy.exc import DBAPIError
from tests.runner.test_traffic import EACH
from tests.runner.watching import TABLES, versions

import schemakit
from schemakit.errors import RevisionFailed

ASK = {
    "select": """
stood = op.get_bind().execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
""",
    "driver": """
stood = op.get_bind().exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
""",
    "raw cursor": """
cursor = op.get_bind().connection.cursor()
cursor.execute("SELECT version_num FROM alembic_version")
stood = cursor.fetchone()[0]
""",
    "run_async": """
async def ask(connection):
    raw = await connection.get_raw_connection()
    return await raw.driver_connection.fetchval("SELECT version_num FROM alembic_version")
stood = op.run_async(ask)
""",
    "prepared twice": """
async def ask(connection):
    raw = await connection.get_raw_connection()
    statement = await raw.driver_connection.prepare("SELECT version_num FROM alembic_version")
    return await statement.fetchval()
stood = op.run_async(ask)
""",
    "copy": """
import io
async def ask(connection):
    raw = await connection.get_raw_connection()
    out = io.BytesIO()
    asked = "SELECT version_num FROM alembic_version"
    await raw.driver_connection.copy_from_query(asked, output=out)
    return out.getvalue().decode().strip()
stood = op.run_async(ask)
""",
    "stream": """
rows = op.get_bind().execution_options(stream_results=True).execute(
    sa.text("SELECT version_num FROM alembic_version"))
stood = rows.fetchone()[0]
rows.close()
""",
    "inspect": """
stood = "r1" if sa.inspect(op.get_bind()).has_table("t1") else "?"
table = sa.table("alembic_version", sa.column("version_num"))
stood = op.get_bind().scalar(sa.select(table.c.version_num))
""",
}


ONE = EACH.replace(", transaction_per_migration=True", "")


@pytest.fixture(params=[ONE, EACH], ids=["one", "each"])
def mode(request, directory):
    return directory.env(request.param)


@pytest.mark.parametrize("way", list(ASK))
async def test_a_revision_sees_the_one_before_it(engine, mode, way):
    mode.tables(3)
    for revision, before in (("r4", "r3"), ("r5", "r4"), ("r6", "r5")):
        mode.revision(revision, f"{ASK[way]}\nassert stood == {before!r}, stood")
    await schemakit.upgrade(engine, migrations=mode.settle())
    assert await schemakit.current(engine, migrations=mode) == ("r6",)


@pytest.mark.parametrize("way", ["select", "raw cursor", "run_async"])
async def test_so_it_does_in_the_callers_transaction(engine, directory, way):
    directory.tables(3).revision("r4", f"{ASK[way]}\nassert stood == 'r3', stood").settle()
    async with engine.connect() as connection:
        await connection.begin()
        await schemakit.upgrade(connection, migrations=directory)
        assert await schemakit.current(connection, migrations=directory) == ("r4",)
        await connection.commit()
    assert await schemakit.current(engine, migrations=directory) == ("r4",)


async def test_a_version_that_went_away_is_noticed(engine, oracle, mode):
    mode.tables(3).revision("r4", 'op.execute("DELETE FROM alembic_version")').revision("r5")
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=mode.settle())
    kept = ["t1", "t2", "t3"] if "per_migration" in (mode.path / "env.py").read_text() else []
    assert [name for name in await oracle.fetchval(TABLES) if name != "alembic_version"] == kept
    assert await versions(oracle) == (["r3"] if kept else None)


async def test_an_error_that_is_caught_leaves_the_transaction_as_it_was(engine, mode):
    # Nothing of a message is executed that cannot be parsed: not even the BEGIN in it.
    mode.tables(2).revision(
        "r3",
        """
        try:
            op.execute("THIS IS NO SQL")
        except sa.exc.DBAPIError:
            pass
        op.execute("CREATE TABLE after (id int)")
        """,
    )
    with pytest.raises(RevisionFailed, match="current transaction is aborted"):
        await schemakit.upgrade(engine, migrations=mode.settle())


async def test_a_savepoint_holds_what_came_after_it(engine, oracle, mode):
    mode.tables(2).revision(
        "r3",
        """
        with op.get_bind().begin_nested() as savepoint:
            op.execute("CREATE TABLE inside (id int)")
            savepoint.rollback()
        """,
    ).revision("r4")
    await schemakit.upgrade(engine, migrations=mode.settle())
    assert await oracle.fetchval("SELECT to_regclass('inside')") is None
    assert await versions(oracle) == ["r4"]


async def test_an_id_that_is_too_long_fails_as_its_own_revision(engine, mode):
    long = "r" * 40
    mode.tables(2).revision(long).revision("r9", 'op.execute("CREATE TABLE t9 (id int)")')
    with pytest.raises(RevisionFailed) as caught:
        await schemakit.upgrade(engine, migrations=mode.settle())
    assert caught.value.revision == long


async def test_the_error_tells_its_own_line(engine, mode):
    script = 'op.execute("CREATE TABLE x ();\\nCREATE TABLE y ();\\nINSERT INTO nowhere SELECT 1")'
    mode.tables(2).revision("r3", script)
    with pytest.raises(RevisionFailed, match="in line 3"):
        await schemakit.upgrade(engine, migrations=mode.settle())


async def test_branches_and_merges_leave_the_right_heads(engine, oracle, mode):
    mode.revision("a1").revision("a2").revision("a3")
    mode.revision("b1", down=None).revision("b2").revision("b3")
    mode.revision("m", down=("a3", "b3")).revision("n")
    await schemakit.upgrade(engine, migrations=mode.settle())
    assert await versions(oracle) == ["n"]
    await schemakit.downgrade(engine, "a1", migrations=mode)
    await schemakit.upgrade(engine, migrations=mode)
    assert await versions(oracle) == ["n"]
    await schemakit.downgrade(engine, "base", migrations=mode)
    assert await versions(oracle) == []


async def test_now_is_when_the_transaction_began(engine, oracle, mode):
    mode.tables(2).revision(
        "r3",
        """
        op.execute("CREATE TABLE clock AS SELECT now() AS began, clock_timestamp() AS made")
        op.execute("INSERT INTO clock SELECT now(), clock_timestamp()")
        """,
    )
    await schemakit.upgrade(engine, migrations=mode.settle())
    assert await oracle.fetchval("SELECT count(DISTINCT began) FROM clock") == 1


async def test_the_drivers_own_transactions_still_nest(engine, oracle, mode):
    mode.tables(2).revision(
        "r3",
        """
        async def work(connection):
            driver = (await connection.get_raw_connection()).driver_connection
            async with driver.transaction():
                await driver.execute("CREATE TABLE nested (id int)")
        op.execute("CREATE TABLE outer_one (id int)")
        op.run_async(work)
        """,
    )
    await schemakit.upgrade(engine, migrations=mode.settle())
    assert await oracle.fetchval("SELECT to_regclass('nested')") is not None


async def test_a_deferred_constraint_fails_at_commit(engine, oracle, mode):
    mode.tables(1).revision(
        "r2",
        """
        op.execute("CREATE TABLE parent (id int PRIMARY KEY)")
        op.execute("CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        op.execute("INSERT INTO child VALUES (1)")
        """,
    )
    with pytest.raises(RevisionFailed, match="violates foreign key constraint") as caught:
        await schemakit.upgrade(engine, migrations=mode.settle())
    assert caught.value.revision == "r2"
    assert isinstance(caught.value.__cause__, DBAPIError)
    assert await oracle.fetchval("SELECT to_regclass('child')") is None
