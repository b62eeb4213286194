"""A layout on a table: what does not fit is refused, and ``create_all`` makes the tree."""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry
from tests.partitioning.layouts import HOSTILE

from schemakit.errors import LayoutRefused, TreeRefused
from schemakit.partitioning import (
    Expression,
    Grant,
    HashKeyLayout,
    HashLayout,
    LeafIndex,
    LeafTraits,
    Name,
    ValuesLayout,
    declare,
    layout_of,
    partitioned,
)
from schemakit.runner.models.trees import locks_of

HASHED = HashLayout(Name("events"), ("tenant", "id"), types=("text", "int8"), modulus=4)
KEYED = HashKeyLayout(Name("chunks"), "partition_key", source="collection_id", modulus=10)
LISTED = ValuesLayout(Name("orders"), "region", values=("eu", ("us", "ca")), default="elsewhere")

#: A lock is one in the server's table, in however many modes it is held.
LOCKS = """
SELECT count(DISTINCT (relation, classid, objid))
  FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
 WHERE d.datname = current_database() AND coalesce(relation, objid) >= 16384
"""


def events(layout=HASHED, metadata=None, **options):
    return sa.Table(
        layout.parent.name,
        metadata or sa.MetaData(),
        sa.Column("tenant", sa.String(40), primary_key=True),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text),
        **partitioned(layout, **options),
    )


def chunks(layout=KEYED, *more, key=sa.Integer, source=sa.Uuid, metadata=None, **options):
    return sa.Table(
        layout.parent.name,
        metadata or sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("collection_id", source, nullable=False),
        sa.Column("partition_key", key, primary_key=True, autoincrement=False),
        *more,
        **partitioned(layout, **options),
    )


async def create(engine, table, method="create_all", **options):
    async with engine.begin() as connection:
        await connection.run_sync(getattr(table.metadata, method), **options)


async def leaves(oracle, parent):
    return [
        tuple(row)
        for row in await oracle.fetch(
            """
            SELECT n.nspname, c.relname, pg_get_expr(c.relpartbound, c.oid)
              FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
              JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE i.inhparent = $1::text::regclass ORDER BY c.oid
            """,
            str(parent),
        )
    ]


# -- create_all -----------------------------------------------------------------------------------


async def test_create_all_makes_the_tree(engine, oracle):
    await create(engine, events())
    assert await leaves(oracle, "events") == [
        ("public", f"events_{number}", f"FOR VALUES WITH (modulus 4, remainder {number})")
        for number in range(4)
    ]


async def test_the_leaves_of_a_list(engine, oracle):
    columns = [sa.Column("id", sa.Integer), sa.Column("region", sa.Text)]
    await create(engine, sa.Table("orders", sa.MetaData(), *columns, **partitioned(LISTED)))
    assert await leaves(oracle, "orders") == [
        ("public", "orders_eu", "FOR VALUES IN ('eu')"),
        ("public", "orders_us", "FOR VALUES IN ('us', 'ca')"),
        ("public", "elsewhere", "DEFAULT"),
    ]


async def test_create_all_again_changes_nothing_and_drop_all_leaves_nothing(engine, oracle):
    table = events()
    await create(engine, table)
    await create(engine, table)
    assert len(await leaves(oracle, "events")) == 4
    await create(engine, table, "drop_all")
    assert await oracle.fetchval("SELECT count(*) FROM pg_class WHERE relname ~ '^events'") == 0


async def test_a_mapped_class(engine, oracle):
    class Base(DeclarativeBase):
        pass

    class Event(Base):
        __tablename__ = "events"
        __table_args__ = (sa.Index("events_note_idx", "note"), partitioned(HASHED, comment="all"))
        tenant: Mapped[str] = mapped_column(primary_key=True)
        id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
        note: Mapped[str | None]

    assert layout_of(Event) == layout_of(Event.__table__) == HASHED
    await create(engine, Event)
    assert len(await leaves(oracle, "events")) == 4
    assert await oracle.fetchval("SELECT count(*) FROM pg_indexes WHERE indexdef ~ 'note'") == 5
    assert await oracle.fetchval("SELECT obj_description('events'::regclass)") == "all"


async def test_a_table_that_is_there_already(engine, oracle):
    table = sa.Table(
        "events",
        sa.MetaData(),
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("id", sa.BigInteger, primary_key=True),
    )
    assert declare(table, HASHED) is table
    assert declare(table, HASHED) is table
    await create(engine, table)
    assert len(await leaves(oracle, "events")) == 4


async def test_hostile_names_in_any_schema(engine, oracle):
    await oracle.execute('CREATE SCHEMA "Sche""ma; --"; CREATE SCHEMA "a.b"')
    layout = HashLayout(
        HOSTILE,
        ("tenant", "id"),
        types=("text", "int8"),
        modulus=2,
        naming='"; {i} %s',
        schema="a.b",
    )
    await create(engine, events(layout, schema=HOSTILE.schema))
    assert [row[:2] for row in await leaves(oracle, HOSTILE)] == [
        ("a.b", '"; 0 %s'), ("a.b", '"; 1 %s'),
    ]  # fmt: skip


