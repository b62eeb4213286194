"""Inserts and updates through Core and ORM compute the key; a wrong one is refused."""

import contextlib
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from schemakit.errors import KeyRefused
from schemakit.partitioning import HashKeyLayout, Name, partitioned

#: Neither the attribute, nor Column.key, nor the database's name of a column is that of another.
LAYOUT = HashKeyLayout(Name("chunks"), "Part; key", source='coll"ection', modulus=10)


class Base(DeclarativeBase):
    pass


class Chunk(Base):
    __tablename__ = "chunks"
    __table_args__ = partitioned(LAYOUT)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[UUID] = mapped_column('coll"ection', sa.Uuid, key="col", nullable=False)
    number: Mapped[int] = mapped_column("Part; key", key="num", primary_key=True)
    note: Mapped[str | None]


chunks = Chunk.__table__
#: Two in different leaves, and one whose hash is -2147483648.
A, B = UUID(int=1), UUID(int=2)
OVERFLOWING = UUID("00000000-0000-4000-8000-0001456ed970")


@pytest.fixture
async def made(engine):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return engine


@pytest.fixture
async def rows(oracle):
    """Id, source and key of each row, the key as the server computes it, and where it lies."""

    async def read(where="true"):
        found = await oracle.fetch(
            f"""
            SELECT id, "coll""ection" AS source, "Part; key" AS key,
                   tableoid::regclass::text AS leaf,
                   abs(hashtext("coll""ection"::text) % 10) AS right
              FROM chunks WHERE {where} ORDER BY id
            """
        )
        assert all(row["key"] == row["right"] for row in found)
        assert all(row["leaf"] == f"chunks_{row['right']}" for row in found)
        return [(row["id"], row["source"]) for row in found]

    return read


async def run(engine, statement, *parameters):
    async with engine.begin() as connection:
        return await connection.execute(statement, *parameters)


# -- insert ---------------------------------------------------------------------------------------


async def test_one_row(made, rows):
    await run(made, sa.insert(chunks).values(id=1, col=A))
    await run(made, sa.insert(chunks), {"id": 2, "col": OVERFLOWING})
    assert await rows() == [(1, A), (2, OVERFLOWING)]


async def test_many_rows(made, rows):
    expected = [(number, uuid4()) for number in range(300)]
    await run(made, sa.insert(chunks), [{"id": n, "col": source} for n, source in expected])
    assert await rows() == expected


async def test_several_rows_in_one_statement(made, rows):
    values = [{"id": 1, "col": A}, {"id": 2, "col": B}]
    await run(made, sa.insert(chunks).values(values))
    assert await rows() == [(1, A), (2, B)]


async def test_many_rows_with_returning(made, rows):
    expected = [(number, uuid4()) for number in range(50)]
    statement = sa.insert(chunks).returning(chunks.c.id, chunks.c.num, sort_by_parameter_order=True)
    found = await run(made, statement, [{"id": n, "col": source} for n, source in expected])
    assert [row.num for row in found] == [LAYOUT.key_for(source) for _, source in expected]
    assert await rows() == expected


async def test_on_conflict(made, rows):
    statement = insert(chunks).on_conflict_do_update(
        index_elements=[chunks.c.id, chunks.c.num], set_={"note": "again"}
    )
    for expected in (None, "again"):
        found = await run(made, statement.returning(chunks.c.note), {"id": 1, "col": A})
        assert found.scalar() == expected
    await run(made, insert(chunks).on_conflict_do_nothing(), {"id": 1, "col": A})
    assert await rows() == [(1, A)]


async def test_insert_from_select(made, rows):
    await run(made, sa.insert(chunks), [{"id": n, "col": uuid4()} for n in range(20)])
    select = sa.select(chunks.c.id + 100, sa.func.gen_random_uuid(), sa.literal("copied"))
    await run(made, sa.insert(chunks).from_select(["id", "col", "note"], select))
    assert len(await rows()) == 40
    assert len(await rows("note = 'copied'")) == 20


