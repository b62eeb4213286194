"""Portraits of real tables: that nothing of a table escapes them, and that they keep as JSON."""

import json
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.safety import everything as given

from schemakit.catalog.differences import FACETS, differences
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.portray import _RARE, portray
from schemakit.errors import ConfigurationError

NAME = f"{given.SCHEMA}.{given.TABLE}"


async def major_of(oracle):
    return int(await oracle.fetchval("SHOW server_version_num")) // 10000


async def oid_of(oracle, name):
    return await oracle.fetchval("SELECT $1::regclass::oid::bigint", name)


@pytest.fixture
async def everything(oracle):
    await given.make(oracle, given.everything(await major_of(oracle)))
    return await oid_of(oracle, NAME)


@pytest.fixture
async def tree(oracle):
    await given.make(oracle, given.tree(await major_of(oracle)))
    return await oid_of(oracle, 'forest."Events; all"')


async def portrayed(engine, oid):
    async with engine.begin() as connection:
        return await connection.run_sync(portray, oid)


async def test_it_keeps_as_json(engine, everything):
    portrait = await portrayed(engine, everything)
    assert Portrait.from_json(json.loads(json.dumps(portrait.to_json()))) == portrait


async def test_it_knows_the_table_by_its_odd_name(engine, everything):
    portrait = await portrayed(engine, everything)
    assert (portrait.table.schema, portrait.table.name) == (given.SCHEMA_NAME, given.TABLE_NAME)


async def test_it_names_what_depends_on_the_table(engine, everything):
    portrait = await portrayed(engine, everything)
    names = [view.name for view in portrait.views if view.name != "invoker"]  # from 15
    assert names == ["first view", "mat; view", "empty", "over_mat", "second view"]
    assert {each.name for each in portrait.routines} == {"all_of", "proc", "standard", "summary"}
    assert {each.name for each in portrait.foreign_keys_in} == {
        "in; coming",
        "never; checked",
        "of; forest",
    }
    assert [each.table.name for each in portrait.children] == ["heir"]
    assert {each.identity for each in portrait.others} == {
        '"men; tions" on other.guarded',
        "for other.user_of_sequence.n",
    }


async def test_it_names_what_the_table_needs(engine, everything):
    portrait = await portrayed(engine, everything)
    needs = {each.identity: each.shared for each in portrait.needs if each.kind == "function"}
    assert needs == {
        '"Äpp; DROP--".touch()': False,
        "other.audit()": False,
        "other.shout(pg_catalog.text)": False,
    }


async def test_it_has_the_tree_from_the_top(engine, tree):
    portrait = await portrayed(engine, tree)
    names = [each.name for each in portrait.tables]
    assert names == ["Events; all", "leaf; a", "Events; all", "mid; b", "b1", "b0"]
    assert portrait.tables[1].bound == "FOR VALUES IN ('a', 'it''s')"
    assert portrait.table.partition_key == "LIST (kind)"


async def test_of_a_leaf_it_is_the_leaf_alone(engine, oracle, tree):
    portrait = await portrayed(engine, await oid_of(oracle, 'forest."leaf; a"'))
    assert [each.name for each in portrait.tables] == ["leaf; a"]
    assert portrait.table.parents[0].name == "Events; all"


async def test_sequences_say_where_they_stand(engine, oracle, everything):
    portrait = await portrayed(engine, everything)
    stand = {each.column: (each.last_value, each.is_called) for each in portrait.sequences}
    assert stand == {"id": (52, True), "Ident; ity": (154, True), "always": (50, True)}


async def test_settings_of_the_session_change_nothing_and_are_kept(engine, everything):
    first = await portrayed(engine, everything)
    async with engine.begin() as connection:
        await connection.execute(text("SET search_path = other, public"))
        await connection.execute(text("SET timezone = 'Asia/Kolkata'"))
        await connection.execute(text("SET datestyle = 'German'"))
        await connection.execute(text("SET quote_all_identifiers = on"))
        second = await connection.run_sync(portray, everything)
        kept = (await connection.execute(text("SHOW search_path"))).scalar()
    assert differences(first, second) == ()
    assert kept == "other, public"


async def test_without_a_transaction_it_is_refused(engine, everything):
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(ConfigurationError, match="inside a transaction"):
            await connection.run_sync(portray, everything)


async def test_a_table_that_is_gone_is_told(engine):
    with pytest.raises(LookupError, match="oid 4"):
        await portrayed(engine, 4)


