"""What `status` and a failed routing say of the trigger that computes a key."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import schemakit
from schemakit.catalog.model import KeyTrigger
from schemakit.errors import OperationFailed, RevisionFailed, RoutingFailed, TransactionRefused
from schemakit.partitioning import explain_routing
from schemakit.report import json
from schemakit.runner.flow import Run
from schemakit.runner.perform import perform

FORMULA = "abs(hashtext(owner::text) % 2)"
SCHEMA = "Ein \"Schema'; --"
TABLE = """"Ein ""Schema'; --"."Tüten\""""
TREE = f"""
CREATE SCHEMA "Ein ""Schema'; --";
SET search_path = "Ein ""Schema'; --";
CREATE TABLE "Tüten" (owner text NOT NULL, "der Key" integer NOT NULL,
    CONSTRAINT "key stimmt" CHECK ("der Key" = {FORMULA})) PARTITION BY LIST ("der Key");
CREATE TABLE t0 PARTITION OF "Tüten" FOR VALUES IN (0);
CREATE TABLE t1 PARTITION OF "Tüten" FOR VALUES IN (1)
"""
LEAF = 'CREATE TABLE "ohne; Key" PARTITION OF "Tüten" FOR VALUES IN (NULL)'
DEFAULT_LEAF = 'CREATE TABLE "ohne; Key" PARTITION OF "Tüten" DEFAULT'
FUNCTION = """
CREATE FUNCTION send_on() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW."der Key" := abs(hashtext(NEW.owner::text) % 2);
    INSERT INTO "Tüten" VALUES (NEW.*);
    RETURN NULL;
END $$
"""
TRIGGER = (
    'CREATE TRIGGER "X y" BEFORE INSERT ON "ohne; Key" FOR EACH ROW EXECUTE FUNCTION send_on()'
)
ON_THE_PARENT = """
CREATE FUNCTION set_key() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW."der Key" := 1 - coalesce(NEW."der Key", 0); RETURN NEW; END';
CREATE TRIGGER set_partition_key BEFORE INSERT ON "Tüten"
    FOR EACH ROW EXECUTE FUNCTION set_key()
"""
DISABLE = 'ALTER TABLE "ohne; Key" DISABLE TRIGGER "X y"'
REDIRECTED = (TREE, LEAF, FUNCTION, TRIGGER)
#: What was made, and how the trigger is found.
STATES = {
    "enabled": (REDIRECTED, "ohne; Key", "X y", "enabled"),
    "of a default leaf": ((TREE, DEFAULT_LEAF, FUNCTION, TRIGGER), "ohne; Key", "X y", "enabled"),
    "always": (
        (*REDIRECTED, 'ALTER TABLE "ohne; Key" ENABLE ALWAYS TRIGGER "X y"'),
        "ohne; Key", "X y", "enabled",
    ),
    "on replicas only": (
        (*REDIRECTED, 'ALTER TABLE "ohne; Key" ENABLE REPLICA TRIGGER "X y"'),
        "ohne; Key", "X y", "disabled",
    ),
    "disabled": ((*REDIRECTED, DISABLE), "ohne; Key", "X y", "disabled"),
    "missing": ((TREE, LEAF), "ohne; Key", None, "missing"),
    "misplaced": ((TREE, ON_THE_PARENT), None, "set_partition_key", "misplaced"),
    "none": ((TREE,), None, None, "none"),
}  # fmt: skip
TREES = (
    "CREATE TABLE tenants (tenant integer) PARTITION BY LIST (tenant)",
    "CREATE TABLE tenants_rest PARTITION OF tenants DEFAULT",
    "CREATE TABLE days (day date) PARTITION BY RANGE (day)",
    "CREATE TABLE h (key integer CHECK (key = abs(hashtext('a')))) PARTITION BY HASH (key)",
    "CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER audit BEFORE INSERT ON tenants FOR EACH ROW EXECUTE FUNCTION noop()",
)


@pytest.fixture
async def made(oracle):
    """Make things, one after the other."""

    async def made(*statements):
        for statement in statements:
            await oracle.execute(statement)

    return made