async def test_insert_from_select_of_nulls(made, rows):
    select = sa.select(sa.literal(1), sa.literal(A, sa.Uuid), sa.null())
    await run(made, sa.insert(chunks).from_select(["id", "col", "note"], select))
    assert await rows() == [(1, A)]


async def test_what_is_too_long_is_refused_and_not_cut(made, oracle):
    await oracle.execute("ALTER TABLE chunks ALTER note TYPE varchar(3)")
    union = sa.union_all(
        sa.select(sa.literal(1), sa.literal(A, sa.Uuid), sa.null()),
        sa.select(sa.literal(2), sa.literal(B, sa.Uuid), sa.literal("too long")),
    )
    select = sa.select(sa.literal(3), sa.literal(A, sa.Uuid), sa.func.upper("too long"))
    for rows in (union, select):
        with pytest.raises(DBAPIError, match="too long for type"):
            await run(made, sa.insert(chunks).from_select(["id", "col", "note"], rows))


async def test_insert_from_a_union_with_returning(made, rows):
    union = sa.union_all(
        sa.select(sa.literal(1), sa.literal(A, sa.Uuid)),
        sa.select(sa.literal(2), sa.literal(B, sa.Uuid)),
    )
    statement = sa.insert(chunks).from_select(["id", "col"], union).returning(chunks.c.num)
    found = await run(made, statement)
    assert sorted(found.scalars()) == sorted(map(LAYOUT.key_for, (A, B)))
    assert await rows() == [(1, A), (2, B)]


async def test_a_source_that_the_server_computes(made, rows):
    await run(made, sa.insert(chunks).values(id=1, col=sa.cast(str(A), sa.Uuid)))
    async with AsyncSession(made) as session:
        session.add(Chunk(id=2, source=sa.cast(str(B), sa.Uuid)))
        await session.commit()
    assert await rows() == [(1, A), (2, B)]


async def test_a_source_that_is_another_each_time_is_refused(made, rows):
    another = sa.insert(chunks).values(id=1, col=sa.func.gen_random_uuid())
    with contextlib.suppress(IntegrityError):  # unless it comes to be in the same leaf as its twin
        await run(made, another)
    await rows()


async def test_the_unit_of_work(made, rows):
    async with AsyncSession(made, expire_on_commit=False) as session:
        added = [Chunk(id=number, source=uuid4()) for number in range(30)]
        session.add_all(added)
        await session.commit()
    assert [each.number for each in added] == [LAYOUT.key_for(each.source) for each in added]
    assert await rows() == [(each.id, each.source) for each in added]


async def test_bulk_inserts_of_the_orm(made, rows):
    async with AsyncSession(made) as session:
        await session.execute(sa.insert(Chunk), [{"id": n, "source": uuid4()} for n in range(20)])
        await session.execute(sa.insert(Chunk).values(id=20, source=A))
        statement = sa.insert(Chunk).returning(Chunk)
        found = await session.scalars(statement, [{"id": n, "source": B} for n in (21, 22)])
        assert [(each.id, each.number) for each in found] == [
            (21, LAYOUT.key_for(B)), (22, LAYOUT.key_for(B)),
        ]  # fmt: skip
        await session.execute(
            sa.insert(Chunk).from_select(
                ["id", "col"], sa.select(Chunk.id + 100, sa.func.gen_random_uuid())
            )
        )
        await session.commit()
    assert len(await rows()) == 46


