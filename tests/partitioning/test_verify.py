"""Does the server hash as the calculator does? Oracle: servers made to differ."""

from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_postgres import disposing

from schemakit.catalog import read
from schemakit.catalog.model import HashedColumn
from schemakit.errors import ConfigurationError, HashMismatch
from schemakit.partitioning import hash_partition, verify_server
from schemakit.runner.verify import differences
from schemakit.sql import Name


@pytest.fixture
async def agreeing(engine):
    """What a server that agrees has answered."""
    async with engine.connect() as connection:
        return await connection.run_sync(read.hashing, None)


@pytest.fixture
async def encoded_as(dsn_of, url_of):
    """Make databases in other encodings; they are dropped at the end."""
    made = []
    admin = await asyncpg.connect(dsn_of("postgres"))

    async def make(encoding):
        made.append(f"t_{uuid4().hex[:12]}")
        await admin.execute(
            f"CREATE DATABASE {made[-1]} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
        )
        return url_of(made[-1])

    yield make
    for name in made:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def said(engine, table):
    with pytest.raises(HashMismatch) as caught:
        await verify_server(engine, table)
    return caught.value.detail


async def test_a_server_like_ours_agrees(engine, oracle):
    version = await oracle.fetchval("SHOW server_version_num")
    found = await verify_server(engine)
    assert (found.encoding, found.types, found.uncertain) == ("UTF8", (), ())
    assert found.version == f"{int(version) // 10000}.{int(version) % 10000}"


async def test_it_asks_one_question(engine):
    statements = []
    event.listen(
        engine.sync_engine, "before_cursor_execute", lambda *said: statements.append(said[2])
    )
    await verify_server(engine, "pg_class")
    assert len([each for each in statements if "hashtext" in each]) == len(statements) == 1


async def test_a_lent_connection_keeps_its_transaction(engine):
    async with engine.connect() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (a text) PARTITION BY HASH (a)")
        assert (await verify_server(connection, "t")).types == ("text",)
        assert connection.in_transaction()


async def test_the_types_of_a_key_are_those_for_the_calculator(engine, oracle):
    await oracle.execute("""
        CREATE DOMAIN slug AS varchar(40);
        CREATE DOMAIN part AS slug CHECK (value <> '');
        CREATE SCHEMA app;
        CREATE TABLE app."Chunks" (
            n numeric(10, 2), k part, at timestamptz(3), id bigint, c char(5))
            PARTITION BY HASH (id, k, at, c, n)
    """)
    found = await verify_server(engine, 'app."Chunks"')
    assert found.types == (
        "bigint",
        "character varying",
        "timestamp with time zone",
        "character",
        "numeric",
    )
    assert found == await verify_server(engine, Name("Chunks", "app"))
    row = (None, "a", None, "b", None)
    assert hash_partition(row, 1, types=found.types) == 0


async def test_an_expression_is_named(engine, oracle):
    await oracle.execute("CREATE TABLE t (a text) PARTITION BY HASH (a, lower(a))")
    assert await said(engine, "t") == (
        "Key: column 2 is an expression, whose type only the server knows."
    )


async def test_an_enum_is_named(engine, oracle):
    await oracle.execute("""
        CREATE TYPE mood AS ENUM ('happy');
        CREATE TABLE t (a text, m mood) PARTITION BY HASH (a, m)
    """)
    assert await said(engine, "t") == "Key: m is an enum, hashed by the OIDs of its labels."


async def test_a_type_that_is_not_known_is_named(engine, oracle):
    await oracle.execute("CREATE TABLE t (i interval) PARTITION BY HASH (i)")
    assert await said(engine, "t") == ("Key: i is of the type interval, whose hash is not known.")


async def test_a_hash_function_of_ones_own_is_named(engine, oracle):
    await oracle.execute("""
        CREATE FUNCTION bad(int4, int8) RETURNS int8 LANGUAGE sql IMMUTABLE AS 'SELECT 7::int8';
        CREATE OPERATOR CLASS bad_ops FOR TYPE int4 USING hash AS
            OPERATOR 1 =, FUNCTION 2 bad(int4, int8);
        CREATE TABLE t (a int4) PARTITION BY HASH (a bad_ops)
    """)
    assert await said(engine, "t") == ("Key: a has a hash function that is not PostgreSQL's own.")


