"""What the operations on indexes do."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING

from alembic.operations import Operations

from schemakit.ddl.indexes import index_attach_plan, index_joined, index_parent_plan, index_plan
from schemakit.errors import TreeRefused
from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.name import MAX_IDENTIFIER_BYTES, Name, quote
from schemakit.sql.plan import Plan, Statement, Step

from . import index_operations as ops
from .sending import apart, send, tree_of, valid

if TYPE_CHECKING:
    from schemakit.ddl.leaf import LeafIndex


@Operations.implementation_for(ops.CreatePartitionedIndexOp)
def _create_index(operations: Operations, op: ops.CreatePartitionedIndexOp) -> None:
    layout, index = op.layout, op.index
    layout.check_unique(index)
    tree = tree_of(operations, layout)
    if tree is None:
        leaves = [leaf.name for leaf in layout.leaves()]
        apart(operations, index_plan(layout.parent, leaves, index))
        return
    whole = {each.name.name: each for each in tree.indexes}.get(index.named(layout.parent).name)
    leaves = [leaf.name for leaf in tree.leaves] if whole is None else list(whole.lacking)
    built = valid(operations, map(index.named, leaves))
    unbuilt = [leaf for leaf in leaves if str(index.named(leaf)) not in built]
    plan = Plan()
    if index.on_parent and whole is None:
        plan += index_parent_plan(layout.parent, index)
    plan += _builds(layout.parent, unbuilt, index)
    if index.on_parent:
        plan += index_attach_plan(layout.parent, leaves, index)
    apart(operations, plan)


@Operations.implementation_for(ops.CompletePartitionedIndexOp)
def _complete_index(operations: Operations, op: ops.CompletePartitionedIndexOp) -> None:
    layout, whole = op.layout, Name(op.name, op.layout.parent.schema)
    leaves = [layout.in_schema(name) for name in op.only]
    tree = tree_of(operations, layout)
    if tree is not None:
        found = next((each for each in tree.indexes if each.name.name == op.name), None)
        if found is None:
            raise TreeRefused(f"There is no index {whole}.", remedy="create it on the tree.")
        leaves = [leaf for leaf in found.lacking if leaf.name in op.only]
    parts = {leaf: Name(_part_named(op, leaf), leaf.schema) for leaf in leaves}
    built = valid(operations, parts.values()) if tree is not None else frozenset()
    steps, joined = [], []
    for leaf, part in parts.items():
        if str(part) not in built:
            steps.append(Step.of(_part(op, part, leaf)))
        joined.append(index_joined(layout.parent, whole, leaf, part))
    apart(operations, Plan.of(*steps, Step(tuple(joined))))


def _part(op: ops.CompletePartitionedIndexOp, part: Name, leaf: Name) -> Statement:
    unique = "UNIQUE " if op.unique else ""
    return Statement(
        f"CREATE {unique}INDEX CONCURRENTLY {quote(part.name)} ON {leaf} {op.definition}",
        (TableLock(LockMode.SHARE_UPDATE_EXCLUSIVE, leaf),),
        transactional=False,
    )


def _part_named(op: ops.CompletePartitionedIndexOp, leaf: Name) -> str:
    """Return a name for the part of *leaf*: the parent's, with the leaf for the parent in it."""
    own = f"{op.layout.parent.name}_"
    rest = op.name.removeprefix(own)
    name = f"{leaf.name}_{rest}"
    if len(name.encode()) <= MAX_IDENTIFIER_BYTES:
        return name
    mark = md5(name.encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{name.encode()[:50].decode(errors='ignore')}_{mark}"


def _builds(parent: Name, leaves: list[Name], index: LeafIndex) -> Plan:
    whole = index_plan(parent, leaves, index)
    return Plan.of(*(step for step in whole.steps if not step.transactional))


@Operations.implementation_for(ops.DropPartitionedIndexOp)
def _drop_index(operations: Operations, op: ops.DropPartitionedIndexOp) -> None:
    tables = (
        [op.layout.parent] if op.index.on_parent else [leaf.name for leaf in op.layout.leaves()]
    )
    for table in tables:
        lock = TableLock(LockMode.ACCESS_EXCLUSIVE, table)
        send(operations, Statement(f"DROP INDEX {op.index.named(table)}", (lock,)))
