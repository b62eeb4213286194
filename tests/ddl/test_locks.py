"""The locks that the builders claim, beside those that the server takes (``pg_locks``)."""

import asyncio

import pytest

from schemakit.ddl import (
    Expression,
    Grant,
    LeafIndex,
    LeafTraits,
    Name,
    Neighbours,
    attach_plan,
    detach_plan,
    drop_plan,
    finalize_plan,
    index_plan,
    leaves_plan,
    rename_plan,
)
from schemakit.partitioning import ValuesLayout
from schemakit.sql.locks import LockMode

PARENT = Name('"; drop', "Sche'ma")
OUT, IN, DEFAULT = Name("Ref out", "Sche'ma"), Name("ref in", "Sche'ma"), Name("rest", "Sche'ma")
INDEX = LeafIndex("{table}_x", ("x",))
TRAITS = LeafTraits(
    indexes=(LeafIndex("{table}_own", (Expression("lower(t)"),), unique=True, on_parent=False),),
    storage=(("fillfactor", 70),),
    grants=(Grant(("SELECT",)),),
    replica_identity="full",
)
LAYOUT = ValuesLayout(PARENT, "k", values=(1, 2, 3), type="int", naming="p {value}", carries=TRAITS)
ONE, TWO, THREE = LAYOUT.leaves()
OWN = "SELECT relation, mode FROM pg_locks WHERE pid = $1 AND locktype = 'relation'"
THERE = """
    SELECT c.oid, n.nspname, c.relname, c.relkind::text
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'I', 'i') AND c.oid >= 16384 AND n.nspname <> 'pg_toast'
"""


@pytest.fixture
async def tree(oracle):
    """A parent with a foreign key each way, two leaves, and a table that may become the third."""
    await oracle.execute(f"CREATE SCHEMA {Name(PARENT.schema)}")
    await oracle.execute(f"CREATE TABLE {OUT} (id int PRIMARY KEY)")
    await oracle.execute(
        f"CREATE TABLE {PARENT} (k int NOT NULL, x int, t text, r int REFERENCES {OUT}, UNIQUE (k))"
        f" {LAYOUT.partition_by}"
    )
    await oracle.execute(f"CREATE TABLE {IN} (k int REFERENCES {PARENT} (k))")
    for leaf in (ONE, TWO):
        await oracle.execute(f"CREATE TABLE {leaf.name} PARTITION OF {PARENT} {leaf.bound}")
    await oracle.execute(f"CREATE TABLE {THREE.name} (LIKE {PARENT} INCLUDING ALL)")


@pytest.fixture
async def neighbours(oracle):
    major = await oracle.fetchval("SELECT current_setting('server_version_num')::int / 10000")
    return Neighbours(referenced=(OUT,), referencing=(IN,), version=major)


def strong(found):
    locks = {}
    for name, mode in found:
        if mode > LockMode.ROW_EXCLUSIVE:
            locks[name] = max(mode, locks.get(name, mode))
    return locks


def claimed(statement):
    return strong((lock.relation, lock.mode) for lock in statement.locks)


async def taken(oracle, pid, there):
    rows = await oracle.fetch(OWN, pid)
    return strong(
        (there[row["relation"]], LockMode.of_server(row["mode"]))
        for row in rows
        if row["relation"] in there
    )


async def known(oracle):
    """The relations that are there, by their oids; and which of them are indexes."""
    rows = await oracle.fetch(THERE)
    named = {row["oid"]: Name(row["relname"], row["nspname"]) for row in rows}
    return named, {named[row["oid"]] for row in rows if row["relkind"] in "iI"}


async def compare(oracle, connect, plan):
    """Run *plan*, and compare each of its statements on what was there before it."""
    session = await connect()
    for step in plan.steps:
        if not step.transactional:
            await session.execute(step.sql)
            continue
        for statement in step.statements:
            there, indexes = await known(oracle)
            await session.execute("BEGIN")
            await session.execute(statement.sql)
            locks = await taken(session, session.get_server_pid(), there)
            await session.execute("COMMIT")
            said = {
                name: mode for name, mode in claimed(statement).items() if name in there.values()
            }
            # A table's indexes are locked with it; they are named where they are locked alone.
            met = {
                name: mode for name, mode in locks.items() if name in said or name not in indexes
            }
            assert met == said, statement.sql


