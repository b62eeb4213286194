"""A query for a source looks into one leaf: the server's EXPLAIN is who says so."""

import re
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    mapped_column,
    relationship,
    selectinload,
)

from schemakit.errors import ConfigurationError, HashMismatch, LayoutRefused, UnsupportedTarget
from schemakit.partitioning import HashKeyLayout, HashLayout, Name, partitioned, prune_queries

LAYOUT = HashKeyLayout(Name("chunks"), "Part; key", source='coll"ection', modulus=10)
A, B = UUID(int=1), UUID(int=2)
LEAF = {each: f"chunks_{LAYOUT.key_for(each)}" for each in (A, B)}
EVERY = {f"chunks_{number}" for number in range(10)}


class Base(DeclarativeBase):
    pass


class Collection(Base):
    __tablename__ = "collections"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    chunks: Mapped[list["Chunk"]] = relationship(back_populates="collection")


class Chunk(Base):
    __tablename__ = "chunks"
    __table_args__ = partitioned(LAYOUT)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[UUID] = mapped_column('coll"ection', sa.ForeignKey("collections.id"), key="col")
    number: Mapped[int] = mapped_column("Part; key", key="num", primary_key=True)
    note: Mapped[str | None]
    collection: Mapped[Collection] = relationship(back_populates="chunks")


chunks = Chunk.__table__
assert LEAF[A] != LEAF[B]


@pytest.fixture
async def made(engine):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Collection), [{"id": A}, {"id": B}])
        rows = [{"id": number, "col": (A, B)[number % 2]} for number in range(20)]
        await connection.execute(sa.insert(chunks), rows)
    return engine


@pytest.fixture
def looked_into(made):
    """The leaves that the server looks into for a statement: it is told the text and the values."""
    sent = []

    def note(connection, cursor, statement, parameters, context, executemany):
        sent.append((statement, parameters))

    event.listen(made.sync_engine, "before_cursor_execute", note)

    async def leaves(statement, parameters=None, session=None):
        sent.clear()
        if session is None:
            async with made.connect() as connection:
                await connection.execute(statement, parameters)
        else:
            await session.execute(statement, parameters)
        found = []
        texts = [each for each in sent if "chunks" in each[0]]
        async with made.connect() as connection:
            for text, values in texts:
                many = values if isinstance(values, list) else [values]
                for each in many:
                    plan = await connection.exec_driver_sql(f"EXPLAIN {text}", each)
                    lines = "\n".join(plan.scalars())
                    found.append(EVERY & set(re.findall(r" on (chunks_\d)", lines)))
        return found[0] if len(found) == 1 else found

    return leaves


@pytest.fixture
async def pruned(made):
    await prune_queries(made, Chunk)
    return made


def asks(value):
    other, mapped = chunks.alias("other"), aliased(Chunk)
    return {
        "core": sa.select(chunks).where(chunks.c.col == value),
        "flipped": sa.select(chunks).where(sa.literal(value) == chunks.c.col),
        "and": sa.select(chunks).where(sa.and_(chunks.c.col == value, chunks.c.id > 3)),
        "nested": sa.select(chunks).where(
            sa.and_(sa.and_(chunks.c.id > 3, chunks.c.col == value), chunks.c.id < 9)
        ),
        "alias": sa.select(other).where(other.c.col == value),
        "in": sa.select(chunks).where(chunks.c.col.in_([value, value])),
        "delete": sa.delete(chunks).where(chunks.c.col == value, chunks.c.id == 99),
        "update": sa.update(chunks).where(chunks.c.col == value).values(note="x"),
        "join": sa.select(chunks)
        .join(Collection, Collection.id == chunks.c.col)
        .where(chunks.c.col == value),
        "orm": sa.select(Chunk).where(Chunk.source == value),
        "filter_by": sa.select(Chunk).filter_by(source=value),
        "aliased": sa.select(mapped).where(mapped.source == value),
        "orm join": sa.select(Chunk).join(Chunk.collection).where(Chunk.source == value),
        "columns": sa.select(Chunk.id).where(Chunk.source == value),
        "count": sa.select(sa.func.count()).select_from(Chunk).where(Chunk.source == value),
        "orm update": sa.update(Chunk).where(Chunk.source == value).values(note="y"),
        "orm delete": sa.delete(Chunk).where(Chunk.source == value, Chunk.id == 99),
    }


@pytest.mark.parametrize("which", list(asks(A)))
async def test_one_leaf_through_an_engine(looked_into, made, which):
    if which != "update":  # its RETURNING or not is the same to the planner
        assert await looked_into(asks(A)[which]) == EVERY
    await prune_queries(made, Chunk)
    for value in (A, B, A):  # the same statement with other values: from the cache
        assert await looked_into(asks(value)[which]) == {LEAF[value]}


@pytest.mark.parametrize(
    "which", [each for each in asks(A) if each.startswith(("orm", "filter", "alias", "col", "cou"))]
)
@pytest.mark.parametrize("synchronize", ["auto", "evaluate", "fetch", False])
async def test_one_leaf_through_a_session(looked_into, made, which, synchronize):
    async with AsyncSession(made) as session, AsyncSession(made) as other:
        await prune_queries(session, chunks)
        for value in (A, B):
            statement = asks(value)[which].execution_options(synchronize_session=synchronize)
            assert await looked_into(statement, session=session) == {LEAF[value]}
        assert await looked_into(asks(A)["orm"], session=other) == EVERY