async def test_the_schema_of_the_metadata(engine, oracle):
    await oracle.execute("CREATE SCHEMA app")
    table = events(metadata=sa.MetaData(schema="app"))
    assert layout_of(table).parent == Name("events", "app")
    await create(engine, table)
    assert {row[0] for row in await leaves(oracle, "app.events")} == {"app"}


async def test_a_schema_translate_map(engine, oracle):
    await oracle.execute("CREATE SCHEMA tenant_7")
    table = events(schema="app")
    await create(engine.execution_options(schema_translate_map={"app": "tenant_7"}), table)
    assert {row[0] for row in await leaves(oracle, "tenant_7.events")} == {"tenant_7"}


async def test_a_copy_in_another_schema(engine, oracle):
    await oracle.execute("CREATE SCHEMA other")
    copy = chunks().to_metadata(sa.MetaData(), schema="other")
    assert layout_of(copy).parent == Name("chunks", "other")
    await create(engine, copy)
    assert len(await leaves(oracle, "other.chunks")) == 10


async def test_what_the_leaves_carry(engine, oracle):
    await oracle.execute("DO $$BEGIN CREATE ROLE models_reader; EXCEPTION WHEN OTHERS THEN END$$")
    traits = LeafTraits(
        indexes=(
            LeafIndex("{table}_note_idx", (Expression("lower(note)"),), where="note <> ''"),
            LeafIndex("{table}_id_uq", ("id",), unique=True, on_parent=False),
        ),
        storage=(("fillfactor", 70),),
        grants=(Grant(("SELECT",), "models_reader"),),
        replica_identity="full",
    )
    layout = HashLayout(HASHED.parent, HASHED.key, types=HASHED.types, modulus=2, carries=traits)
    await create(engine, events(layout))
    row = await oracle.fetchrow(
        "SELECT relreplident, reloptions, has_table_privilege('models_reader', oid, 'SELECT') "
        "FROM pg_class WHERE relname = 'events_1'"
    )
    assert tuple(row) == (b"f", ["fillfactor=70"], True)
    assert sorted(row[0] for row in await oracle.fetch("SELECT indexname FROM pg_indexes "
        "WHERE tablename IN ('events', 'events_1')")) == [
        "events_1_id_uq", "events_1_lower_idx", "events_1_pkey", "events_note_idx", "events_pkey",
    ]  # fmt: skip
    await oracle.execute("DROP OWNED BY models_reader")


def test_a_script_without_a_database():
    said = []
    table = chunks(
        HashKeyLayout(Name("chunks"), "partition_key", source="collection_id", modulus=2)
    )
    engine = sa.create_mock_engine(
        "postgresql+asyncpg://",
        lambda sql, *_, **__: said.append(str(sql.compile(dialect=engine.dialect))),
    )
    table.metadata.create_all(engine, checkfirst=False)
    assert [line.strip() for line in said[1:]] == [
        'CREATE TABLE "chunks_0" PARTITION OF "chunks" FOR VALUES IN (0)',
        'CREATE TABLE "chunks_1" PARTITION OF "chunks" FOR VALUES IN (1)',
    ]


async def test_more_locks_than_the_server_has(engine, oracle):
    layout = HashLayout(HASHED.parent, HASHED.key, types=HASHED.types, modulus=10_000)
    with pytest.raises(TreeRefused, match=r"would take [\d,]+ locks for \"events\"") as refused:
        await create(engine, events(layout))
    assert "call create_tree" in str(refused.value)
    assert await oracle.fetchval("SELECT to_regclass('events')") is None


@pytest.mark.parametrize("indexes", [0, 3])
async def test_no_lock_too_few_is_reckoned_with(engine, oracle, indexes):
    carries = LeafTraits(
        indexes=tuple(LeafIndex(f"{{table}}_i{number}", ("note",)) for number in range(indexes))
    )
    layout = HashLayout(HASHED.parent, HASHED.key, types=HASHED.types, modulus=50, carries=carries)
    table = events(layout)
    async with engine.connect() as connection:
        await connection.run_sync(table.metadata.create_all)
        taken = await oracle.fetchval(LOCKS)
        await connection.rollback()
    assert 0.4 * locks_of(table, layout) < taken <= locks_of(table, layout)


# -- what does not fit ----------------------------------------------------------------------------


def refused(make, *expected):
    with pytest.raises(LayoutRefused) as refused:
        make()
    for each in expected:
        assert each in str(refused.value)


def test_another_table():
    other = HashLayout(Name("other"), ("tenant",), types=("text",), modulus=2)
    table = sa.Table("events", sa.MetaData(), sa.Column("tenant", sa.Text))
    refused(lambda: declare(table, other), 'one of "other", and the table is "events"')
    elsewhere = HashLayout(Name("events", "b"), ("tenant",), types=("text",), modulus=2)
    refused(lambda: events(elsewhere, schema="a"), 'one of "b"."events"')