async def test_a_leaf_under_a_parent_in_use(tree, oracle, connect, neighbours):
    await oracle.execute(f"DROP TABLE {THREE.name}")
    plan = leaves_plan(PARENT, [THREE], TRAITS, neighbours=neighbours)
    assert plan.transactional
    await compare(oracle, connect, plan)
    on_parent = [lock.mode for each in plan for lock in each.locks if lock.relation == PARENT]
    assert max(on_parent) == LockMode.SHARE_UPDATE_EXCLUSIVE


async def test_a_leaf_under_a_new_parent(tree, oracle, connect, neighbours):
    await oracle.execute(f"DROP TABLE {THREE.name}")
    await compare(
        oracle, connect, leaves_plan(PARENT, [THREE], TRAITS, live=False, neighbours=neighbours)
    )


@pytest.mark.parametrize("with_default", [False, True])
async def test_attaching_a_table(tree, oracle, connect, neighbours, with_default):
    if with_default:
        await oracle.execute(f"CREATE TABLE {DEFAULT} PARTITION OF {PARENT} DEFAULT")
        neighbours = Neighbours(DEFAULT, (OUT,), (IN,), neighbours.version)
    await compare(oracle, connect, attach_plan(PARENT, THREE, neighbours=neighbours))


async def test_detaching_without_concurrently(tree, oracle, connect, neighbours):
    await oracle.execute(f"CREATE TABLE {DEFAULT} PARTITION OF {PARENT} DEFAULT")
    neighbours = Neighbours(DEFAULT, (OUT,), (IN,), neighbours.version)
    plan = detach_plan(PARENT, ONE.name, concurrently=False, neighbours=neighbours)
    await compare(oracle, connect, plan)


async def test_dropping(tree, oracle, connect, neighbours):
    await compare(oracle, connect, drop_plan(PARENT, [ONE.name], neighbours=neighbours))


async def test_an_index_on_the_tree(tree, oracle, connect):
    await compare(oracle, connect, index_plan(PARENT, [ONE.name, TWO.name], INDEX))
    assert await oracle.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = $1::text::regclass",
        str(INDEX.named(PARENT)),
    )


async def test_renaming(tree, oracle, connect):
    pairs = [(PARENT, Name("new", PARENT.schema)), (ONE.name, Name("other", PARENT.schema))]
    await compare(oracle, connect, rename_plan(pairs))


async def waiting(oracle, pid):
    while not await oracle.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):  # noqa: ASYNC110 - the server tells
        await asyncio.sleep(0.01)


async def test_detaching_concurrently_locks_the_parent_no_more_than_it_says(
    tree, oracle, connect, neighbours
):
    there, _ = await known(oracle)
    plan = detach_plan(PARENT, ONE.name, neighbours=neighbours)
    reader, session = await connect(), await connect()
    await reader.execute(f"BEGIN; SELECT FROM {PARENT}")
    detaching = asyncio.create_task(session.execute(plan.steps[0].sql))
    await asyncio.wait_for(waiting(oracle, session.get_server_pid()), 20)
    locks = await taken(oracle, session.get_server_pid(), there)
    assert locks.get(PARENT, LockMode.SHARE_UPDATE_EXCLUSIVE) <= LockMode.SHARE_UPDATE_EXCLUSIVE
    # Cut off here, it is for the next call to end.
    assert await oracle.fetchval("SELECT pg_cancel_backend($1)", session.get_server_pid())
    with pytest.raises(Exception, match="canceling statement"):
        await detaching
    await reader.execute("COMMIT")
    await compare(oracle, connect, finalize_plan(PARENT, ONE.name, neighbours=neighbours))
