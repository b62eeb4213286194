"""Alembic's operations on trees: online, offline, planned, there and back, run again."""

import asyncio
import sys
from textwrap import dedent

import pytest
from tests.partitioning.layouts import HOSTILE

import schemakit
from schemakit.errors import RevisionFailed, TreeRefused
from schemakit.partitioning import HashKeyLayout, HashLayout, Name, ValuesLayout
from schemakit.runner._alembic.trees import sending

IMPORTS = """
from schemakit.partitioning import *
layout = HashKeyLayout(Name("chunks"), "key", source="source", modulus=4)
index = LeafIndex("{table}_note_idx", ("note",))
"""
COLUMNS = """
sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
sa.Column("source", sa.Text, nullable=False),
sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
sa.Column("note", sa.Text),
"""
TABLE = f"op.create_partitioned_table(layout, {COLUMNS})"
DROPPED = "op.drop_partitioned_table(layout)"


@pytest.fixture
def write(directory):
    """Add revisions, with what they need before."""

    def revision(id, upgrade, downgrade="pass", before=""):  # noqa: A002 - Alembic's word
        directory.revision(id, upgrade, downgrade)
        source = (directory.path / "versions" / f"{id}.py").read_text()
        return directory.file(f"versions/{id}.py", f"{IMPORTS}{dedent(before)}\n{source}")

    return revision


async def leaves(oracle, parent="chunks"):
    rows = await oracle.fetch(
        "SELECT inhrelid::regclass::text AS leaf FROM pg_inherits WHERE inhparent = "
        "to_regclass($1) ORDER BY inhrelid",
        parent,
    )
    return [row["leaf"] for row in rows]


async def dump(oracle):
    """What there is, in the server's own words."""
    rows = await oracle.fetch(
        """
        SELECT c.oid::regclass::text, c.relkind, pg_get_expr(c.relpartbound, c.oid),
               pg_get_partkeydef(c.oid)
          FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace
           AND relname NOT LIKE 'alembic%' ORDER BY 1
        """
    )
    return [tuple(row) for row in rows]


ALL = [f"chunks_{number}" for number in range(4)]


async def test_a_tree_is_made_and_dropped(engine, oracle, write):
    folder = write("r1", TABLE, DROPPED)
    await schemakit.upgrade(engine, migrations=folder)
    assert await leaves(oracle) == ALL
    await oracle.execute("INSERT INTO chunks VALUES (1, 'a', abs(hashtext('a') % 4))")
    with pytest.raises(Exception, match="violates check constraint"):
        await oracle.execute("INSERT INTO chunks VALUES (1, 'a', (abs(hashtext('a')) + 1) % 4)")
    await schemakit.downgrade(engine, "base", migrations=folder)
    assert await dump(oracle) == []


async def test_there_and_back_in_one_transaction_of_the_caller(engine, oracle, write):
    folder = write("r1", TABLE, DROPPED)
    async with engine.connect() as connection, connection.begin() as transaction:
        await schemakit.upgrade(connection, migrations=folder)
        await transaction.rollback()
    assert await dump(oracle) == []


async def test_leaves_come_and_go(engine, oracle, write):
    write("r1", TABLE, DROPPED)
    folder = write(
        "r2", 'op.drop_partitions(layout, "chunks_2")', 'op.create_partitions(layout, ["chunks_2"])'
    )
    await schemakit.upgrade(engine, migrations=folder)
    assert await leaves(oracle) == ["chunks_0", "chunks_1", "chunks_3"]
    before = await dump(oracle)
    await schemakit.downgrade(engine, "r1", migrations=folder)
    assert sorted(await leaves(oracle)) == ALL
    await schemakit.upgrade(engine, migrations=folder)
    assert await dump(oracle) == before


async def test_what_is_there_stays_and_the_rest_is_made(engine, oracle, write):
    write("r1", TABLE, DROPPED)
    await schemakit.upgrade(engine, migrations=write("r2", "op.create_partitions(layout)"))
    await oracle.execute("DROP TABLE chunks_1")
    await schemakit.upgrade(engine, migrations=write("r3", "op.create_partitions(layout)"))
    assert sorted(await leaves(oracle)) == ALL