def test_no_table():
    refused(lambda: declare(sa.select(sa.literal(1)).subquery(), HASHED), "is no Table")


def test_no_layout():
    refused(lambda: partitioned("events"), "'events' is no layout", "HashLayout(Name(")
    refused(lambda: declare(sa.Table("events", sa.MetaData()), "events"), "'events' is no layout")


def test_the_layout_of_a_class_that_is_mapped_imperatively():
    class Event:
        pass

    registry().map_imperatively(Event, events())
    assert layout_of(Event) == HASHED
    assert layout_of(events().alias()) is layout_of(sa.Table("t", sa.MetaData())) is None


@pytest.mark.parametrize("given", ["events", None, HASHED, int, object()])
def test_the_layout_of_what_is_no_table(given):
    refused(lambda: layout_of(given), "is no Table, and no mapped class", "Remedy: give one")


def test_two_layouts():
    table = events()
    other = HashLayout(HASHED.parent, HASHED.key, types=HASHED.types, modulus=8)
    refused(lambda: declare(table, other), "has another layout already")
    refused(
        lambda: events(postgresql_partition_by="RANGE (id)"), "postgresql_partition_by='RANGE (id)'"
    )


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (
            HashLayout(Name("events"), ("missing",), types=("text",), modulus=2),
            '"events" has no column "missing"',
        ),
        (
            HashLayout(Name("events"), ("note",), types=("text",), modulus=2),
            'The primary key of "events" lacks "note"',
        ),
        (
            HashLayout(Name("events"), ("id",), types=("int4",), modulus=2),
            '"id" is bigint, and int4 in the layout',
        ),
        (
            ValuesLayout(Name("events"), "id", values=("a",)),
            '"id" is bigint, and text in the layout',
        ),
        (
            HashLayout(
                Name("events"), ("id",), types=("int8",), modulus=2,
                carries=LeafTraits(indexes=(LeafIndex("{table}_x", ("x",)),)),
            ),
            'has no column "x"',
        ),
    ],
)  # fmt: skip
def test_what_the_table_has_not(layout, said):
    refused(lambda: events(layout), said, "Remedy:")


def test_a_unique_constraint_without_the_key():
    def make():
        chunks(KEYED, sa.Column("slug", sa.Text, unique=True))

    refused(make, 'A unique constraint of "chunks" lacks "partition_key"', "within a leaf")


def test_an_index_in_both_places():
    traits = LeafTraits(indexes=(LeafIndex("{table}_id", ("id",)),))
    layout = HashKeyLayout(
        KEYED.parent, "partition_key", source="collection_id", modulus=2, carries=traits
    )
    refused(lambda: chunks(layout, sa.Index("chunks_id", "id")), "Both the table and the layout")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": sa.Text}, '"partition_key" is text'),
        ({"key": sa.Numeric(4, 0)}, '"partition_key" is numeric'),
        ({"source": sa.DateTime}, "whose text only the server knows"),
        ({"source": sa.CHAR(9)}, "whose text only the server knows"),
        ({"source": sa.Numeric}, "whose text only the server knows"),
    ],
)
def test_a_key_that_cannot_be_computed(options, said):
    refused(lambda: chunks(**options), said, "Remedy:")


@pytest.mark.parametrize(
    "source",
    [
        sa.Uuid,
        sa.Text,
        sa.String(9),
        sa.BigInteger,
        postgresql.CITEXT,
        postgresql.UUID(as_uuid=False),
        sa.Enum("a", "b", name="e"),
    ],
)
def test_what_a_key_is_computed_from(source):
    assert layout_of(chunks(source=source)) == KEYED


def columns(*made):
    return sa.Table("chunks", sa.MetaData(), *made, **partitioned(KEYED))


@pytest.mark.parametrize("options", [{"default": 1}, {"server_default": "1"}])
def test_a_key_that_has_a_value_already(options):
    key = sa.Column("partition_key", sa.Integer, **options)
    refused(lambda: columns(sa.Column("collection_id", sa.Text), key), "has a default")


def test_a_generated_key():
    key = sa.Column("partition_key", sa.Integer, sa.Computed("1"))
    refused(lambda: columns(sa.Column("collection_id", sa.Text), key), "is a generated column")


def test_a_source_that_gets_its_default_too_late():
    key, source = (
        sa.Column("partition_key", sa.Integer),
        sa.Column("collection_id", sa.Text, default="a"),
    )
    refused(lambda: columns(key, source), "stands behind", "put the key column behind its source")


def test_a_smallint():
    layout = HashKeyLayout(KEYED.parent, "partition_key", source="collection_id", modulus=40_000)
    refused(
        lambda: chunks(layout, key=sa.SmallInteger), "is a smallint, and there are 40,000 leaves"
    )
