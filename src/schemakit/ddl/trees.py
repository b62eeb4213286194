"""Parent and leaves: made together, or leaves added to a parent that is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Plan, Statement, Step

from .attachment import attach, excluded, readmitted
from .definitions import with_references
from .leaf import Leaf, LeafTraits, parameters
from .neighbours import ALONE, Neighbours, locking

#: Leaves made in one transaction. Each takes about ten locks, and the server has room for
#: max_locks_per_transaction (64) for each connection that it may have.
BATCH = 50
#: The same under a parent in use, whose foreign keys stop writers of other tables meanwhile.
LIVE_BATCH = 10
#: As PARTITION OF copies. Indexes are made by ATTACH; a table with an identity of its own cannot
#: be attached since 17, and before it would count by itself.
_LIKE = "INCLUDING ALL EXCLUDING COMMENTS EXCLUDING IDENTITY EXCLUDING INDEXES EXCLUDING STATISTICS"
_PLAIN = LeafTraits()


def tree_plan(  # noqa: PLR0913 - what a tree is made of
    parent: Name,
    definition: str,
    partition_by: str,
    leaves: Iterable[Leaf],
    traits: LeafTraits = _PLAIN,
    *,
    checks: Iterable[str] = (),
    neighbours: Neighbours = ALONE,
) -> Plan:
    """Return the plan that makes a partitioned table and its leaves.

    Args:
        parent: its name.
        definition: its columns and constraints, as between the parentheses of CREATE TABLE.
        partition_by: ``PARTITION BY HASH ("id")``.
        leaves: in this order.
        traits: what each leaf carries.
        checks: conditions that every row must meet, as SQL.
        neighbours: what is locked with it, beside the tables that its foreign keys point at.
    """
    neighbours = with_references(neighbours, parent, definition)
    return parent_plan(
        parent, definition, partition_by, traits, checks=checks, neighbours=neighbours
    ) + leaves_plan(parent, leaves, traits, live=False, neighbours=neighbours)


def parent_plan(  # noqa: PLR0913 - what a parent is made of
    parent: Name,
    definition: str,
    partition_by: str,
    traits: LeafTraits = _PLAIN,
    *,
    checks: Iterable[str] = (),
    neighbours: Neighbours = ALONE,
) -> Plan:
    """Return the plan that makes the parent and its indexes, which the leaves will get, too."""
    neighbours = with_references(neighbours, parent, definition)
    conditions = [f"CHECK ({check})" for check in checks]
    parts = ", ".join(part for part in [definition.strip(), *conditions] if part)
    own = TableLock(LockMode.ACCESS_EXCLUSIVE, parent, new=True)
    made = Statement(
        f"CREATE TABLE {parent} ({parts}) {partition_by}",
        locking(own, *neighbours.locked()),
        "the parent holds no rows itself",
    )
    indexes = (
        Statement(
            index.create(parent),
            (TableLock(LockMode.SHARE, parent, new=True),),
            "every leaf will get it",
        )
        for index in traits.on_parent
    )
    return Plan.of(Step.of(made, *indexes))


def leaves_plan(  # noqa: PLR0913 - what leaves are made of
    parent: Name,
    leaves: Iterable[Leaf],
    traits: LeafTraits = _PLAIN,
    *,
    live: bool = True,
    neighbours: Neighbours = ALONE,
    size: int | None = None,
) -> Plan:
    """Return the plan that adds *leaves* to *parent*.

    Args:
        parent: it exists.
        leaves: they do not.
        traits: what each leaf carries.
        live: whether the parent may be in use. Then leaves are made beside it and attached, which
            lets reads and writes of it go on; else they are made as its partitions, which is
            faster and locks it exclusively.
        neighbours: what is locked with it.
        size: how many leaves are made in one transaction; by default as many as a server with
            default settings has room for the locks of.
    """
    found = list(leaves)
    size = size or (LIVE_BATCH if live else BATCH)
    plan = Plan()
    for start in range(0, len(found), size):
        plan += _batch(parent, found[start : start + size], traits, neighbours, live=live)
    return plan


def _batch(
    parent: Name, leaves: list[Leaf], traits: LeafTraits, neighbours: Neighbours, *, live: bool
) -> Plan:
    if not live:
        return Plan.of(
            Step(tuple(_each(leaves, lambda leaf: _born(parent, leaf, traits, neighbours), traits)))
        )
    # Else every ATTACH would read the default leaf from end to end, under an exclusive lock.
    checked = [leaf for leaf in leaves if neighbours.default is not None and leaf.check is not None]
    before, after = excluded(neighbours.default, checked), readmitted(neighbours.default, checked)
    made = _each(leaves, lambda leaf: _adopted(parent, leaf, traits, neighbours), traits)
    return before + Plan.of(Step((*made, *after)))


def _each(
    leaves: Iterable[Leaf], make: Callable[[Leaf], Iterator[Statement]], traits: LeafTraits
) -> Iterator[Statement]:
    for leaf in leaves:
        yield from make(leaf)
        yield from furnishing(leaf.name, traits)


def _storage(traits: LeafTraits) -> str:
    place = f"TABLESPACE {quote(traits.tablespace)}" if traits.tablespace else ""
    words = [parameters(traits.storage), place]
    return "".join(f" {word}" for word in words if word)


def _born(
    parent: Name, leaf: Leaf, traits: LeafTraits, neighbours: Neighbours
) -> Iterator[Statement]:
    yield Statement(
        f"CREATE TABLE {leaf.name} PARTITION OF {parent} {leaf.bound}{_storage(traits)}",
        locking(
            TableLock(LockMode.ACCESS_EXCLUSIVE, parent, new=True),
            TableLock(LockMode.ACCESS_EXCLUSIVE, leaf.name, new=True),
            *neighbours.locked(),
        ),
        "nobody uses the parent yet",
    )


def _adopted(
    parent: Name, leaf: Leaf, traits: LeafTraits, neighbours: Neighbours
) -> Iterator[Statement]:
    yield Statement(
        f"CREATE TABLE {leaf.name} (LIKE {parent} {_LIKE}){_storage(traits)}",
        locking(
            TableLock(LockMode.ACCESS_EXCLUSIVE, leaf.name, new=True),
            TableLock(LockMode.ACCESS_SHARE, parent),
        ),
        "made beside the parent: PARTITION OF would lock it exclusively",
    )
    yield attach(parent, leaf, neighbours, new=True)


def furnishing(table: Name, traits: LeafTraits) -> Iterator[Statement]:
    """Yield what gives the new *table* its own indexes, grants and replica identity."""
    for index in traits.on_leaves:
        share = TableLock(LockMode.SHARE, table, new=True)
        yield Statement(index.create(table), (share,), "of this leaf alone")
    for grant in traits.grants:
        yield Statement(grant.on(table), (), "for who names the leaf itself")
    if traits.replica_identity != "default":
        lock = TableLock(LockMode.ACCESS_EXCLUSIVE, table, new=True)
        identity = _identity(table, traits)
        yield Statement(f"ALTER TABLE {table} REPLICA IDENTITY {identity}", (lock,))


def _identity(table: Name, traits: LeafTraits) -> str:
    for index in traits.on_leaves:
        if index.name == traits.replica_identity:
            return f"USING INDEX {quote(index.named(table).name)}"
    return traits.replica_identity.upper()