async def test_a_source_from_a_default(engine, oracle):
    table = sa.Table(
        "defaults",
        sa.MetaData(),
        sa.Column("source", sa.Text, default=lambda: str(uuid4())),
        sa.Column("key", sa.Integer),
        **partitioned(HashKeyLayout(Name("defaults"), "key", source="source", modulus=4)),
    )
    async with engine.begin() as connection:
        await connection.run_sync(table.metadata.create_all)
        await connection.execute(sa.insert(table), [{} for _ in range(20)])
    wrong = "SELECT count(*) FROM defaults WHERE key <> abs(hashtext(source) % 4)"
    assert await oracle.fetchval("SELECT count(*) FROM defaults") == 20
    assert await oracle.fetchval(wrong) == 0


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (sa.Text, ["", "a", "ünï☃", "x" * 300]),
        (sa.BigInteger, [0, -5, 2**62]),
        (sa.Uuid(as_uuid=False), [str(A).upper(), str(B)]),
        (sa.Enum("one", "two", name="numbers"), ["one", "two"]),
    ],
    ids=["text", "int8", "uuid", "enum"],
)
async def test_the_text_of_each_kind(engine, oracle, kind, values):
    table = sa.Table(
        "kinds",
        sa.MetaData(),
        sa.Column("id", sa.Integer),
        sa.Column("source", kind),
        sa.Column("key", sa.SmallInteger),
        **partitioned(HashKeyLayout(Name("kinds"), "key", source="source", modulus=7)),
    )
    async with engine.begin() as connection:
        await connection.run_sync(table.metadata.create_all)
        for copies in (1, 30):
            given = [{"id": 1, "source": value} for value in values * copies]
            await connection.execute(sa.insert(table), given)
        for value in values:
            await connection.execute(sa.update(table).values(source=value).where(table.c.id == 1))
    assert await oracle.fetchval("SELECT count(*) FROM kinds") == 31 * len(values)
    wrong = "SELECT count(*) FROM kinds WHERE key <> abs(hashtext(source::text) % 7)"
    assert await oracle.fetchval(wrong) == 0


# -- what is refused ------------------------------------------------------------------------------


async def test_a_wrong_key_is_refused_and_a_right_one_taken(made, rows):
    wrong = {"id": 1, "col": A, "num": (LAYOUT.key_for(A) + 1) % 10}
    with pytest.raises(IntegrityError, match="chunks_Part; key_check"):
        await run(made, sa.insert(chunks), wrong)
    await run(made, sa.insert(chunks), {**wrong, "num": LAYOUT.key_for(A)})
    assert await rows() == [(1, A)]
    with pytest.raises(IntegrityError, match="chunks_Part; key_check"):
        await run(made, sa.update(chunks).values(num=wrong["num"]))
    assert await rows() == [(1, A)]


async def test_a_row_without_its_source(made):
    with pytest.raises(StatementError) as refused:
        await run(made, sa.insert(chunks), {"id": 1})
    assert isinstance(refused.value.orig, KeyRefused)
    assert 'no "coll""ection" of which to compute its key' in str(refused.value)


@pytest.mark.parametrize("given", [{"id": 1}, {"id": 1, "col": None}])
@pytest.mark.parametrize("many", [1, 2, 20])
async def test_a_source_that_is_null(made, given, many):
    with pytest.raises(StatementError) as refused:
        await run(made, sa.insert(chunks), [given] * many)
    assert isinstance(refused.value.orig, KeyRefused)
    with pytest.raises(StatementError) as refused:
        await run(made, sa.insert(chunks).values(**given))
    assert isinstance(refused.value.orig, KeyRefused)


async def test_an_object_without_its_source(made):
    async with AsyncSession(made) as session:
        session.add(Chunk(id=1, note="x"))
        with pytest.raises(StatementError) as refused:
            await session.flush()
    assert isinstance(refused.value.orig, KeyRefused)


@pytest.mark.parametrize(
    "statement",
    [
        sa.insert(chunks).values(id=9, col=sa.null()),
        sa.insert(chunks).from_select(
            ["id", "col"], sa.select(sa.literal(9), sa.cast(None, sa.Uuid))
        ),
        sa.update(chunks).values(col=None),
    ],
)
async def test_a_source_that_only_the_server_sees_to_be_null(made, rows, statement):
    await run(made, sa.insert(chunks), {"id": 1, "col": A})
    with pytest.raises(IntegrityError, match="no partition of relation"):
        await run(made, statement)
    assert await rows() == [(1, A)]


