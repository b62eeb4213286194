"""Tables dropped and made anew from their portraits: pg_dump says the same as before."""

import pytest
from tests.safety.dump import changed, ordered
from tests.safety.given_tables import CASES, dsn_of, make, portrayed, run, run_proofs

from schemakit.catalog.differences import differences
from schemakit.safety.columns import loadable
from schemakit.safety.remake import remake
from schemakit.sql.name import quote

#: As after a restore of pg_dump's: other oids; what a child has of its parent it has declared, too;
#: and an heir has the columns of its parents first.
NOT_KEPT = {"identity of objects", "inheritance", "order of columns"}


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
async def test_dropped_and_made_anew_it_is_the_same(engine, oracle, case):
    name = await make(oracle, case)
    before = await ordered(dsn_of(engine))
    portrait = await portrayed(engine, oracle, name)
    await set_aside(oracle, portrait)
    await oracle.execute(f"DROP TABLE {name} CASCADE")
    again = remake(portrait)
    await run(oracle, again.tables)
    await put_in(oracle, portrait)
    for statements in again.indexes.values():
        await run(oracle, statements)
    await run(oracle, again.rest)
    await run(oracle, again.dependants)
    await run_proofs(oracle, again)
    assert again.left == ()
    assert "\n".join(changed(before, await ordered(dsn_of(engine)))) == ""
    now = await portrayed(engine, oracle, name)
    assert "\n".join(map(str, differences(portrait, now, ignoring=NOT_KEPT))) == ""