def test_another_version_is_refused():
    with pytest.raises(ConfigurationError, match="version 99"):
        Portrait.from_json({"version": 99})


def test_what_is_no_portrait_is_refused():
    with pytest.raises(ConfigurationError, match="no portrait"):
        Portrait.from_json({"version": 1, "tables": [{"name": "x"}]})


T = NAME
#: What is done to the table, and the facets in which it then differs.
CHANGES = {
    "columns": f"ALTER TABLE {T} ADD COLUMN x int",
    "column types": f"ALTER TABLE {T} ALTER later TYPE bigint",
    "collations": f'ALTER TABLE {T} ALTER odd TYPE text COLLATE "C"',
    "not null": f"ALTER TABLE {T} ALTER mood DROP NOT NULL",
    "defaults": f"ALTER TABLE {T} ALTER mood SET DEFAULT 'it''s'",
    "generated columns": f"ALTER TABLE {T} ALTER double DROP EXPRESSION",
    "identity columns": f"ALTER TABLE {T} ALTER always DROP IDENTITY",
    "storage": f"ALTER TABLE {T} ALTER big SET STORAGE MAIN",
    "compression": f"ALTER TABLE {T} ALTER data SET COMPRESSION DEFAULT",
    "statistics targets": f"ALTER TABLE {T} ALTER note SET STATISTICS 3",
    "column options": f"ALTER TABLE {T} ALTER code RESET (n_distinct)",
    "column grants": f"REVOKE UPDATE (note) ON {T} FROM PUBLIC",
    "comments": f"COMMENT ON COLUMN {T}.mood IS NULL",
    "owners": f"ALTER TABLE {T} OWNER TO {given.READER}",
    "grants": f"REVOKE INSERT ON {T} FROM {given.READER} CASCADE",
    "primary key": f"ALTER TABLE {T} DROP CONSTRAINT {given.LONG} CASCADE",
    "unique constraints": f'ALTER TABLE {T} DROP CONSTRAINT "code once"',
    "exclusion constraints": f'ALTER TABLE {T} DROP CONSTRAINT "no overlap"',
    "check constraints": f'ALTER TABLE {T} DROP CONSTRAINT "mine alone"',
    "foreign keys out": f'ALTER TABLE {T} DROP CONSTRAINT "own parent"',
    "foreign keys in": 'ALTER TABLE other."child; table" DROP CONSTRAINT "in; coming"',
    "validity": f'ALTER TABLE {T} VALIDATE CONSTRAINT "not yet; checked"',
    "indexes": f'DROP INDEX {given.SCHEMA}."by data"',
    "clustered index": f"ALTER TABLE {T} SET WITHOUT CLUSTER",
    "replica identity": f"ALTER TABLE {T} REPLICA IDENTITY FULL",
    "triggers": f"DROP TRIGGER replica ON {T}",
    "enabled state": f"ALTER TABLE {T} ENABLE TRIGGER disabled",
    "rules": f'DROP RULE "no; delete" ON {T}',
    "policies": f'ALTER POLICY "own; rows" ON {T} TO PUBLIC',
    "row level security": f"ALTER TABLE {T} NO FORCE ROW LEVEL SECURITY",
    "extended statistics": 'DROP STATISTICS other."st; at"',
    "sequences": f"ALTER TABLE {T} ALTER always SET CACHE 9",
    "sequence positions": f"ALTER TABLE {T} ALTER always RESTART WITH 1000",
    "publications": f'ALTER PUBLICATION "pub; lication" DROP TABLE ONLY {T}',
    "storage parameters": f"ALTER TABLE {T} RESET (toast.autovacuum_enabled)",
    "inheritance": f"ALTER TABLE {T} NO INHERIT other.ancestor",
    "views": "DROP VIEW other.over_mat",
    "view definitions": "CREATE OR REPLACE VIEW other.over_mat AS"
    ' SELECT n + 0 AS n FROM other."mat; view"',
    "materialised data": 'REFRESH MATERIALIZED VIEW other."mat; view" WITH NO DATA',
    "routines": "DROP FUNCTION other.standard()",
    "other dependants": 'DROP POLICY "men; tions" ON other.guarded',
    "needs": f'DROP TRIGGER "a touch" ON {T}',
    "place": f"ALTER TABLE {T} RENAME TO renamed",
}


