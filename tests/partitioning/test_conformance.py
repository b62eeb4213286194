"""What every strategy must be: one suite for all. The oracle is the server's ``tableoid``."""

import os
import pickle
import random

import asyncpg
import pytest

from schemakit.errors import LeafUnknown
from schemakit.partitioning import Layout, Name

from .layouts import CASES, Case

SEED = int(os.environ.get("SCHEMAKIT_TEST_SEED") or random.randrange(10**9))  # noqa: S311 - no secret
KEYS = 3000


@pytest.fixture
def rng():
    print(f"SCHEMAKIT_TEST_SEED={SEED}")  # noqa: T201 - to repeat a failure
    return random.Random(SEED)  # noqa: S311 - keys, no secrets


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request) -> Case:
    return request.param


@pytest.fixture
def layout(case) -> Layout:
    return case.layout


@pytest.fixture
async def tree(case, oracle):
    """The tree, made statement by statement as the layout says."""
    layout = case.layout
    schemas = {name.schema for name in (layout.parent, layout.leaves()[0].name)} - {None}
    for schema in schemas:
        await oracle.execute(f"CREATE SCHEMA {Name(schema)}")
    await oracle.execute(f"CREATE TABLE {layout.parent} ({case.definition}) {layout.partition_by}")
    for leaf in layout.leaves():
        await oracle.execute(f"CREATE TABLE {leaf.name} PARTITION OF {layout.parent} {leaf.bound}")
    return layout


def test_the_leaves_are_numbered_and_named_apart(layout):
    leaves = layout.leaves()
    assert [leaf.number for leaf in leaves] == list(range(len(leaves)))
    assert len({leaf.name for leaf in leaves} | {layout.parent}) == len(leaves) + 1
    assert all(len(leaf.name.name.encode()) <= 63 for leaf in leaves)


def test_a_leaf_is_found_by_its_name(layout):
    for leaf in layout.leaves():
        assert layout.leaf_named(leaf.name) is layout.leaf_named(leaf.name.name) is leaf
    with pytest.raises(LeafUnknown):
        layout.leaf_named("no such leaf")


def test_only_a_default_leaf_is_one(layout):
    assert [leaf for leaf in layout.leaves()[:-1] if leaf.default] == []


def test_it_is_a_value(case, layout):
    copy = pickle.loads(pickle.dumps(layout))  # noqa: S301 - our own
    assert copy == layout
    assert {layout: 1}[copy] == 1
    assert copy.leaves() == layout.leaves()
    with pytest.raises(AttributeError):
        layout.parent = Name("other")


async def test_the_names_are_the_servers(tree, oracle):
    rows = await oracle.fetch(
        "SELECT n.nspname, c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.inhparent = $1::text::regclass",
        str(tree.parent),
    )
    made = {Name(leaf.name.name, leaf.name.schema or "public") for leaf in tree.leaves()}
    assert {Name(row["relname"], row["nspname"]) for row in rows} == made


async def test_a_row_is_where_the_layout_says(case, tree, oracle, rng):
    keys = [case.key(rng) for _ in range(KEYS)]
    columns = ", ".join(f"c{place} {kind}" for place, (_, kind) in enumerate(case.decides))
    await oracle.execute(f"CREATE TEMP TABLE raw (n int, {columns})")
    await oracle.copy_records_to_table(
        "raw", records=[(number, *key) for number, key in enumerate(keys)]
    )
    named = ", ".join(f"c{place} AS {Name(name)}" for place, (name, _) in enumerate(case.decides))
    await oracle.execute(f"CREATE TEMP VIEW given AS SELECT n, {named} FROM raw")
    await oracle.execute(case.insert)
    rows = await oracle.fetch(
        "SELECT p.n, c.relname FROM "
        f"{tree.parent} p JOIN pg_class c ON c.oid = p.tableoid ORDER BY p.n"
    )
    assert len(rows) == KEYS
    wrong = [
        keys[row["n"]] for row in rows if tree.leaf_for(*keys[row["n"]]).name.name != row["relname"]
    ]
    assert wrong == []


async def test_a_key_without_a_leaf_is_one_that_the_server_refuses(case, tree, oracle):
    nulls = (None,) * len(case.decides)
    placeholders = ", ".join("NULL" for _ in nulls)
    names = ", ".join(str(Name(name)) for name, _ in case.decides)
    insert = f"INSERT INTO {tree.parent} ({names}) VALUES ({placeholders}) RETURNING tableoid"
    try:
        leaf = tree.leaf_for(*nulls)
    except LeafUnknown:
        with pytest.raises(asyncpg.CheckViolationError, match="no partition of relation"):
            await oracle.fetchval(insert)
    else:
        found = await oracle.fetchval(insert)
        assert await oracle.fetchval("SELECT relname FROM pg_class WHERE oid = $1", found) == (
            leaf.name.name
        )