async def test_the_same_statement_object_with_other_parameters(looked_into, pruned):
    statement = sa.select(chunks).where(chunks.c.col == sa.bindparam("which"))
    for value in (A, B, A):
        assert await looked_into(statement, {"which": value}) == {LEAF[value]}
    several = sa.select(chunks).where(chunks.c.col.in_(sa.bindparam("which", expanding=True)))
    for values in ([A], [B], [A, B]):
        assert await looked_into(several, {"which": values}) == {LEAF[value] for value in values}


async def test_many_executions_at_once(looked_into, pruned):
    statement = sa.delete(chunks).where(chunks.c.col == sa.bindparam("which"), chunks.c.id == 99)
    found = await looked_into(statement, [{"which": A}, {"which": B}])
    assert found == [{LEAF[A]}, {LEAF[B]}]


async def test_an_update_that_asks_for_the_source_and_sets_it(looked_into, pruned):
    statement = sa.update(chunks).where(chunks.c.col == sa.bindparam("which"), chunks.c.id == 0)
    assert await looked_into(statement, {"which": A, "col": B}) == {LEAF[A]}
    async with pruned.begin() as connection:
        await connection.execute(statement, [{"which": A, "col": B}, {"which": B, "col": B}])
        assert await connection.scalar(sa.select(chunks.c.num).where(chunks.c.id == 0)) == (
            LAYOUT.key_for(B)
        )


async def test_the_same_rows_are_found(made):
    async with AsyncSession(made) as session:
        before = [
            (await session.execute(asks(value)["columns"])).scalars().all() for value in (A, B)
        ]
    await prune_queries(made, Chunk)
    async with AsyncSession(made) as session:
        after = [
            (await session.execute(asks(value)["columns"])).scalars().all() for value in (A, B)
        ]
    assert after == before == [list(range(0, 20, 2)), list(range(1, 20, 2))]


async def test_relationships(looked_into, pruned):
    async with AsyncSession(pruned) as session:
        loaded = (
            sa.select(Collection).where(Collection.id == A).options(selectinload(Collection.chunks))
        )
        assert await looked_into(loaded, session=session) == {LEAF[A]}
        (collection,) = await session.scalars(sa.select(Collection).where(Collection.id == B))
        assert len(await session.run_sync(lambda _: collection.chunks)) == 10


@pytest.mark.parametrize(
    "statement",
    [
        sa.select(chunks).where(sa.or_(chunks.c.col == A, chunks.c.id == 1)),
        sa.select(chunks).where(~(chunks.c.col == A)),
        sa.select(chunks).where(chunks.c.col.in_([uuid4() for _ in range(60)])),
        sa.select(chunks).where(sa.func.coalesce(chunks.c.col, B) == A),
        sa.select(chunks).where(sa.cast(chunks.c.col, sa.Text) == str(A)),
        sa.select(sa.select(chunks.c.id).where(chunks.c.col == A).exists()),
        sa.select(chunks),
        sa.text(f'SELECT * FROM chunks WHERE "coll""ection" = \'{A}\''),
    ],
)
async def test_what_is_left_alone(looked_into, pruned, statement):
    assert await looked_into(statement) == EVERY


async def test_a_value_that_is_null_or_no_key(pruned):
    async with pruned.connect() as connection:
        assert not (await connection.execute(sa.select(chunks).where(chunks.c.col.in_([])))).all()
        statement = sa.select(chunks).where(chunks.c.col == sa.bindparam("which"))
        assert not (await connection.execute(statement, {"which": None})).all()


async def test_no_table_is_named(made):
    with pytest.raises(ConfigurationError, match="Remedy: name each"):
        await prune_queries(made)


async def test_what_is_no_engine_and_no_session(made):
    for target in (made.sync_engine, None):
        with pytest.raises(UnsupportedTarget, match="neither an AsyncEngine nor an AsyncSession"):
            await prune_queries(target, chunks)


async def test_what_is_asked_for_and_cannot_be(engine, made):
    with pytest.raises(LayoutRefused, match="has no layout"):
        await prune_queries(made, Collection)
    layout = HashLayout(Name("native"), ("id",), types=("int4",), modulus=2)
    native = sa.Table("native", sa.MetaData(), sa.Column("id", sa.Integer), **partitioned(layout))
    with pytest.raises(LayoutRefused, match="PostgreSQL prunes it by itself"):
        await prune_queries(made, native)
    missing = HashKeyLayout(Name("missing"), "key", source="source", modulus=2)
    with pytest.raises(ConfigurationError, match="no table"):
        await prune_queries(made, keyed(missing))


def keyed(layout, source=sa.Text):
    columns = [sa.Column("source", source), sa.Column("key", sa.Integer)]
    return sa.Table(layout.parent.name, sa.MetaData(), *columns, **partitioned(layout))


async def test_a_collation_to_which_other_texts_are_equal(engine, oracle):
    try:
        await oracle.execute(
            "CREATE COLLATION insensitive"
            " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    except asyncpg.FeatureNotSupportedError:
        pytest.skip("this PostgreSQL was built without ICU")
    layout = HashKeyLayout(Name("texts"), "key", source="source", modulus=4)
    table = keyed(layout, sa.Text(collation="insensitive"))
    async with engine.begin() as connection:
        await connection.run_sync(table.metadata.create_all)
    with pytest.raises(HashMismatch, match="not deterministic"):
        await prune_queries(engine, table)