async def test_a_leaf_is_detached_and_attached(engine, oracle, write):
    write("r1", TABLE, DROPPED)
    folder = write(
        "r2",
        'op.detach_partition(layout, "chunks_3")',
        'op.attach_partition(layout, "chunks_3")',
    )
    await schemakit.upgrade(engine, "r1", migrations=folder)
    before = await dump(oracle)
    await oracle.execute(
        "INSERT INTO chunks SELECT n, n::text, abs(hashtext(n::text) % 4) "
        "FROM generate_series(1, 50) AS n"
    )
    await schemakit.upgrade(engine, migrations=folder)
    assert await leaves(oracle) == ALL[:3]
    count = await oracle.fetchval("SELECT count(*) FROM chunks_3")
    assert count
    await schemakit.downgrade(engine, "r1", migrations=folder)
    assert await dump(oracle) == before
    assert await oracle.fetchval("SELECT count(*) FROM chunks") == 50


async def test_an_index_is_built_on_every_leaf_and_dropped(engine, oracle, write):
    write("r1", TABLE, DROPPED)
    folder = write(
        "r2",
        "op.create_partitioned_index(layout, index)",
        "op.drop_partitioned_index(layout, index)",
    )
    await schemakit.upgrade(engine, "r1", migrations=folder)
    before = await dump(oracle)
    await schemakit.upgrade(engine, migrations=folder)
    rows = await oracle.fetch(
        "SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index "
        "WHERE indexrelid::regclass::text LIKE '%note_idx'"
    )
    assert sorted(map(tuple, rows)) == [
        *((f"{leaf}_note_idx", True) for leaf in ALL), ("chunks_note_idx", True),
    ]  # fmt: skip
    await schemakit.downgrade(engine, "r1", migrations=folder)
    assert await dump(oracle) == before


async def test_an_index_whose_building_was_cut_off_is_finished(engine, oracle, write):
    write("r1", TABLE, DROPPED)
    await schemakit.upgrade(engine, migrations=write("r2", "pass"))
    await oracle.execute(
        "CREATE INDEX chunks_note_idx ON ONLY chunks (note);"
        "CREATE INDEX chunks_0_note_idx ON chunks_0 (note);"
        "ALTER INDEX chunks_note_idx ATTACH PARTITION chunks_0_note_idx;"
        "CREATE INDEX chunks_1_note_idx ON chunks_1 (note);"
    )
    folder = write("r3", "op.create_partitioned_index(layout, index)")
    await schemakit.upgrade(engine, migrations=folder)
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'chunks_note_idx'::regclass"
    assert await oracle.fetchval(valid)


async def test_other_names(engine, oracle, write):
    write("r1", TABLE, DROPPED)
    other = 'other = HashKeyLayout(Name("pieces"), "key", source="source", modulus=4)'
    folder = write(
        "r2",
        "op.rename_partitioned_table(layout, other)",
        "op.rename_partitioned_table(other, layout)",
        before=other,
    )
    await schemakit.upgrade(engine, migrations=folder)
    assert await leaves(oracle, "pieces") == [f"pieces_{number}" for number in range(4)]
    await schemakit.downgrade(engine, "r1", migrations=folder)
    assert await leaves(oracle) == ALL


async def test_beside_a_default_leaf(engine, oracle, write):
    values = """
    layout = ValuesLayout(Name("orders"), "region", values=("eu", "us"), default="orders_rest")
    more = ValuesLayout(Name("orders"), "region", values=("eu", "us", "ca"), default="orders_rest")
    """
    table = 'op.create_partitioned_table(layout, sa.Column("region", sa.Text))'
    write("r1", table, DROPPED, before=values)
    folder = write("r2", "op.create_partitions(more)", before=values)
    await schemakit.upgrade(engine, "r1", migrations=folder)
    await oracle.execute("INSERT INTO orders VALUES ('eu'), ('ca')")
    with pytest.raises(RevisionFailed, match=r"The default leaf .*orders_rest.* has rows of"):
        await schemakit.upgrade(engine, migrations=folder)
    await oracle.execute("DELETE FROM orders_rest")
    await schemakit.upgrade(engine, migrations=folder)
    assert "orders_ca" in await leaves(oracle, "orders")
    refused = write("r3", 'op.detach_partition(more, "orders_ca")', before=values)
    with pytest.raises(RevisionFailed, match="cannot be detached concurrently"):
        await schemakit.upgrade(engine, migrations=refused)


