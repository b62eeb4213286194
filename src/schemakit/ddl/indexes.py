"""An index on every leaf and on the parent, while all of them are in use."""

from __future__ import annotations

from collections.abc import Iterable

from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name
from schemakit.sql.plan import Plan, Statement, Step

from .leaf import LeafIndex
from .neighbours import locking
from .trees import BATCH


def index_plan(parent: Name, leaves: Iterable[Name], index: LeafIndex) -> Plan:
    """Return the plan that builds *index* on the tree, leaf by leaf, CONCURRENTLY.

    CREATE INDEX on the parent would stop the writers of all leaves until all are built, and cannot
    be CONCURRENTLY.
    """
    found = list(leaves)
    built = Plan.of(*(Step.of(_built(leaf, index)) for leaf in found))
    if not index.on_parent:
        return built
    return index_parent_plan(parent, index) + built + index_attach_plan(parent, found, index)


def index_parent_plan(parent: Name, index: LeafIndex) -> Plan:
    """Return the plan that makes the parent's index, not valid until every leaf has its part."""
    made = Statement(
        index.create(parent, only=True),
        (TableLock(LockMode.SHARE, parent),),
        "for a moment: no row is read. Leaves that come from now on get it",
    )
    return Plan.of(Step.of(made))


def index_attach_plan(parent: Name, leaves: Iterable[Name], index: LeafIndex) -> Plan:
    """Return the plan that makes the leaves' indexes parts of the parent's."""
    whole = index.named(parent)
    return Plan.in_batches(
        (index_joined(parent, whole, leaf, index.named(leaf)) for leaf in leaves), BATCH
    )


def _built(leaf: Name, index: LeafIndex) -> Statement:
    return Statement(
        index.create(leaf, concurrently=True),
        (TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, leaf),),
        "reads and writes of the leaf go on",
        transactional=False,
    )


def index_joined(parent: Name, whole: Name, leaf: Name, part: Name) -> Statement:
    """Return what makes *part*, the index of *leaf*, one of *whole*, the index of *parent*."""
    return Statement(
        f"ALTER INDEX {whole} ATTACH PARTITION {part}",
        locking(
            TableLock(LockMode.ACCESS_EXCLUSIVE, part),
            TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, whole),
            TableLock(LockMode.ACCESS_SHARE, parent),
            TableLock(LockMode.ACCESS_SHARE, leaf),
        ),
        "with the last of them the parent's index is valid",
    )