async def change(engine, oid, statement):
    """The facets in which the table differs after *statement*, which is taken back."""
    async with engine.connect() as connection:
        before = await connection.run_sync(portray, oid)
        await connection.exec_driver_sql(statement)
        after = await connection.run_sync(portray, oid)
        await connection.rollback()
    return {each.facet for each in differences(before, after)}


async def test_whatever_changes_shows(engine, everything):
    found = {facet: await change(engine, everything, CHANGES[facet]) for facet in CHANGES}
    assert [facet for facet, seen in found.items() if facet not in seen] == []


async def test_a_tree_without_a_leaf_shows(engine, tree):
    statement = 'DROP TABLE "leaves; of it"."Events; all" CASCADE'
    assert "partitions" in await change(engine, tree, statement)


async def test_a_table_without_a_log_shows(engine, oracle):
    await oracle.execute("CREATE TABLE plain ()")
    oid = await oid_of(oracle, "plain")
    assert await change(engine, oid, "ALTER TABLE plain SET UNLOGGED") == {"persistence"}


async def test_facets_can_be_ignored(engine, oracle):
    await oracle.execute("CREATE TABLE one (x int PRIMARY KEY); CREATE TABLE two (LIKE one)")
    one = await portrayed(engine, await oid_of(oracle, "one"))
    two = await portrayed(engine, await oid_of(oracle, "two"))
    ignored = {"identity of objects", "place", "primary key", "indexes", "not null"}
    assert differences(one, two, ignoring=ignored) == ()


async def test_a_facet_that_is_none_is_refused(engine, everything):
    portrait = await portrayed(engine, everything)
    with pytest.raises(ValueError, match="colour"):
        differences(portrait, portrait, ignoring={"colour"})


def test_there_are_more_facets_than_anyone_has_counted():
    assert len(FACETS) >= 24
    assert set(CHANGES) <= set(FACETS)


def test_the_page_lists_the_facets():
    page = (Path(__file__).parents[2] / "docs" / "backups.md").read_text("utf-8")
    section = page.partition("### The facets")[2].partition("## ")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("| ")][2:]
    assert sorted(facet.strip() for row in rows for facet in row.split(",")) == list(FACETS)


#: Tables that nothing is tied to, each with another facet that most have nothing of.
ALONE = """
CREATE TABLE plain (id serial PRIMARY KEY, at timestamptz DEFAULT now(), CHECK (id > 0));
CREATE TABLE identified (
  id int GENERATED ALWAYS AS IDENTITY, two int GENERATED ALWAYS AS (1 + 1) STORED);
CREATE TABLE triggered (x int);
CREATE TRIGGER same BEFORE UPDATE ON triggered FOR EACH ROW
  EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TABLE ruled (x int);
CREATE RULE never AS ON INSERT TO ruled DO INSTEAD NOTHING;
CREATE TABLE policed (x int);
CREATE POLICY own ON policed USING (x > 0);
CREATE TABLE counted (x int, y int);
CREATE STATISTICS both_columns ON x, y FROM counted;
CREATE TABLE published (x int);
CREATE PUBLICATION one FOR TABLE published;
CREATE TABLE itself (id int PRIMARY KEY, up int REFERENCES itself);
CREATE TABLE branch (x int) PARTITION BY LIST (x);
CREATE TABLE twig PARTITION OF branch FOR VALUES IN (1);
CREATE TABLE elder (x int);
CREATE TABLE heir () INHERITS (elder);
"""


@pytest.mark.parametrize("heirs", [True, False])
async def test_what_a_look_leaves_out_is_not_there(engine, oracle, monkeypatch, heirs):
    await given.make(oracle, given.everything(await major_of(oracle)))
    await given.make(oracle, given.tree(await major_of(oracle)))
    await oracle.execute(ALONE)
    tables = await oracle.fetch(
        "SELECT c.oid::bigint AS oid"
        "  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema'"
    )
    assert len(tables) > 20

    async def all_of_them():
        async with engine.begin() as connection:
            return [
                await connection.run_sync(partial(portray, oid=each["oid"], heirs=heirs))
                for each in tables
            ]

    found = await all_of_them()
    every = ", ".join(f"'{each}'" for each in _RARE)
    everything_there = text(
        f"SELECT true, true, ARRAY[{every}]"
    )  # the look that leaves out nothing
    monkeypatch.setattr("schemakit.catalog.portray._look", lambda _: everything_there)
    assert found == await all_of_them()