async def test_hostile_names(engine, oracle, write):
    await oracle.execute(f"CREATE SCHEMA {Name(HOSTILE.schema)}")
    layout = f"""
    layout = HashLayout(Name({HOSTILE.name!r}, {HOSTILE.schema!r}), ("a:b",), types=("text",),
                        modulus=2, naming='"; :x %s {{i}}')
    index = LeafIndex('{{table}}:y', ("a:b",))
    """
    table = 'op.create_partitioned_table(layout, sa.Column("a:b", sa.Text))'
    write("r1", table, DROPPED, before=layout)
    write("r2", "op.drop_partitions(layout)", "op.create_partitions(layout)", before=layout)
    folder = write(
        "r3",
        "op.create_partitions(layout); op.create_partitioned_index(layout, index)",
        "op.drop_partitioned_index(layout, index); op.drop_partitions(layout, concurrently=False)",
        before=layout,
    )
    await schemakit.upgrade(engine, migrations=folder)
    names = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY 1"
    assert [row[0] for row in await oracle.fetch(names)] == ['"; :x %s 0', '"; :x %s 1']
    await schemakit.downgrade(engine, "base", migrations=folder)
    assert await oracle.fetch(names) == []


# -- transactions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        'op.detach_partition(layout, "chunks_3")',
        'op.drop_partitions(layout, "chunks_3")',
        'op.attach_partition(layout, "chunks_3")',
        "op.create_partitioned_index(layout, index)",
    ],
)
async def test_inside_the_callers_transaction_it_is_refused_before_anything(
    engine, oracle, write, operation
):
    write("r1", TABLE, DROPPED)
    await schemakit.upgrade(engine, migrations=write("r2", "pass"))
    if "attach_partition(layout" in operation and "de" not in operation:
        await oracle.execute("ALTER TABLE chunks DETACH PARTITION chunks_3")
    before = await dump(oracle)
    folder = write("r3", operation)
    async with engine.connect() as connection, connection.begin() as transaction:
        with pytest.raises(Exception, match=r"autocommit_block|transaction"):
            await schemakit.upgrade(connection, migrations=folder)
        await transaction.rollback()
    assert await dump(oracle) == before


async def test_more_leaves_than_the_server_has_locks_for(engine, oracle, write):
    """Room for 64 * 300 locks: 3,000 leaves want more."""
    many = 'layout = HashKeyLayout(Name("chunks"), "key", source="source", modulus=3000)'
    folder = write("r1", TABLE, DROPPED, before=many)
    async with engine.connect() as connection, connection.begin():
        with pytest.raises(Exception, match=r"autocommit_block|transaction"):
            await schemakit.upgrade(connection, migrations=folder)
    assert await leaves(oracle) == []


async def test_a_change_that_cannot_be_made_says_so(engine, oracle, write):
    write("r1", TABLE, DROPPED)
    folder = write("r2", 'op.change_layout(layout, "it is partitioned by RANGE.")')
    with pytest.raises(RevisionFailed, match=r"it is partitioned by RANGE\.") as failed:
        await schemakit.upgrade(engine, migrations=folder)
    assert isinstance(failed.value.__cause__, TreeRefused)


# -- without a database ---------------------------------------------------------------------------


