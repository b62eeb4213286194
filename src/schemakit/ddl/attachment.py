"""Leaves that come and go while the parent is in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name, quote
from schemakit.sql.plan import Plan, Statement, Step

from .leaf import Leaf, LeafIndex
from .neighbours import ALONE, Neighbours, locking

#: Of the constraints that spare a scan; they are gone when a plan is done.
_PROOF = "schemakit_attach"


def attach(parent: Name, leaf: Leaf, neighbours: Neighbours, *, new: bool) -> Statement:
    """Return the ATTACH of a table that is there; *new* if the plan has made it."""
    return Statement(
        f"ALTER TABLE {parent} ATTACH PARTITION {leaf.name} {leaf.bound}",
        locking(
            TableLock(LockMode.ACCESS_EXCLUSIVE, leaf.name, new=new),
            TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, parent),
            *neighbours.locked(),
        ),
        "reads and writes of the parent go on",
    )


def attach_plan(
    parent: Name,
    leaf: Leaf,
    indexes: Iterable[LeafIndex] = (),
    *,
    neighbours: Neighbours = ALONE,
) -> Plan:
    """Return the plan that makes a table with rows a leaf, without a scan under the lock.

    The rows are proven to belong there beforehand, by a CHECK that is validated while others read
    and write. A key hashed as text cannot be proven so: ATTACH reads those rows itself.

    Args:
        parent: the partitioned table.
        leaf: the table, with the bound that it is to have.
        indexes: of the parent, which it has not got yet: built before, for ATTACH would build them
            while it locks.
        neighbours: what is locked with it.
    """
    built = [
        Step.of(
            Statement(
                index.create(leaf.name, concurrently=True),
                (TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, leaf.name),),
                "ATTACH would build it under its lock",
                transactional=False,
            )
        )
        for index in indexes
    ]
    checked = [leaf] if neighbours.default is not None and leaf.check is not None else []
    before = excluded(neighbours.default, checked)
    after = (*_unproven(leaf), *readmitted(neighbours.default, checked))
    joined = Step.of(attach(parent, leaf, neighbours, new=False), *after)
    return Plan.of(*built) + _proven(leaf) + before + Plan.of(joined)


def _proven(leaf: Leaf) -> Plan:
    if leaf.check is None:
        return Plan()
    return _promised(leaf.name, [(_PROOF, leaf.check)])


def _unproven(leaf: Leaf) -> Iterator[Statement]:
    if leaf.check is not None:
        yield _dropped(leaf.name, _PROOF)


def excluded(default: Name | None, leaves: Iterable[Leaf]) -> Plan:
    """Return the plan that proves that the *default* leaf has no rows of *leaves*."""
    found = [(_proof_of(leaf), f"NOT ({leaf.check})") for leaf in leaves]
    return Plan() if default is None or not found else _promised(default, found)


def readmitted(default: Name | None, leaves: Iterable[Leaf]) -> tuple[Statement, ...]:
    """Return what takes these proofs away, which the leaves' bounds now say themselves."""
    if default is None:
        return ()
    return tuple(_dropped(default, _proof_of(leaf)) for leaf in leaves)


def proofs_dropped(default: Name | None, leaves: Iterable[Leaf]) -> Plan:
    """Return the plan that takes the proofs away that `excluded` left when it failed half way."""
    return Plan() if default is None else _removed(default, map(_proof_of, leaves))


def attach_undone_plan(leaf: Leaf, default: Name | None = None) -> Plan:
    """Return the plan that takes away what `attach_plan` left when it failed half way."""
    return _removed(leaf.name, [_PROOF]) + proofs_dropped(default, [leaf])


def _removed(table: Name, names: Iterable[str]) -> Plan:
    exclusive = (TableLock(LockMode.ACCESS_EXCLUSIVE, table),)
    return Plan.of(Step(tuple(Statement(_if_there(table, name), exclusive) for name in names)))


def _if_there(table: Name, constraint: str) -> str:
    return f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {quote(constraint)}"


def _proof_of(leaf: Leaf) -> str:
    return f"{_PROOF}_{leaf.number}"