@pytest.fixture
async def blind(oracle):
    """A collation for which ``a`` and ``A`` are the same."""
    try:
        await oracle.execute(
            "CREATE COLLATION blind"
            " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    except asyncpg.FeatureNotSupportedError:
        pytest.skip("this PostgreSQL was built without ICU")


@pytest.mark.usefixtures("blind")
async def test_a_collation_that_is_not_deterministic_is_named(engine, oracle):
    await oracle.execute("CREATE TABLE t (a text COLLATE blind) PARTITION BY HASH (a)")
    assert await said(engine, "t") == (
        "Collation: that of a is not deterministic, so the server hashes a sort key of its ICU "
        "library."
    )


@pytest.mark.usefixtures("blind")
async def test_the_collation_of_the_key_counts(engine, oracle):
    await oracle.execute("""
        CREATE TABLE t (a text COLLATE blind) PARTITION BY HASH (a COLLATE "C")
    """)
    assert (await verify_server(engine, "t")).types == ("text",)


@pytest.mark.usefixtures("blind")
async def test_a_table_that_is_partitioned_otherwise_tells_what_not_to_use(engine, oracle):
    await oracle.execute("""
        CREATE TABLE t (id text, email text COLLATE blind, partition_key int)
            PARTITION BY LIST (partition_key)
    """)
    found = await verify_server(engine, "t")
    assert (found.types, found.uncertain) == ((), ("email",))


async def test_another_encoding_is_named(encoded_as):
    async with disposing(create_async_engine(await encoded_as("LATIN1"))) as engine:
        assert await said(engine, None) == (
            "Encoding: the database is in LATIN1, where a str is hashed as its bytes in UTF-8; "
            "give bytes in that encoding."
        )


async def test_no_encoding_at_all_is_named(encoded_as):
    async with disposing(create_async_engine(await encoded_as("SQL_ASCII"))) as engine:
        assert (await said(engine, None)).startswith("Encoding: SQL_ASCII stores whatever bytes")


async def test_a_table_that_is_not_there_is_named(engine):
    with pytest.raises(ConfigurationError, match="There is no table nowhere"):
        await verify_server(engine, "nowhere")


async def test_a_server_without_the_functions_is_no_postgresql(engine, monkeypatch):
    asked = text("SELECT no_such_hash('a')")
    monkeypatch.setattr("schemakit.catalog.read.query", lambda _: asked)
    with pytest.raises(HashMismatch, match=r"function no_such_hash\(unknown\) does not exist"):
        await verify_server(engine)


async def test_what_agrees_differs_in_nothing(agreeing):
    assert list(differences(agreeing)) == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (0, "Byte order: integers are hashed alike and text is not"),
        (1, "Encoding: the database is in UTF8, and its characters"),
        (2, "Hash function: it is not that of PostgreSQL, not even for an integer."),
        (3, "Hash function: of text, uuid, numeric and float8, one"),
        (4, "Hash function: of text, uuid, numeric and float8, one"),
        (5, "Hash function: of text, uuid, numeric and float8, one"),
        (6, "Hash function: of text, uuid, numeric and float8, one"),
    ],
)
@pytest.mark.parametrize("answer", [7, None])
async def test_another_answer_is_named(agreeing, place, said, answer):
    probes = list(agreeing.probes)
    probes[place] = answer
    (found,) = differences(replace(agreeing, probes=tuple(probes)))
    assert found.startswith(said)


async def test_an_old_version_is_named(agreeing):
    found = replace(agreeing, version_num=130023)
    assert list(differences(found)) == ["Version: PostgreSQL 13.23 is older than 14."]


async def test_everything_that_differs_is_named(agreeing):
    columns = (HashedColumn(None, None, label=False, bytewise=True, stock=True),)
    found = replace(agreeing, version_num=130023, encoding="LATIN1", by_hash=True, columns=columns)
    assert [each.partition(":")[0] for each in differences(found)] == ["Version", "Encoding", "Key"]
