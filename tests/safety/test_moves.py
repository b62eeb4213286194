"""Tables moved away and back: pg_dump says the same as before, and between nothing is tied."""

import asyncpg
import pytest
from sqlalchemy import make_url
from tests.safety import everything as given
from tests.safety.dump import changed, dumped

from schemakit.catalog.portray import portray
from schemakit.safety.moves import move

TREE = 'forest."Events; all"'


async def major_of(oracle):
    return int(await oracle.fetchval("SHOW server_version_num")) // 10000


async def portrayed(engine, oracle, name):
    oid = await oracle.fetchval("SELECT $1::regclass::oid::bigint", name)
    async with engine.begin() as connection:
        return await connection.run_sync(portray, oid)


async def run(oracle, statements):
    await oracle.execute(";\n".join(each.sql for each in statements))


@pytest.fixture
def dsn(database_url):
    url = make_url(database_url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


CASES = {
    "everything": (given.everything, f"{given.SCHEMA}.{given.TABLE}"),
    "tree": (given.tree, TREE),
    "leaves": (lambda _: given.hundred_leaves(), "chunks"),
}


@pytest.mark.parametrize("case", CASES)
async def test_away_and_back_it_is_the_same(engine, oracle, dsn, case):
    script, name = CASES[case]
    await given.make(oracle, script(await major_of(oracle)))
    before = await dumped(dsn)
    way = move(await portrayed(engine, oracle, name), 'place"; of it')
    await run(oracle, way.away)
    assert await oracle.fetchval("SELECT to_regclass($1)", name) is None
    await run(oracle, way.back)
    for proof in way.proofs:
        await run(oracle, proof.statements)
    assert "\n".join(changed(before, await dumped(dsn))) == ""


LEAVES = ['forest."leaf; a"', '"leaves; of it"."mid; b"', "forest.b1", "chunks_part_07"]


@pytest.mark.parametrize("leaf", LEAVES)
async def test_a_leaf_leaves_its_tree_and_takes_its_place_again(engine, oracle, dsn, leaf):
    await given.make(oracle, given.tree(await major_of(oracle)) + given.hundred_leaves())
    await oracle.execute("DROP TABLE forest.pointing, forest.to_leaf")  # else it may not leave
    if "mid" in leaf:  # ATTACH would make the index that is on few leaves yet
        await oracle.execute('DROP INDEX forest."on only"')
    before = await dumped(dsn)
    way = move(await portrayed(engine, oracle, leaf), "leaf")
    await run(oracle, way.away)
    assert await oracle.fetchval("SELECT to_regclass($1)", leaf) is None
    await run(oracle, way.back)
    for proof in way.proofs:
        await run(oracle, proof.statements)
    assert "\n".join(changed(before, await dumped(dsn))) == ""


async def test_meanwhile_another_table_has_its_name_and_is_moved_too(engine, oracle, dsn):
    script = "CREATE TABLE t (id serial PRIMARY KEY, x text UNIQUE); CREATE INDEX i ON t (x, id)"
    await oracle.execute(script + "; INSERT INTO t (x) VALUES ('first')")
    before = await dumped(dsn)
    first = move(await portrayed(engine, oracle, "t"), "first")
    await run(oracle, first.away)
    await oracle.execute(script + "; INSERT INTO t (x) VALUES ('second')")
    second = move(await portrayed(engine, oracle, "t"), "second")
    await run(oracle, second.away)
    await run(oracle, first.back)
    assert await oracle.fetchval("SELECT x FROM second.t") == "second"
    await oracle.execute("DROP SCHEMA second CASCADE")
    assert "\n".join(changed(before, await dumped(dsn))) == ""


async def test_nothing_of_the_living_reaches_it_or_is_held_by_it(engine, oracle):
    await given.make(oracle, given.everything(await major_of(oracle)))
    name = f"{given.SCHEMA}.{given.TABLE}"
    way = move(await portrayed(engine, oracle, name), "place")
    await run(oracle, way.away)
    moved = f"place.{given.TABLE}"
    assert await oracle.fetchval(f"SELECT count(*) FROM ONLY {moved}") == 49
    await oracle.execute(f"DELETE FROM {given.SCHEMA}.parent WHERE id = 3")
    await oracle.execute(f"TRUNCATE {given.SCHEMA}.parent, other.lax, other.forest")
    assert await oracle.fetchval("SELECT count(*) FROM other.ancestor") == 0
    await oracle.execute("DROP TABLE other.ancestor, other.lax, other.forest")
    await oracle.execute(f"DROP TABLE {given.SCHEMA}.parent")
    assert await oracle.fetchval(f"SELECT count(*) FROM ONLY {moved}") == 49


async def test_a_foreign_key_that_holds_no_more_comes_back_unproven(engine, oracle):
    await oracle.execute("""
        CREATE TABLE t (id int PRIMARY KEY);
        INSERT INTO t VALUES (1);
        CREATE TABLE c (t int CONSTRAINT fk REFERENCES t);
        INSERT INTO c VALUES (1)""")
    way = move(await portrayed(engine, oracle, "t"), "place")
    await run(oracle, way.away)
    await oracle.execute("INSERT INTO c VALUES (2)")
    await run(oracle, way.back)
    (proof,) = way.proofs
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await run(oracle, proof.statements)
    assert (proof.constraint, proof.puts_back) == ("fk", False)
    assert not await oracle.fetchval("SELECT convalidated FROM pg_constraint WHERE conname = 'fk'")