async def status_of(engine, directory):
    return await schemakit.status(engine, migrations=directory.tables(1))


@pytest.mark.parametrize("case", STATES)
async def test_status_tells_the_trigger(engine, directory, made, case):
    statements, leaf, trigger, state = STATES[case]
    await made(*statements)
    found = (await status_of(engine, directory)).key_triggers
    assert found == (KeyTrigger(SCHEMA, "Tüten", "der Key", leaf, trigger, state, "key stimmt"),)


async def test_status_is_silent_about_other_trees(engine, directory, made):
    await made(*TREES)
    assert (await status_of(engine, directory)).key_triggers == ()


async def test_a_line_of_status(engine, directory, made):
    await made(*REDIRECTED, DISABLE)
    lines = str(await status_of(engine, directory)).splitlines()
    assert f"routing   {SCHEMA}.Tüten: X y on ohne; Key is disabled" in lines


async def test_status_as_json(engine, directory, made):
    await made(*REDIRECTED)
    assert json.status(await status_of(engine, directory))["key_triggers"] == [
        {
            "schema": SCHEMA,
            "table": "Tüten",
            "key": "der Key",
            "leaf": "ohne; Key",
            "trigger": "X y",
            "state": "enabled",
            "check": "key stimmt",
        }
    ]


#: State, the row, the detail's end, the remedy's beginning.
FAILURES = {
    "disabled": (
        "(owner) VALUES ('geheim')",
        "Rows without der Key: X y on ohne; Key is disabled.",
        """ALTER TABLE "Ein ""Schema'; --"."ohne; Key" ENABLE TRIGGER "X y";""",
    ),
    "missing": (
        "(owner) VALUES ('geheim')",
        "Rows without der Key: no trigger on ohne; Key computes der Key.",
        "create the trigger again on ohne; Key;",
    ),
    "none": (
        "(owner) VALUES ('geheim')",
        "Rows without der Key: no trigger computes der Key, every row must bring it.",
        "give every row its der Key",
    ),
    "misplaced": (
        "VALUES ('geheim', 0)",
        "Rows without der Key: set_partition_key is on Tüten itself, where it fires too late.",
        """DROP TRIGGER "set_partition_key" ON "Ein ""Schema'; --"."Tüten",""",
    ),
    "enabled": (
        "VALUES ('geheim', 7)",
        "Rows without der Key: X y on ohne; Key is enabled.",
        "leave der Key out, or give the right one",
    ),
}  # fmt: skip


async def refused(engine, row, table="Tüten"):
    with pytest.raises(DBAPIError) as caught:
        async with engine.begin() as connection:
            await connection.execute(text(f'INSERT INTO "Ein ""Schema\'; --"."{table}" {row}'))
    return caught.value


@pytest.mark.parametrize("state", FAILURES)
async def test_a_failed_routing_says_whether_the_trigger_is_there_and_enabled(engine, made, state):
    row, detail, remedy = FAILURES[state]
    await made(*STATES[state][0])
    why = await explain_routing(engine, await refused(engine, row))
    assert isinstance(why, RoutingFailed)
    assert why.found.state == state
    assert why.detail == f"No partition of {SCHEMA}.Tüten takes this row. {detail}"
    assert why.remedy.startswith(remedy)
    assert "geheim" not in str(why)


async def test_what_the_remedy_says_is_sql(engine, made, oracle):
    await made(*REDIRECTED, DISABLE)
    why = await explain_routing(engine, await refused(engine, "(owner) VALUES ('a')"))
    await oracle.execute(why.remedy.partition(";  or")[0].rpartition("; or")[0])
    await oracle.execute("""INSERT INTO "Ein ""Schema'; --"."Tüten" (owner) VALUES ('a')""")
    assert await oracle.fetchval('SELECT count(*) FROM "Tüten"') == 1


