"""Tables moved away and back: pg_dump says the same as before, and between nothing is tied."""

import asyncpg
import pytest
from tests.safety import everything as given
from tests.safety.dump import changed, dumped
from tests.safety.given_tables import CASES, dsn_of, make, portrayed, run, run_back, run_proofs

from schemakit.catalog.differences import differences
from schemakit.safety.moves import move

#: Another table's policy or default is made anew.
ANEW = ("policy ", "default value ")


async def same(engine, before):
    return "\n".join(changed(before, await dumped(dsn_of(engine)))) == ""


@pytest.mark.parametrize("case", CASES)
async def test_away_and_back_it_is_the_same(engine, oracle, case):
    name = await make(oracle, case)
    before = await dumped(dsn_of(engine))
    was = await portrayed(engine, oracle, name)
    way = move(was, 'place"; of it')
    await run(oracle, way.away)
    assert await oracle.fetchval("SELECT to_regclass($1)", name) is None
    await run_back(engine, oracle, way, was)
    await run_proofs(oracle, way)
    assert await same(engine, before)


@pytest.mark.parametrize("case", CASES)
async def test_away_and_back_its_portrait_is_the_same(engine, oracle, case):
    name = await make(oracle, case)
    before = await portrayed(engine, oracle, name)
    way = move(before, "place")
    await run(oracle, way.away)
    await run_back(engine, oracle, way, before)
    await run_proofs(oracle, way)
    found = differences(before, await portrayed(engine, oracle, name))
    assert [str(each) for each in found if not each.object.startswith(ANEW)] == []


async def test_a_materialised_view_keeps_its_rows(engine, oracle):
    name = await make(oracle, "everything")
    moment = await oracle.fetchval('SELECT max(at) FROM other."mat; view"')
    was = await portrayed(engine, oracle, name)
    way = move(was, "place")
    await run(oracle, way.away)
    await run_back(engine, oracle, way, was)
    assert await oracle.fetchval('SELECT max(at) FROM other."mat; view"') == moment


LEAVES = ['forest."leaf; a"', '"leaves; of it"."mid; b"', "forest.b1", "chunks_part_07"]


@pytest.mark.parametrize("leaf", LEAVES)
async def test_a_leaf_leaves_its_tree_and_takes_its_place_again(engine, oracle, leaf):
    await make(oracle, "tree")
    await make(oracle, "leaves")
    await oracle.execute("DROP TABLE forest.pointing, forest.to_leaf")  # else it may not leave
    if "mid" in leaf:  # ATTACH would make the index that is on few leaves yet
        await oracle.execute('DROP INDEX forest."on only"')
    before = await dumped(dsn_of(engine))
    was = await portrayed(engine, oracle, leaf)
    way = move(was, "leaf")
    await run(oracle, way.away)
    assert await oracle.fetchval("SELECT to_regclass($1)", leaf) is None
    await run_back(engine, oracle, way, was)
    await run_proofs(oracle, way)
    assert await same(engine, before)


async def test_meanwhile_another_table_has_its_name_and_is_moved_too(engine, oracle):
    script = "CREATE TABLE t (id serial PRIMARY KEY, x text UNIQUE); CREATE INDEX i ON t (x, id)"
    await oracle.execute(script + "; INSERT INTO t (x) VALUES ('first')")
    before = await dumped(dsn_of(engine))
    was = await portrayed(engine, oracle, "t")
    first = move(was, "first")
    await run(oracle, first.away)
    await oracle.execute(script + "; INSERT INTO t (x) VALUES ('second')")
    second = move(await portrayed(engine, oracle, "t"), "second")
    await run(oracle, second.away)
    await run_back(engine, oracle, first, was)
    assert await oracle.fetchval("SELECT x FROM second.t") == "second"
    await oracle.execute("DROP SCHEMA second CASCADE")
    assert await same(engine, before)


async def test_nothing_of_the_living_reaches_it_or_is_held_by_it(engine, oracle):
    was = await portrayed(engine, oracle, await make(oracle, "everything"))
    way = move(was, "place")
    await run(oracle, way.away)
    moved = f"place.{given.TABLE}"
    assert await oracle.fetchval(f"SELECT count(*) FROM ONLY {moved}") == 49
    await oracle.execute(f"DELETE FROM {given.SCHEMA}.parent WHERE id = 3")
    await oracle.execute(f"TRUNCATE {given.SCHEMA}.parent, other.lax, other.forest")
    assert await oracle.fetchval("SELECT count(*) FROM other.ancestor") == 0
    await oracle.execute("DROP TABLE other.ancestor, other.lax, other.forest")
    await oracle.execute(f"DROP TABLE {given.SCHEMA}.parent")
    await oracle.execute("DROP TABLE other.guarded, other.user_of_sequence")
    assert await oracle.fetchval(f"SELECT count(*) FROM ONLY {moved}") == 49


