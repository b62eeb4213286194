"""What docs/reference-layout.md recommends for a new table: the page's SQL, in every way."""

import re
from itertools import count
from uuid import UUID

import pytest
from sqlalchemy import Computed, Identity, insert, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tests.reference.plans import relations_read

from schemakit.partitioning import hash_partition, verify_server

FORMULA = "abs(hashtext(collection_id::text) % 100)"
#: hashtext of the first is -2147483648.
COLLECTIONS = [
    UUID("00000000-0000-4000-8000-0001456ed970"),
    *(UUID(int=number) for number in range(1, 12)),
]
FIRST = COLLECTIONS[0]


def remainder_of(collection):
    return hash_partition((collection,), 4, types=("uuid",))


SECOND = next(UUID(int=n) for n in count() if remainder_of(UUID(int=n)) != remainder_of(FIRST))


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    collection_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    partition_key: Mapped[int] = mapped_column(Computed(FORMULA, persisted=True))
    content: Mapped[str]


@pytest.fixture
async def notes(engine, oracle, root):
    """A connection to a database with the table of the page."""
    page = (root / "docs" / "reference-layout.md").read_text("utf-8")
    await oracle.execute(re.search(r"```sql\n(CREATE TABLE notes.*?)```", page, re.DOTALL)[1])
    async with engine.connect() as connection:
        yield connection


async def collections_lying_right(connection):
    """The collections of the rows, each seen to lie where the calculator says, with the old key."""
    found = await connection.execute(
        text(
            "SELECT collection_id, tableoid::regclass::text AS leaf,"
            f" partition_key = {FORMULA} AS right FROM notes ORDER BY id"
        )
    )
    rows = found.all()
    assert [row.leaf for row in rows] == [f"notes_{remainder_of(row[0])}" for row in rows]
    assert all(row.right for row in rows)
    return [row[0] for row in rows]


async def test_sql(notes):
    statement = text("INSERT INTO notes (collection_id, content) VALUES (:c, 'x')")
    result = await notes.execute(statement, {"c": FIRST})
    assert result.rowcount == 1
    assert await collections_lying_right(notes) == [FIRST]


async def test_copy(notes):
    driver = (await notes.get_raw_connection()).driver_connection
    rows = [(collection, "x") for collection in COLLECTIONS]
    await notes.execute(text("SELECT 1"))
    tag = await driver.copy_records_to_table(
        "notes", records=rows, columns=["collection_id", "content"]
    )
    assert tag == f"COPY {len(rows)}"
    assert await collections_lying_right(notes) == COLLECTIONS


async def test_core(notes):
    rows = [{"collection_id": collection, "content": "x"} for collection in COLLECTIONS]
    ids = await notes.execute(insert(Note.__table__).returning(Note.__table__.c.id), rows)
    assert len(set(ids.scalars())) == len(COLLECTIONS)
    assert await collections_lying_right(notes) == COLLECTIONS


async def test_the_orm(notes):
    async with AsyncSession(notes) as session:
        note = Note(collection_id=FIRST, content="x")
        session.add(note)
        await session.flush()
        await session.refresh(note)
        assert note.partition_key == 48
        note.collection_id = SECOND
        await session.flush()
        assert await collections_lying_right(notes) == [SECOND]


async def test_on_conflict_returning(notes):
    statement = text("""
        INSERT INTO notes (id, collection_id, content) VALUES (1, :c, :content)
        ON CONFLICT (collection_id, id) DO UPDATE SET content = excluded.content
        RETURNING content
    """)
    for content in ("old", "new"):
        result = await notes.execute(statement, {"c": FIRST, "content": content})
        assert result.scalars().all() == [content]
    assert await collections_lying_right(notes) == [FIRST]


async def test_nobody_writes_the_key(notes):
    with pytest.raises(Exception, match=r"cannot insert a non-DEFAULT value|generated column"):
        await notes.execute(
            text("INSERT INTO notes (collection_id, partition_key, content) VALUES (:c, 1, 'x')"),
            {"c": FIRST},
        )


async def test_a_look_at_a_collection_reads_one_partition(notes):
    query = f"SELECT * FROM notes WHERE collection_id = '{FIRST}'"
    assert await relations_read(notes, query) == {f"notes_{remainder_of(FIRST)}"}


async def test_the_calculator_may_be_used_with_it(notes, database_url):
    engine = create_async_engine(database_url)
    assert (await verify_server(engine, "notes")).types == ("uuid",)
    await engine.dispose()
