"""Autogenerate and the layouts that models declare: what differs is found, written, and mended."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tests.partitioning.layouts import HOSTILE

import schemakit
from schemakit.env import without_partitions
from schemakit.errors import RevisionFailed
from schemakit.partitioning import (
    Expression,
    HashKeyLayout,
    HashLayout,
    LeafIndex,
    LeafTraits,
    Name,
    ValuesLayout,
    partitioned,
)
from schemakit.runner._alembic.trees.source import source
from schemakit.runner.authoring import init_directory, new_revision

INDEX = LeafIndex("{table}_lower_idx", (Expression("lower(note)"),), where="note <> ''")
LAYOUT = HashKeyLayout(
    Name("chunks"),
    "key",
    source="source",
    modulus=10,
    naming="chunk_part_{i}",
    carries=LeafTraits(indexes=(INDEX,)),
)


def models(layout=LAYOUT, *more):
    metadata = sa.MetaData()
    sa.Table(
        layout.parent.name,
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text, index=True),
        *more,
        **partitioned(layout),
        schema=layout.parent.schema,
    )
    return metadata


@pytest.fixture
async def folder(tmp_path):
    await init_directory(tmp_path / "migrations")
    return tmp_path / "migrations"


@pytest.fixture
def written(engine, folder):
    """Write a revision for what differs, run it, and return its source."""

    async def write(metadata, message="it", *, run=True):
        (folder / "env.py").write_text("from schemakit.env import run\nrun(include_schemas=True)\n")
        (revision,) = await new_revision(
            message, engine, autogenerate=True, metadata=metadata, migrations=folder
        )
        if run:
            await schemakit.upgrade(engine, migrations=folder)
        return Path(revision.path).read_text()

    return write


async def differences(engine, folder, metadata):
    return (await schemakit.check(engine, metadata, migrations=folder)).differences


async def relations(oracle):
    rows = await oracle.fetch(
        "SELECT oid::regclass::text, relkind, pg_get_expr(relpartbound, oid), relispartition "
        "FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^alembic' "
        "ORDER BY 1"
    )
    return [tuple(row) for row in rows]


async def test_a_new_table_there_and_back(engine, oracle, folder, written):
    text = await written(models())
    assert "op.create_partitions(HashKeyLayout(Name('chunks'), 'key', " in text
    assert "postgresql_partition_by='LIST (\"key\")'" in text
    assert "from schemakit.partitioning import HashKeyLayout" in text
    made = await relations(oracle)
    assert sum(row[3] and row[1] == b"r" for row in made) == 10
    assert await differences(engine, folder, models()) == ()
    await schemakit.downgrade(engine, "base", migrations=folder)
    assert await relations(oracle) == []
    await schemakit.upgrade(engine, migrations=folder)
    assert await relations(oracle) == made


async def test_what_create_all_makes_is_the_same(engine, oracle, folder, written):
    await written(models())
    made = await relations(oracle)
    await schemakit.downgrade(engine, "base", migrations=folder)
    async with engine.begin() as connection:
        await connection.run_sync(models().create_all)
    assert await relations(oracle) == made
    assert await differences(engine, folder, models()) == ()


async def test_a_missing_leaf(engine, oracle, folder, written):
    await written(models())
    made = await relations(oracle)
    await oracle.execute("DROP TABLE chunk_part_7")
    (found,) = await differences(engine, folder, models())
    assert found.startswith("op.create_partitions(")
    assert found.endswith("only=('chunk_part_7',))")
    await written(models(), "leaf")
    assert {row[:3] for row in made} == {row[:3] for row in await relations(oracle)}
    await schemakit.downgrade(engine, "-1", migrations=folder)
    assert len([row for row in await relations(oracle) if row[3] and row[1] == b"r"]) == 9


async def test_a_detached_leaf_is_attached_again_and_never_dropped(engine, oracle, folder, written):
    await written(models())
    insert = "INSERT INTO chunks (id, source, key) VALUES (1, 'a', abs(hashtext('a') % 10))"
    await oracle.execute(insert)
    leaf = await oracle.fetchval("SELECT tableoid::regclass::text FROM chunks")
    await oracle.execute(f"ALTER TABLE chunks DETACH PARTITION {leaf}")
    text = await written(models(), "again")
    assert "drop_table" not in text
    assert f"'{leaf}')" in text.partition("op.attach_partition(")[2]
    assert await oracle.fetchval("SELECT tableoid::regclass::text FROM chunks") == leaf
    assert await differences(engine, folder, models()) == ()


async def test_an_index_of_the_models_that_one_leaf_lacks(engine, oracle, folder, written):
    await written(models())
    await oracle.execute(
        """
        DROP INDEX ix_chunks_note;
        CREATE INDEX ix_chunks_note ON ONLY chunks (note);
        DO $$ BEGIN FOR i IN 0..8 LOOP
            EXECUTE format('CREATE INDEX chunk_part_%s_n ON chunk_part_%s (note)', i, i);
            EXECUTE format('ALTER INDEX ix_chunks_note ATTACH PARTITION chunk_part_%s_n', i);
        END LOOP; END $$;
        """
    )
    (found,) = await differences(engine, folder, models())
    assert found.startswith("op.complete_partitioned_index(")
    assert found.endswith("'ix_chunks_note', ('chunk_part_9',), 'USING btree (note)')")
    await written(models(), "index")
    assert await differences(engine, folder, models()) == ()
    assert await oracle.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_chunks_note'::regclass"
    )
    await schemakit.downgrade(engine, "-1", migrations=folder)


async def test_an_index_of_the_layout_that_is_missing(engine, oracle, folder, written):
    await written(models())
    await oracle.execute("DROP INDEX chunks_lower_idx")
    (found,) = await differences(engine, folder, models())
    assert found.startswith("op.create_partitioned_index(")
    text = await written(models(), "index")
    assert "Expression('lower(note)')" in text
    assert await differences(engine, folder, models()) == ()


async def test_an_index_of_the_leaves_alone_that_one_of_them_lacks(engine, oracle, folder, written):
    own = LeafIndex("{table}_id_own", ("id",), unique=True, on_parent=False)
    layout = HashKeyLayout(
        Name("chunks"), "key", source="source", modulus=3, carries=LeafTraits(indexes=(own,))
    )
    await written(models(layout))
    assert await differences(engine, folder, models(layout)) == ()
    await oracle.execute("DROP INDEX chunks_1_id_own")
    (found,) = await differences(engine, folder, models(layout))
    assert found.startswith("op.create_partitioned_index(")
    await written(models(layout), "own")
    assert await differences(engine, folder, models(layout)) == ()
    await schemakit.downgrade(engine, "-1", migrations=folder)
    assert await differences(engine, folder, models(layout)) == ()  # those that were there stay


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (
            HashLayout(Name("chunks"), ("key",), types=("int4",), modulus=4),
            r"is partitioned by LIST \(key\), and the layout says",
        ),
        (
            HashKeyLayout(Name("chunks"), "key", source="source", modulus=50,
                          naming=LAYOUT.naming, carries=LAYOUT.carries),
            "divides by 10, and the layout by 50",
        ),
    ],
    ids=["key", "modulus"],
)  # fmt: skip
async def test_another_layout(engine, folder, written, layout, said):
    await written(models())
    found = [
        each for each in await differences(engine, folder, models(layout)) if "layout(" in each
    ]
    assert len(found) == 1
    assert found[0].startswith("op.change_layout(")
    await written(models(layout), "other", run=False)
    with pytest.raises(RevisionFailed, match=said):
        await schemakit.upgrade(engine, migrations=folder)


async def test_other_bounds(engine, oracle, folder, written):
    def events(modulus):
        metadata = sa.MetaData()
        layout = HashLayout(Name("events"), ("id",), types=("int4",), modulus=modulus)
        sa.Table("events", metadata, sa.Column("id", sa.Integer), **partitioned(layout))
        return metadata

    await written(events(4))
    (found,) = await differences(engine, folder, events(8))
    assert found.startswith("op.change_layout(")


async def test_a_value_more(engine, oracle, folder, written):
    def orders(*values):
        metadata = sa.MetaData()
        layout = ValuesLayout(Name("orders"), "region", values=values)
        sa.Table("orders", metadata, sa.Column("region", sa.Text), **partitioned(layout))
        return metadata

    await written(orders("eu", ("us", "ca")))
    await written(orders("eu", ("us", "ca"), "asia"), "asia")
    bounds = await oracle.fetch(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition ORDER BY 1"
    )
    assert [row[0] for row in bounds] == [
        "FOR VALUES IN ('asia')", "FOR VALUES IN ('eu')", "FOR VALUES IN ('us', 'ca')",
    ]  # fmt: skip


async def test_hostile_names_in_a_schema_of_their_own(engine, oracle, folder, written):
    await oracle.execute(f"CREATE SCHEMA {Name(HOSTILE.schema)}")
    layout = HashKeyLayout(HOSTILE, "key", source="source", modulus=3, naming='"; drop {i}')
    await written(models(layout))
    assert await differences(engine, folder, models(layout)) == ()
    await oracle.execute(f"DROP TABLE {layout.leaves()[1].name}")
    await written(models(layout), "leaf")
    assert await differences(engine, folder, models(layout)) == ()
    await schemakit.downgrade(engine, "base", migrations=folder)


async def test_a_table_that_a_filter_leaves_out(engine, folder):
    (folder / "env.py").write_text(
        "from schemakit.env import run\n"
        "run(include_object=lambda each, name, kind, reflected, other: name != 'chunks')\n"
    )
    assert await differences(engine, folder, models()) == ()


async def test_plain_alembic(engine, oracle):
    metadata = models()
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)

    def compare(connection):
        options = {"include_name": without_partitions(connection, metadata)}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == []
        await oracle.execute("DROP TABLE chunk_part_3")
        found = await connection.run_sync(compare)
    assert found == [("add_partitions", Name("chunks"), ("chunk_part_3",))]


@pytest.mark.parametrize(
    "layout",
    [
        LAYOUT,
        HashLayout(HOSTILE, ("a", "b"), types=("text", "int8"), modulus=3, schema="x"),
        ValuesLayout(Name("v"), "v", values=(None, ("a", "b")), names=("n", "m"), default="rest"),
        ValuesLayout(Name("v"), "v", type="float8", values=(1.5, float("inf")), naming="v{i}"),
    ],
)
def test_the_source_of_a_layout_makes_it(layout):
    imports: set[str] = set()
    text = source(layout, imports)
    names: dict[str, object] = {}
    exec("\n".join(imports), names)  # noqa: S102 - what a revision does
    assert eval(text, names) == layout  # noqa: S307 - the same