async def test_a_foreign_key_that_holds_no_more_comes_back_unproven(engine, oracle):
    await oracle.execute("""
        CREATE TABLE t (id int PRIMARY KEY);
        INSERT INTO t VALUES (1);
        CREATE TABLE c (t int CONSTRAINT fk REFERENCES t);
        INSERT INTO c VALUES (1)""")
    was = await portrayed(engine, oracle, "t")
    way = move(was, "place")
    await run(oracle, way.away)
    await oracle.execute("INSERT INTO c VALUES (2)")
    await run_back(engine, oracle, way, was)
    (proof,) = way.proofs
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await run(oracle, proof.statements)
    assert (proof.constraint, proof.puts_back) == ("fk", False)
    assert not await oracle.fetchval("SELECT convalidated FROM pg_constraint WHERE conname = 'fk'")


ENUM = """
    CREATE TYPE "mo;od" AS ENUM ('sad', 'it''s');
    CREATE DOMAIN moody AS "mo;od" DEFAULT 'sad' CHECK (VALUE <> 'it''s');
    COMMENT ON TYPE "mo;od" IS 'how; it is';
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
      $f$ BEGIN NEW.note := 'old\\ code'; RETURN NEW; END $f$;
    REVOKE EXECUTE ON FUNCTION touch FROM PUBLIC;
    CREATE TABLE one (id serial, note text, mood moody, moods "mo;od"[]);
    CREATE TRIGGER touch BEFORE INSERT ON one FOR EACH ROW EXECUTE FUNCTION touch();
    INSERT INTO one (mood) VALUES ('sad');
    CREATE TABLE two (mood moody);
    INSERT INTO two VALUES ('sad')
"""
DROPS = 'DROP DOMAIN moody; DROP TYPE "mo;od"; DROP FUNCTION touch()'


async def away(engine, oracle, name):
    was = await portrayed(engine, oracle, name)
    way = move(was, f"place of {name}")
    await run(oracle, way.away)
    return way, was


async def test_types_and_functions_that_only_archived_tables_need_can_be_dropped(engine, oracle):
    await oracle.execute(ENUM)
    before = await dumped(dsn_of(engine))
    one = await away(engine, oracle, "one")
    two = await away(engine, oracle, "two")
    await oracle.execute(DROPS)
    await run_back(engine, oracle, *one)
    await run_back(engine, oracle, *two)
    assert await same(engine, before)


async def test_what_is_not_dropped_is_exchanged_for_the_original(engine, oracle):
    await oracle.execute(ENUM)
    before = await dumped(dsn_of(engine))
    one = await away(engine, oracle, "one")
    two = await away(engine, oracle, "two")
    await run_back(engine, oracle, *two)
    await run_back(engine, oracle, *one)
    assert await same(engine, before)


async def test_a_type_that_the_living_need_stays_with_them(engine, oracle):
    await oracle.execute(ENUM)
    await away(engine, oracle, "one")
    where = await oracle.fetchval(
        "SELECT atttypid::regtype FROM pg_attribute"
        " WHERE attrelid = 'two'::regclass AND attname = 'mood'"
    )
    assert where == "moody"


async def test_a_function_that_was_replaced_meanwhile_keeps_its_new_code(engine, oracle):
    await oracle.execute(ENUM)
    one = await away(engine, oracle, "one")
    await oracle.execute("""
        CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
          $f$ BEGIN NEW.note := 'new code'; RETURN NEW; END $f$""")
    await run_back(engine, oracle, *one)
    await oracle.execute("INSERT INTO one DEFAULT VALUES")
    assert await oracle.fetchval("SELECT note FROM one WHERE id = 2") == "new code"


async def test_a_role_that_owns_the_table_alone_moves_it_alone(engine, oracle, connect):
    await oracle.execute(given.ROLES + ENUM)
    await oracle.execute(f"""
        DROP TABLE two;
        DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {given.OWNER}',
          current_database()); END $$;
        GRANT CREATE ON SCHEMA public TO {given.OWNER};
        ALTER TABLE one OWNER TO {given.OWNER}""")
    before = await dumped(dsn_of(engine))
    was = await portrayed(engine, oracle, "one")
    way = move(was, "place")
    own = await connect()
    await own.execute(f"SET ROLE {given.OWNER}")
    await run(own, way.away)
    assert await oracle.fetchval("SELECT 'touch()'::regprocedure::text") == "touch()"
    await run_back(engine, own, way, was)
    assert await same(engine, before)


async def test_a_view_that_reads_the_living_too_is_emptied_and_filled_again(engine, oracle):
    await oracle.execute("""
        CREATE TABLE t (id int, x text COLLATE "C");
        CREATE TABLE living (id int);
        INSERT INTO t VALUES (1, 'a'); INSERT INTO living VALUES (1);
        CREATE VIEW mixed WITH (security_barrier) AS SELECT t.id, x FROM t JOIN living USING (id);
        CREATE VIEW over AS SELECT x FROM mixed""")
    before = await dumped(dsn_of(engine))
    way, was = await away(engine, oracle, "t")
    await oracle.execute("ALTER TABLE living ALTER id TYPE bigint; DROP TABLE living")
    await oracle.execute("CREATE TABLE living (id int); INSERT INTO living VALUES (1)")
    await run_back(engine, oracle, way, was)
    assert await oracle.fetchval("SELECT x FROM over") == "a"
    assert await same(engine, before)
