"""Tables dropped and made anew from their portraits: pg_dump says the same as before."""

import pytest
from tests.safety.dump import changed, ordered
from tests.safety.everything import OWNER, READER, ROLES
from tests.safety.given_tables import CASES, dsn_of, make, portrayed, run, run_proofs

from schemakit.catalog.differences import differences
from schemakit.safety.columns import loadable
from schemakit.safety.remake import remake
from schemakit.sql.name import quote

#: As after a restore of pg_dump's: other oids; what a child has of its parent it has declared, too;
#: and an heir has the columns of its parents first.
NOT_KEPT = {"identity of objects", "inheritance", "order of columns"}


def holding(portrait):
    """Its tables that hold rows here."""
    return [each for each in portrait.leaves if each.kind != "f"]


async def set_aside(oracle, portrait):
    await oracle.execute("CREATE SCHEMA aside")
    for number, table in enumerate(holding(portrait)):
        await oracle.execute(
            f"CREATE TABLE aside.t{number} AS SELECT * FROM ONLY {table.full_name}"
        )


async def put_in(oracle, portrait):
    for number, table in enumerate(holding(portrait)):
        columns = ", ".join(map(quote, loadable(table)))
        if columns:
            await oracle.execute(
                f"INSERT INTO {table.full_name} ({columns}) OVERRIDING SYSTEM VALUE"
                f" SELECT {columns} FROM aside.t{number}"
            )
    await oracle.execute("DROP SCHEMA aside CASCADE")


async def made_anew(engine, oracle, name):
    """Drop the table *name* and make it anew, with its rows; return its portrait of before."""
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
    return portrait


@pytest.mark.parametrize("case", CASES)
async def test_dropped_and_made_anew_it_is_the_same(engine, oracle, case):
    name = await make(oracle, case)
    before = await ordered(dsn_of(engine))
    portrait = await made_anew(engine, oracle, name)
    assert "\n".join(changed(before, await ordered(dsn_of(engine)))) == ""
    now = await portrayed(engine, oracle, name)
    assert "\n".join(map(str, differences(portrait, now, ignoring=NOT_KEPT))) == ""


async def test_default_privileges_add_nothing(engine, oracle):
    await oracle.execute(f"""{ROLES}
        CREATE TABLE t (id serial PRIMARY KEY);
        CREATE VIEW v AS SELECT id FROM t;
        ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {READER};
        ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC""")
    before = await ordered(dsn_of(engine))
    await made_anew(engine, oracle, "t")
    assert "\n".join(changed(before, await ordered(dsn_of(engine)))) == ""


async def test_a_role_makes_anew_what_it_owns(engine, oracle, connect):
    await oracle.execute(f"""{ROLES}
        GRANT CREATE ON SCHEMA public TO {OWNER};
        DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {OWNER}',
          current_database()); END $$;
        SET ROLE {OWNER};
        CREATE TABLE t (id serial PRIMARY KEY, x text DEFAULT 'x' CHECK (x <> ''));
        CREATE INDEX i ON t (x);
        GRANT SELECT ON t TO {READER};
        GRANT UPDATE (x) ON t TO PUBLIC;
        CREATE VIEW v AS SELECT x FROM t;
        INSERT INTO t VALUES (7);
        RESET ROLE""")
    before = await ordered(dsn_of(engine))
    own = await connect()
    await own.execute(f"SET ROLE {OWNER}")
    await made_anew(engine, own, "t")
    assert "\n".join(changed(before, await ordered(dsn_of(engine)))) == ""