async def test_a_script(write, oracle, engine):
    write("r1", TABLE, DROPPED)
    folder = write(
        "r2",
        'op.create_partitioned_index(layout, index)\nop.detach_partition(layout, "chunks_0")',
        "op.drop_partitioned_index(layout, index)",
    )
    script = await schemakit.render_sql(migrations=folder)
    assert script.count('PARTITION OF "chunks" FOR VALUES IN') == 4
    assert script.count("CREATE INDEX CONCURRENTLY") == 4
    outside = script.index("COMMIT", script.index("ON ONLY"))
    assert outside < script.index("CREATE INDEX CONCURRENTLY")
    for statement in script.split(";\n"):  # as psql does it
        if statement.strip():
            await oracle.execute(statement)
    assert await leaves(oracle) == ALL[1:]


async def test_a_plan(engine, write):
    write("r1", TABLE, DROPPED)
    folder = write("r2", 'op.detach_partition(layout, "chunks_0")')
    plan = await schemakit.plan(engine, migrations=folder)
    first, second = plan.revisions
    made = [each.sql for each in first.statements if "PARTITION OF" in each.sql]
    assert len(made) == 4
    (detached,) = second.statements
    assert "DETACH PARTITION" in detached.sql
    assert detached.in_transaction == "no"


async def test_a_rehearsal(engine, oracle, write):
    folder = write("r1", TABLE, DROPPED)
    plan = await schemakit.plan(engine, migrations=folder, rehearse=True)
    assert plan.revisions
    assert await dump(oracle) == []


ENV = """
import asyncio, os
from alembic import context
from schemakit.env import without_partitions
from sqlalchemy.ext.asyncio import create_async_engine

def migrate(connection):
    context.configure(connection=connection, transaction_per_migration=True,
                      include_name=without_partitions(connection))
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
"""


async def test_alembic_itself(oracle, write, database_url, tmp_path):
    write("r1", TABLE, DROPPED)
    write("r2", "op.create_partitioned_index(layout, index)")
    folder = write("r3", 'op.detach_partition(layout, "chunks_0")')
    folder.env(ENV)
    (folder.project / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic.config", "upgrade", "head"),
        cwd=folder.project,
        env={"DATABASE_URL": database_url, "PYTHONPATH": ":".join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert await leaves(oracle) == ALL[1:]


async def test_a_tree_that_takes_several_transactions_goes_on_where_it_stopped(
    engine, oracle, write
):
    """As it is after a run that was cut off: some leaves are there, and the version is not."""
    many = 'layout = HashKeyLayout(Name("chunks"), "key", source="source", modulus=200)'
    folder = write("r1", TABLE, DROPPED, before=many)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "_room", lambda _: 500)
        await schemakit.upgrade(engine, migrations=folder)
        await oracle.execute("DROP TABLE chunks_150, chunks_199; DELETE FROM alembic_version")
        await schemakit.upgrade(engine, migrations=folder)
        assert len(await leaves(oracle)) == 200
        await schemakit.downgrade(engine, "base", migrations=folder)
    assert await leaves(oracle) == []


def test_each_is_the_reverse_of_its_reverse():
    from schemakit.runner._alembic.trees import operations as ops  # noqa: PLC0415 - Alembic's

    layout = HashLayout(Name("events"), ("id",), types=("int8",), modulus=4)
    for op in (
        ops.CreatePartitionsOp(layout, ("events_1",)),
        ops.CreatePartitionsOp(layout, None, live=False),
        ops.DropPartitionsOp(layout, None, concurrently=False),
        ops.DetachPartitionOp(layout, "events_1"),
        ops.RenamePartitionedTableOp(
            layout, HashLayout(Name("e"), ("id",), types=("int8",), modulus=4)
        ),
        ops.CreatePartitionedTableOp(layout, (), {}),
    ):
        twice = op.reverse().reverse()
        assert (type(twice), vars(twice)) == (type(op), vars(op))
        assert op.to_diff_tuple() == twice.to_diff_tuple()
    listed = ValuesLayout(Name("v"), "v", values=("a",), default="rest")
    assert not ops.AttachPartitionOp(listed, "v_a").reverse().concurrently
    assert HashKeyLayout
