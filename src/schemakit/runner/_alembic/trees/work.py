"""What the operations on leaves and trees do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.operations import Operations

from schemakit.catalog import read_trees
from schemakit.ddl.attachment import attach_plan, detach_plan, drop_plan, finalize_plan
from schemakit.ddl.neighbours import Neighbours
from schemakit.ddl.preflight import (
    check_detach,
    check_parent,
    check_triggers,
    neighbours_of,
)
from schemakit.ddl.renames import rename_plan
from schemakit.ddl.trees import BATCH, LIVE_BATCH, leaves_plan
from schemakit.errors import LayoutRefused, TreeRefused
from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.plan import Plan, Statement, Step

from . import operations as ops
from .sending import apart, batch_of, fits, online, together, tree_of

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree
    from schemakit.ddl.leaf import Leaf
    from schemakit.partitioning.layout import Layout


# -- leaves ----------------------------------------------------------------------------------------


def _leaves(layout: Layout, only: tuple[str, ...] | None) -> list[Leaf]:
    if only is None:
        return list(layout.leaves())
    return [layout.leaf_named(name) for name in only]


def _states(operations: Operations, layout: Layout, leaves: list[Leaf]) -> list[tuple[Leaf, str]]:
    connection = online(operations)
    names = [leaf.name for leaf in leaves]
    return list(zip(leaves, read_trees.leaf_states(connection, layout.parent, names), strict=True))


@Operations.implementation_for(ops.CreatePartitionsOp)
def _create(operations: Operations, op: ops.CreatePartitionsOp) -> None:
    layout, leaves = op.layout, _leaves(op.layout, op.only)
    tree = tree_of(operations, layout)
    if tree is not None:
        check_triggers(tree, layout.columns)
        leaves = _missing(operations, layout, leaves)
    neighbours = _around(layout, leaves, tree, live=op.live)
    if tree is not None and op.live:
        _refuse_rows(operations, neighbours, leaves)
    plan = _indexes(layout, tree, live=op.live) + leaves_plan(
        layout.parent,
        leaves,
        layout.carries,
        live=op.live,
        neighbours=neighbours,
        size=batch_of(LIVE_BATCH if op.live else BATCH, layout, tree),
    )
    proving = op.live and neighbours.default is not None
    if proving or not fits(len(leaves), layout, tree):
        apart(operations, plan)
    else:
        together(operations, plan)


def _missing(operations: Operations, layout: Layout, leaves: list[Leaf]) -> list[Leaf]:
    states = _states(operations, layout, leaves)
    for leaf, state in states:
        if state in {"free", "other"}:
            raise TreeRefused(
                f"{leaf.name} is there, and no leaf of {layout.parent}.",
                remedy="op.attach_partition() it, if its rows belong there, or rename it.",
            )
    return [leaf for leaf, state in states if not state]


def _around(layout: Layout, leaves: list[Leaf], tree: Tree | None, *, live: bool) -> Neighbours:
    if tree is not None:
        return neighbours_of(tree)
    # Nobody to ask: a default leaf that is not being made is there.
    made = {leaf.name for leaf in leaves}
    default = [leaf.name for leaf in layout.leaves() if leaf.default and leaf.name not in made]
    return Neighbours(default[0] if default and live else None)


def _refuse_rows(operations: Operations, neighbours: Neighbours, leaves: list[Leaf]) -> None:
    if neighbours.default is None:
        return
    for leaf in leaves:
        if leaf.check is not None and read_trees.has_rows(
            online(operations), neighbours.default, leaf.check
        ):
            raise TreeRefused(
                f"The default leaf {neighbours.default} has rows of {leaf.name}.",
                remedy="move them to a table of that name, and op.attach_partition() it.",
            )


def _indexes(layout: Layout, tree: Tree | None, *, live: bool) -> Plan:
    """The indexes of a parent that has no leaves yet, so that these get them."""
    if live or (tree is not None and tree.leaves):
        return Plan()
    there = {index.name.name for index in tree.indexes} if tree is not None else set()
    made = [
        Statement(
            index.create(layout.parent), (TableLock(LockMode.SHARE, layout.parent, new=True),)
        )
        for index in layout.carries.on_parent
        if index.named(layout.parent).name not in there
    ]
    return Plan.of(Step(tuple(made))) if made else Plan()


@Operations.implementation_for(ops.DropPartitionsOp)
def _drop(operations: Operations, op: ops.DropPartitionsOp) -> None:
    layout, leaves = op.layout, _leaves(op.layout, op.only)
    tree = tree_of(operations, layout)
    plan = Plan()
    if tree is not None:
        plan, leaves = _half_gone(operations, layout, leaves, tree)
        for leaf in leaves:
            check_detach(tree, leaf.name, concurrently=op.concurrently)
    neighbours = Neighbours() if tree is None else neighbours_of(tree)
    plan += drop_plan(
        layout.parent,
        [leaf.name for leaf in leaves],
        concurrently=op.concurrently,
        neighbours=neighbours,
    )
    if op.concurrently or not fits(len(leaves), layout, tree):
        apart(operations, plan)
    else:
        together(operations, plan)


def _half_gone(
    operations: Operations, layout: Layout, leaves: list[Leaf], tree: Tree
) -> tuple[Plan, list[Leaf]]:
    """What an earlier run has begun is ended: a leaf that is half detached, or only detached."""
    plan, attached = Plan(), []
    for leaf, state in _states(operations, layout, leaves):
        if state == "attached":
            attached.append(leaf)
        elif state == "pending":
            plan += finalize_plan(layout.parent, leaf.name, neighbours=neighbours_of(tree))
        if state in {"pending", "free"}:
            lock = TableLock(LockMode.ACCESS_EXCLUSIVE, leaf.name)
            plan += Plan.of(Step.of(Statement(f"DROP TABLE {leaf.name}", (lock,))))
    return plan, attached


@Operations.implementation_for(ops.AttachPartitionOp)
def _attach(operations: Operations, op: ops.AttachPartitionOp) -> None:
    layout, leaf = op.layout, op.layout.leaf_named(op.name)
    tree = tree_of(operations, layout)
    indexes = list(layout.carries.on_parent)
    if tree is not None:
        ((_, state),) = _states(operations, layout, [leaf])
        if state == "attached":
            return
        if state != "free":
            raise TreeRefused(
                f"{leaf.name} is {_WHAT[state]}.", remedy="name a table that is no leaf."
            )
        lacking = read_trees.unmatched_indexes(online(operations), layout.parent, leaf.name)
        indexes = [index for index in indexes if index.named(layout.parent).name in lacking]
    around = _around(layout, [leaf], tree, live=True)
    apart(operations, attach_plan(layout.parent, leaf, indexes, neighbours=around))


_WHAT = {"": "not there", "pending": "half detached", "other": "no table of its own"}


@Operations.implementation_for(ops.DetachPartitionOp)
def _detach(operations: Operations, op: ops.DetachPartitionOp) -> None:
    layout, name = op.layout, op.layout.in_schema(op.name)
    tree = tree_of(operations, layout)
    neighbours = Neighbours() if tree is None else neighbours_of(tree)
    if tree is not None:
        (state,) = read_trees.leaf_states(online(operations), layout.parent, [name])
        if state == "free":
            return
        if state == "pending":
            together(operations, finalize_plan(layout.parent, name, neighbours=neighbours))
            return
        if state != "attached":
            raise TreeRefused(f"{name} is {_WHAT[state]}.", remedy="name a leaf.")
        check_detach(tree, name, concurrently=op.concurrently)
    plan = detach_plan(layout.parent, name, concurrently=op.concurrently, neighbours=neighbours)
    (apart if op.concurrently else together)(operations, plan)


# -- whole trees -----------------------------------------------------------------------------------


@Operations.implementation_for(ops.CreatePartitionedTableOp)
def _create_tree(operations: Operations, op: ops.CreatePartitionedTableOp) -> Any:
    connection, parent = online(operations), op.table
    begun = connection is not None and _begun(connection, op.layout)
    table = parent.to_table() if begun else operations.invoke(parent)
    operations.invoke(ops.CreatePartitionsOp(op.layout, None, live=False))
    return table


def _begun(connection: Any, layout: Layout) -> bool:
    """Whether an earlier run has made the parent of a tree that takes several transactions."""
    tree = read_trees.tree(connection, layout.parent)
    if not tree.exists or fits(len(layout.leaves()), layout, tree):
        return False  # in one transaction nothing is left of it: then it is another one's
    check_parent(tree, layout.parent, layout.partition_by)
    return True


@Operations.implementation_for(ops.DropPartitionedTableOp)
def _drop_tree(operations: Operations, op: ops.DropPartitionedTableOp) -> None:
    layout = op.layout
    tree = tree_of(operations, layout)
    count = len(layout.leaves()) if tree is None else len(tree.leaves)
    if not fits(count, layout, tree):
        operations.invoke(ops.DropPartitionsOp(layout, None, concurrently=False))
    operations.drop_table(layout.parent.name, schema=layout.parent.schema)


@Operations.implementation_for(ops.RenamePartitionedTableOp)
def _rename(operations: Operations, op: ops.RenamePartitionedTableOp) -> None:
    before, after = op.layout, op.to
    if len(before.leaves()) != len(after.leaves()) or before.partition_by != after.partition_by:
        detail = f"{before.parent} and {after.parent} are laid out in different ways."
        raise LayoutRefused(detail, remedy="change nothing but names.")
    tree_of(operations, before)
    names = zip(before.leaves(), after.leaves(), strict=True)
    renames = [(before.parent, after.parent), *((old.name, new.name) for old, new in names)]
    together(operations, rename_plan(renames))


@Operations.implementation_for(ops.ChangeLayoutOp)
def _change(_: Operations, op: ops.ChangeLayoutOp) -> None:
    raise TreeRefused(
        f"{op.layout.parent} is laid out in another way: {' '.join(op.differing)}",
        remedy="let the model say what is there; or make another table and move the rows, in the "
        "place of this operation.",
    )
