"""Tables dropped and made anew from their portraits: pg_dump says the same as before."""

import pytest

from schemakit.safety.columns import loadable
from schemakit.safety.remake import remake
from schemakit.sql.name import Name, quote
from tests.safety.dump import changed, ordered
from tests.safety.test_moves import CASES, dsn, given, major_of, portrayed, run  # noqa: F401

ROOTS = {"everything": given.TABLE}


async def set_aside(oracle, portrait):
    await oracle.execute("CREATE SCHEMA aside")
    for number, table in enumerate(portrait.leaves):
        await oracle.execute(
            f"CREATE TABLE aside.t{number} AS SELECT * FROM ONLY {table.full_name}"
        )


async def put_in(oracle, portrait):
    for number, table in enumerate(portrait.leaves):
        columns = ", ".join(map(quote, loadable(table)))
        await oracle.execute(
            f"INSERT INTO {table.full_name} ({columns}) OVERRIDING SYSTEM VALUE"
            f" SELECT {columns} FROM aside.t{number}"
        )
    await oracle.execute("DROP SCHEMA aside CASCADE")


@pytest.mark.parametrize("case", CASES)
async def test_dropped_and_made_anew_it_is_the_same(engine, oracle, dsn, case):
    script, name = CASES[case]
    await given.make(oracle, script(await major_of(oracle)))
    if case == "everything":  # what no portrait of the table can bring back
        await oracle.execute('DROP POLICY "men; tions" ON other.guarded')
        await oracle.execute("DROP TABLE other.user_of_sequence")
    before = await ordered(dsn)
    portrait = await portrayed(engine, oracle, name)
    assert portrait.others == ()
    await set_aside(oracle, portrait)
    await oracle.execute(f"DROP TABLE {name} CASCADE")
    again = remake(portrait)
    await run(oracle, again.tables)
    await put_in(oracle, portrait)
    for statements in again.indexes.values():
        await run(oracle, statements)
    await run(oracle, again.rest)
    await run(oracle, again.dependants)
    for proof in again.proofs:
        await run(oracle, proof.statements)
    assert "\n".join(changed(before, await ordered(dsn))) == ""
