"""Tables moved away and back: pg_dump says the same as before, and between nothing is tied."""

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
    assert changed(before, await dumped(dsn)) == []