def _promised(table: Name, conditions: list[tuple[str, str]]) -> Plan:
    exclusive = (TableLock(LockMode.ACCESS_EXCLUSIVE, table),)
    update = (TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, table),)
    added, validated = [], []
    for name, condition in conditions:
        added += [
            Statement(
                _if_there(table, name),
                exclusive,
                "one that a run left which was cut off",
            ),
            Statement(
                f"ALTER TABLE {table} ADD CONSTRAINT {quote(name)} CHECK ({condition}) NOT VALID",
                exclusive,
                "for a moment: no row is read",
            ),
        ]
        validated.append(
            Statement(
                f"ALTER TABLE {table} VALIDATE CONSTRAINT {quote(name)}",
                update,
                "the scan, while others read and write",
            )
        )
    return Plan.of(Step(tuple(added)), Step(tuple(validated)))


def _dropped(table: Name, constraint: str) -> Statement:
    return Statement(
        f"ALTER TABLE {table} DROP CONSTRAINT {quote(constraint)}",
        (TableLock(LockMode.ACCESS_EXCLUSIVE, table),),
        "the bound says it now",
    )


def detach_plan(
    parent: Name, leaf: Name, *, concurrently: bool = True, neighbours: Neighbours = ALONE
) -> Plan:
    """Return the plan that makes *leaf* a table of its own.

    Args:
        parent: the partitioned table.
        leaf: the partition.
        concurrently: while the parent is in use. Not possible beside a default leaf, nor inside a
            transaction.
        neighbours: what is locked with it.
    """
    if not concurrently:
        return Plan.of(Step.of(_detached(parent, leaf, neighbours)))
    detaching = Statement(
        f"ALTER TABLE {parent} DETACH PARTITION {leaf} CONCURRENTLY",
        locking(
            TableLock(LockMode.ACCESS_EXCLUSIVE, leaf),
            TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, parent),
            *_keys(neighbours),
        ),
        "reads and writes of the parent go on; it waits for older transactions",
        transactional=False,
    )
    return Plan.of(Step.of(detaching))


def _detached(parent: Name, leaf: Name, neighbours: Neighbours) -> Statement:
    default = [neighbours.default] if neighbours.default not in {None, leaf} else []
    return Statement(
        f"ALTER TABLE {parent} DETACH PARTITION {leaf}",
        locking(
            TableLock(LockMode.ACCESS_EXCLUSIVE, parent),
            TableLock(LockMode.ACCESS_EXCLUSIVE, leaf),
            *(TableLock(LockMode.ACCESS_EXCLUSIVE, name) for name in default),
            *_keys(neighbours),
        ),
        "everything waits for it, for a moment: CONCURRENTLY is not possible here",
    )


def _keys(neighbours: Neighbours) -> Iterator[TableLock]:
    for table in neighbours.referenced:
        yield TableLock(LockMode.SHARE_ROW_EXCLUSIVE, table)
    for table in neighbours.referencing:
        yield TableLock(LockMode.ACCESS_EXCLUSIVE, table)


def finalize_plan(parent: Name, leaf: Name, *, neighbours: Neighbours = ALONE) -> Plan:
    """Return the plan that ends a DETACH CONCURRENTLY which was cut off."""
    finishing = Statement(
        f"ALTER TABLE {parent} DETACH PARTITION {leaf} FINALIZE",
        locking(
            TableLock(LockMode.ACCESS_EXCLUSIVE, leaf),
            TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, parent),
            *_keys(neighbours),
        ),
        "until then its rows are out of sight, and no other leaf can be detached concurrently",
    )
    return Plan.of(Step.of(finishing))


def drop_plan(
    parent: Name,
    leaves: Iterable[Name],
    *,
    concurrently: bool = True,
    neighbours: Neighbours = ALONE,
) -> Plan:
    """Return the plan that drops *leaves* with their rows: each is detached first.

    DROP of a leaf that is attached would lock the parent exclusively.
    """
    plan = Plan()
    for leaf in leaves:
        plan += detach_plan(parent, leaf, concurrently=concurrently, neighbours=neighbours)
        plan += Plan.of(Step.of(dropped(leaf, neighbours)))
    return plan


def dropped(leaf: Name, neighbours: Neighbours) -> Statement:
    """Return the DROP of a table that is no leaf any more."""
    return Statement(
        f"DROP TABLE {leaf}",
        locking(
            TableLock(LockMode.ACCESS_EXCLUSIVE, leaf),
            *(TableLock(LockMode.ACCESS_EXCLUSIVE, table) for table in neighbours.referenced),
        ),
        "nobody reads it through the parent any more",
    )