async def test_a_wrong_key_is_named_so(engine, made, oracle):
    await made(*REDIRECTED)
    wrong = 1 - await oracle.fetchval("SELECT abs(hashtext('geheim') % 2)")
    why = await explain_routing(engine, await refused(engine, f"VALUES ('geheim', {wrong})"))
    assert why.detail == (
        f"The der Key is not the one of this row, as key stimmt on {SCHEMA}.Tüten says."
        " Rows without der Key: X y on ohne; Key is enabled."
    )
    assert why.remedy == "give the der Key that the CHECK asks for, or none."


async def test_a_row_for_another_partition_in_a_partition(engine, made, oracle):
    await made(*REDIRECTED)
    key = await oracle.fetchval("SELECT abs(hashtext('a') % 2)")
    error = await refused(engine, f"VALUES ('a', {key})", table=f"t{1 - key}")
    assert (await explain_routing(engine, error)).found.table == "Tüten"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1/0",
        "INSERT INTO plain VALUES (-1)",
        "INSERT INTO plain VALUES (NULL)",
        "INSERT INTO days VALUES ('2026-01-01')",
        """INSERT INTO "Ein ""Schema'; --"."Tüten" ("der Key") VALUES (1)""",
    ],
)
async def test_another_failure_is_not_explained(engine, made, statement):
    await made(*REDIRECTED, "SET search_path = public", TREES[2],
               "CREATE TABLE plain (n integer NOT NULL CHECK (n > 0))")  # fmt: skip
    with pytest.raises(DBAPIError) as caught:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    assert await explain_routing(engine, caught.value) is None


async def test_the_drivers_own_error_is_explained_too(engine, made, oracle):
    await made(TREE)
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        await oracle.execute("""INSERT INTO "Ein ""Schema'; --"."Tüten" (owner) VALUES ('a')""")
    assert (await explain_routing(engine, caught.value)).found.state == "none"


async def test_in_the_transaction_that_has_failed_it_is_refused(engine, made):
    await made(TREE)
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.execute(
                text("""INSERT INTO "Ein ""Schema'; --"."Tüten" VALUES ('a')""")
            )
        with pytest.raises(TransactionRefused, match="roll it back first"):
            await explain_routing(connection, caught.value)
        await connection.rollback()
        assert (await explain_routing(connection, caught.value)).found.state == "none"


async def test_a_savepoint_that_is_rolled_back_is_enough(engine, made):
    await made(TREE)
    async with engine.begin() as connection:
        with pytest.raises(DBAPIError) as caught:
            async with connection.begin_nested():
                await connection.execute(text(f"INSERT INTO {TABLE} VALUES ('a')"))
        assert (await explain_routing(connection, caught.value)).found.state == "none"


async def test_what_is_no_error_of_the_server_is_not_explained(engine):
    assert await explain_routing(engine, ValueError("'a' \"b.c\"")) is None


@pytest.mark.parametrize("state", ["disabled", "missing", "misplaced"])
async def test_a_revision_that_fails_in_routing_says_so(engine, made, directory, state):
    row, detail, remedy = FAILURES[state]
    await made(*STATES[state][0])
    sql = f"""INSERT INTO "Ein ""Schema'; --"."Tüten" {row}"""
    directory.revision("r1", f"op.execute({sql!r})")
    with pytest.raises(RevisionFailed) as caught:
        await schemakit.upgrade(engine, migrations=directory)
    assert f"\nrouting: No partition of {SCHEMA}.Tüten takes this row. {detail}\n" in str(
        caught.value
    )
    assert caught.value.remedy.startswith(remedy)
    assert "geheim" not in str(caught.value)


async def test_a_call_that_fails_in_routing_says_so(engine, made):
    row, detail, remedy = FAILURES["disabled"]
    await made(*STATES["disabled"][0])

    def write(means):
        return means.atomically(insert)

    def insert():
        return (yield Run(f"""INSERT INTO "Ein ""Schema'; --"."Tüten" {row}"""))

    with pytest.raises(OperationFailed) as caught:
        await perform(engine, write, command="write")
    assert f"\nrouting: No partition of {SCHEMA}.Tüten takes this row. {detail}" in str(
        caught.value
    )
    assert caught.value.remedy.startswith(remedy)
    assert "geheim" not in str(caught.value)
