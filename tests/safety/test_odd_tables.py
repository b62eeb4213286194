"""Tables that are odd, each in another way: moved and made anew, and the dump is the same."""

from tests.safety import odd_tables as odd
from tests.safety.dump import changed, dumped, ordered
from tests.safety.given_tables import dsn_of, major_of, portrayed, run, run_back, run_proofs
from tests.safety.test_remake import made_anew

from schemakit.catalog.differences import differences
from schemakit.safety.moves import move


async def test_moved_away_and_back_each_is_the_same(engine, oracle):
    major = await major_of(oracle)
    await oracle.execute(odd.script(major))
    before = await dumped(dsn_of(engine))
    for name in sorted(set(odd.names(major)) - odd.NOT_MOVED):
        was = await portrayed(engine, oracle, name)
        way = move(was, "place")
        await run(oracle, way.away)
        assert await oracle.fetchval("SELECT to_regclass($1)", name) is None
        await run_back(engine, oracle, way, was)
        await run_proofs(oracle, way)
    assert "\n".join(changed(before, await dumped(dsn_of(engine)))) == ""


async def test_made_anew_each_is_the_same(engine, oracle):
    major = await major_of(oracle)
    await oracle.execute(odd.script(major))
    before = await ordered(dsn_of(engine))
    for name in sorted(set(odd.names(major)) - odd.NOT_MADE):
        await made_anew(engine, oracle, name)
    assert "\n".join(changed(before, await ordered(dsn_of(engine)))) == ""


async def test_what_is_left_tied_is_told(engine, oracle):
    await oracle.execute(odd.script(await major_of(oracle)))
    way = move(await portrayed(engine, oracle, "rowed"), "place")
    assert "table public.of_rows" in way.left
    assert "type public.over_rows" in way.left


async def test_of_an_heir_that_was_away_nothing_differs_but_what_it_has_declared(engine, oracle):
    await oracle.execute(odd.script(await major_of(oracle)))
    before = await portrayed(engine, oracle, "heir")
    way = move(before, "place")
    await run(oracle, way.away)
    assert await oracle.fetchval("SELECT count(*) FROM elder") == 0
    await run_back(engine, oracle, way, before)
    assert await oracle.fetchval("SELECT count(*) FROM elder") == 1
    found = differences(before, await portrayed(engine, oracle, "heir"))
    assert {(each.facet, each.field) for each in found} == {("inheritance", "local")}
