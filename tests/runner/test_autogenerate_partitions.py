"""Autogenerate leaves the leaves alone: a hundred of them, whatever they are called."""

import asyncio
import sys
from textwrap import dedent

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import schemakit
from schemakit.env import without_partitions
from schemakit.runner.authoring import init_directory, new_revision

#: The pattern has no word for it: leaves lie in any schema and have any name.
LEAVES = """
DO $$ BEGIN FOR i IN 0..99 LOOP
    EXECUTE format('CREATE TABLE %I.%I PARTITION OF chunks FOR VALUES IN (%s)',
                   CASE i % 2 WHEN 0 THEN 'public' ELSE 'Elsewhere' END,
                   'W''; drop ☃ ' || i, i);
END LOOP; END $$;
"""


async def tree(oracle):
    await oracle.execute(
        """
        CREATE SCHEMA "Elsewhere";
        CREATE TABLE chunks (id int, key int NOT NULL, note text, PRIMARY KEY (id, key))
            PARTITION BY LIST (key);
        CREATE INDEX chunks_note_idx ON chunks (note);
        """
        + LEAVES
        + """
        CREATE TABLE notes (id int PRIMARY KEY, chunk int, key int,
                            FOREIGN KEY (chunk, key) REFERENCES chunks (id, key));
        """
    )


def models():
    metadata = sa.MetaData()
    sa.Table(
        "chunks",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text),
        sa.Index("chunks_note_idx", "note"),
        postgresql_partition_by="LIST (key)",
    )
    sa.Table(
        "notes",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("chunk", sa.Integer),
        sa.Column("key", sa.Integer),
        sa.ForeignKeyConstraint(["chunk", "key"], ["chunks.id", "chunks.key"]),
    )
    return metadata


@pytest.fixture
async def env(tmp_path):
    """Write an env.py that compares all schemas."""
    await init_directory(tmp_path / "migrations")

    def write(options="include_schemas=True"):
        (tmp_path / "migrations/env.py").write_text(
            dedent(f"""
            from alembic import context
            from sqlalchemy import engine_from_config, pool
            from tests.runner.test_autogenerate_partitions import models

            connectable = engine_from_config(
                context.config.get_section(context.config.config_ini_section, {{}}),
                prefix="sqlalchemy.", poolclass=pool.NullPool,
            )
            with connectable.connect() as connection:
                context.configure(connection=connection, target_metadata=models(), {options})
                with context.begin_transaction():
                    context.run_migrations()
            """)
        )
        return tmp_path / "migrations"

    return write


async def compared(engine, metadata, **options):
    """What plain Alembic finds."""

    def compare(connection):
        include = options.pop("include_name", None)
        opts = {"include_name": include(connection)} if include else {}
        opts |= {"include_schemas": True, **options}
        return compare_metadata(MigrationContext.configure(connection, opts=opts), metadata)

    async with engine.connect() as connection:
        return await connection.run_sync(compare)


async def test_without_us_alembic_would_drop_them(engine, oracle):
    await tree(oracle)
    found = await compared(engine, models())
    assert sum(each[0] == "remove_table" for each in found) == 100
    assert sum(each[0] == "remove_index" for each in found) == 100
    assert sum(each[0] == "remove_fk" for each in found) == 100


async def test_plain_alembic_with_our_filter_finds_nothing(engine, oracle):
    await tree(oracle)
    assert await compared(engine, models(), include_name=without_partitions) == []


async def test_an_env_py_that_knows_nothing_of_us(engine, oracle, env):
    await tree(oracle)
    assert (await schemakit.check(engine, migrations=env())).differences == ()
    assert await new_revision("none", engine, autogenerate=True, migrations=env()) == ()


async def test_what_else_differs_is_found(engine, oracle, env):
    await tree(oracle)
    await oracle.execute("CREATE TABLE alone (id int); DROP INDEX chunks_note_idx")
    found = (await schemakit.check(engine, migrations=env())).differences
    assert found == (
        "op.drop_table('alone')",
        "op.create_index('chunks_note_idx', 'chunks', ['note'], unique=False)",
    )


async def test_the_filter_of_env_py_is_asked_about_the_rest(engine, oracle, env):
    await tree(oracle)
    await oracle.execute("CREATE TABLE alone (id int); CREATE TABLE other (id int)")
    folder = env("include_name=lambda name, kind, parents: name != 'alone'")
    found = (await schemakit.check(engine, migrations=folder)).differences
    assert found == ("op.drop_table('other')",)


async def test_leaves_whose_names_would_end_an_identifier(engine, oracle):
    # SQLAlchemy 2.0 cannot read a foreign key to such a table, so nothing refers to this one
    await oracle.execute(
        """
        CREATE TABLE chunks (id int, key int NOT NULL, note text, PRIMARY KEY (id, key))
            PARTITION BY LIST (key);
        CREATE INDEX chunks_note_idx ON chunks (note);
        CREATE TABLE "a""; drop" PARTITION OF chunks FOR VALUES IN (1);
        """
    )
    metadata = models()
    metadata.remove(metadata.tables["notes"])
    assert await compared(engine, metadata, include_name=without_partitions) == []


async def test_leaves_of_leaves(engine, oracle):
    await oracle.execute(
        """
        CREATE TABLE chunks (id int, key int NOT NULL, note text, PRIMARY KEY (id, key))
            PARTITION BY LIST (key);
        CREATE INDEX chunks_note_idx ON chunks (note);
        CREATE TABLE a PARTITION OF chunks FOR VALUES IN (1) PARTITION BY HASH (id);
        CREATE TABLE b PARTITION OF a FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        """
    )
    metadata = models()
    metadata.remove(metadata.tables["notes"])
    assert await compared(engine, metadata, include_name=without_partitions) == []


async def test_a_leaf_that_the_models_have_is_compared_without_what_it_inherits(engine, oracle):
    await tree(oracle)
    metadata = models()
    leaf = sa.Table(
        "W'; drop ☃ 1",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text),
        schema="Elsewhere",
    )

    def include(connection):
        return without_partitions(connection, metadata)

    assert await compared(engine, metadata, include_name=include) == []
    leaf.append_column(sa.Column("more", sa.Text))
    ((kind, schema, table, column),) = await compared(engine, metadata, include_name=include)
    assert (kind, schema, table, column.name) == ("add_column", "Elsewhere", leaf.name, "more")


async def test_each_comparison_asks_anew(engine, oracle):
    await tree(oracle)

    def compare(connection):
        include = without_partitions(connection, metadata)
        options = {"include_name": include, "include_schemas": True}
        context = MigrationContext.configure(connection, opts=options)
        first = compare_metadata(context, metadata)
        connection.exec_driver_sql("CREATE TABLE another PARTITION OF chunks DEFAULT")
        return first, compare_metadata(context, metadata)

    metadata = models()
    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == ([], [])


async def test_alembic_itself_with_our_two_lines(oracle, database_url, tmp_path):
    await tree(oracle)
    await init_directory(tmp_path / "migrations")
    (tmp_path / "migrations/env.py").write_text(
        "from schemakit.env import run\n"
        "from tests.runner.test_autogenerate_partitions import models\n"
        "run(target_metadata=models(), include_schemas=True)\n"
    )
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "alembic.config",
        "check",
        cwd=tmp_path,
        env={"DATABASE_URL": database_url, "PYTHONPATH": ":".join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert "No new upgrade operations detected" in said.decode(), said.decode()