async def test_a_null_source_has_a_leaf_where_the_layout_says_so(engine, oracle):
    layout = HashKeyLayout(Name("texts"), "key", source="s", modulus=4, unkeyed="texts_unkeyed")
    columns = [sa.Column("s", sa.Text), sa.Column("key", sa.Integer)]
    table = sa.Table("texts", sa.MetaData(), *columns, **partitioned(layout))
    async with engine.begin() as connection:
        await connection.run_sync(table.metadata.create_all)
        await connection.execute(sa.insert(table).values(s=None))
    assert await oracle.fetchval("SELECT tableoid::regclass::text FROM texts") == "texts_unkeyed"


# -- update ---------------------------------------------------------------------------------------


@pytest.fixture
async def filled(made):
    await run(made, sa.insert(chunks), [{"id": n, "col": A} for n in (1, 2, 3)])
    return made


@pytest.mark.parametrize(
    "statement",
    [
        sa.update(chunks).where(chunks.c.id == 1).values(col=B),
        sa.update(chunks).where(chunks.c.id == 1).values({chunks.c.col: B, chunks.c.note: "x"}),
        sa.update(Chunk).where(Chunk.id == 1).values(source=B),
        sa.update(Chunk).where(Chunk.id == 1).values({Chunk.source: B, Chunk.note: "x"}),
        sa.update(chunks).where(chunks.c.id == 1).values(col=sa.text(f"'{B}'::uuid")),
        sa.update(chunks).where(chunks.c.id == 1).values(col=sa.bindparam("b", B)),
    ],
)
async def test_an_update_of_the_source_moves_the_row(filled, rows, statement):
    for _ in range(2):  # the second time, from the cache
        await run(filled, statement)
        assert await rows() == [(1, B), (2, A), (3, A)]


async def test_the_same_update_with_other_values(filled, rows):
    for value in (B, A, OVERFLOWING):
        await run(filled, sa.update(chunks).where(chunks.c.id == 1).values(col=value))
        assert (await rows())[0] == (1, value)


async def test_an_update_by_parameters(filled, rows):
    statement = sa.update(chunks).where(chunks.c.id == sa.bindparam("which"))
    await run(filled, statement, {"which": 1, "col": B})
    await run(filled, statement, [{"which": 2, "col": OVERFLOWING}, {"which": 3, "col": B}])
    assert await rows() == [(1, B), (2, OVERFLOWING), (3, B)]


async def test_an_update_of_something_else_says_nothing_of_the_key(filled):
    said = str(sa.update(chunks).values(note="x").compile(dialect=filled.dialect))
    assert "Part" not in said


async def test_an_object_whose_source_changes(filled, rows):
    async with AsyncSession(filled, expire_on_commit=False) as session:
        chunk = (await session.scalars(sa.select(Chunk).where(Chunk.id == 1))).one()
        chunk.source = B
        await session.commit()
        assert chunk.number == LAYOUT.key_for(B)
        chunk.note = "and now something else"
        await session.commit()
        assert await session.get(Chunk, (1, LAYOUT.key_for(B))) is chunk
        await session.delete(chunk)
        await session.commit()
    assert await rows() == [(2, A), (3, A)]


async def test_a_bulk_update_by_primary_key(filled, rows):
    async with AsyncSession(filled) as session:
        key = LAYOUT.key_for(A)
        given = [{"id": 1, "number": key, "note": "x"}, {"id": 2, "number": key, "note": "y"}]
        await session.execute(sa.update(Chunk), given)
        await session.commit()
    assert await rows("note IS NOT NULL") == [(1, A), (2, A)]


async def test_an_update_inside_a_cte(filled, rows):
    moved = (
        sa.update(chunks).where(chunks.c.id == 1).values(col=B).returning(chunks.c.id).cte("moved")
    )
    await run(filled, sa.select(moved.c.id))
    assert await rows() == [(1, B), (2, A), (3, A)]
