"""What the operations do: plans of `schemakit.ddl`, sent as ``op.execute`` sends."""

from __future__ import annotations

from hashlib import md5
from itertools import groupby
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from sqlalchemy import text

from schemakit.catalog import read, read_tree
from schemakit.ddl.attachment import attach_plan, detach_plan, drop_plan, finalize_plan
from schemakit.ddl.indexes import index_attach_plan, index_joined, index_parent_plan, index_plan
from schemakit.ddl.neighbours import Neighbours
from schemakit.ddl.preflight import (
    check_detach,
    check_parent,
    check_triggers,
    locks_needed,
    neighbours_of,
)
from schemakit.ddl.renames import rename_plan
from schemakit.ddl.trees import leaves_plan
from schemakit.errors import LayoutRefused, TreeRefused
from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.name import MAX_IDENTIFIER_BYTES, Name, quote
from schemakit.sql.plan import Plan, Statement, Step

from . import operations as ops

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

    from schemakit.catalog.tree import Tree
    from schemakit.ddl.leaf import Leaf, LeafIndex
    from schemakit.partitioning.layout import Layout

#: Of a server as it is installed: 64 locks for each of 100 connections.
_USUAL_ROOM = 6400


# -- how plans are sent ----------------------------------------------------------------------------


def _together(operations: Operations, plan: Plan) -> None:
    """Send *plan* in the migration's transaction."""
    for statement in plan:
        _send(operations, statement)


def _apart(operations: Operations, plan: Plan) -> None:
    """Send *plan* with a COMMIT before each step; refused at once where that is not possible."""
    context, fresh = operations.migration_context, False
    for transactional, steps in groupby(plan.steps, key=lambda step: step.transactional):
        if not transactional:
            with context.autocommit_block():
                _together(operations, Plan.of(*steps))
            fresh = True
            continue
        for step in steps:
            if not fresh:
                _commit(context)
            _together(operations, Plan.of(step))
            fresh = False


def _commit(context: MigrationContext) -> None:
    """End the migration's transaction, and begin another: it is what such a block does around."""
    with context.autocommit_block():
        pass


def _send(operations: Operations, statement: Statement) -> None:
    # A colon in a name is no parameter.
    operations.execute(text(statement.sql.replace("\\", "\\\\").replace(":", "\\:")))


def _online(operations: Operations) -> Any:
    context = operations.migration_context
    return None if context.as_sql else context.connection


def _tree(operations: Operations, layout: Layout) -> Tree | None:
    """Return what there is of *layout*; None if there is no database to ask."""
    connection = _online(operations)
    if connection is None:
        return None
    tree = read_tree.tree(connection, layout.parent)
    check_parent(tree, layout.parent, layout.partition_by)
    return tree


def _fits(leaves: int, layout: Layout, tree: Tree | None) -> bool:
    indexes = len(tree.indexes) if tree is not None else 1 + len(layout.carries.on_parent)
    needed = locks_needed(leaves, indexes + len(layout.carries.on_leaves))
    return needed <= (_USUAL_ROOM if tree is None else tree.lock_room)


# -- leaves ----------------------------------------------------------------------------------------


def _leaves(layout: Layout, only: tuple[str, ...] | None) -> list[Leaf]:
    if only is None:
        return list(layout.leaves())
    return [layout.leaf_named(name) for name in only]


def _states(operations: Operations, layout: Layout, leaves: list[Leaf]) -> list[tuple[Leaf, str]]:
    connection = _online(operations)
    names = [leaf.name for leaf in leaves]
    return list(zip(leaves, read_tree.leaf_states(connection, layout.parent, names), strict=True))


@Operations.implementation_for(ops.CreatePartitionsOp)
def _create(operations: Operations, op: ops.CreatePartitionsOp) -> None:
    layout, leaves = op.layout, _leaves(op.layout, op.only)
    tree = _tree(operations, layout)
    if tree is not None:
        check_triggers(tree, layout.columns)
        leaves = _missing(operations, layout, leaves)
    neighbours = _around(layout, leaves, tree, live=op.live)
    if tree is not None and op.live:
        _refuse_rows(operations, neighbours, leaves)
    plan = _indexes(layout, tree, live=op.live) + leaves_plan(
        layout.parent, leaves, layout.carries, live=op.live, neighbours=neighbours
    )
    proving = op.live and neighbours.default is not None
    if proving or not _fits(len(leaves), layout, tree):
        _apart(operations, plan)
    else:
        _together(operations, plan)


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
        if leaf.check is not None and read_tree.has_rows(
            _online(operations), neighbours.default, leaf.check
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
    tree = _tree(operations, layout)
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
    if op.concurrently or not _fits(len(leaves), layout, tree):
        _apart(operations, plan)
    else:
        _together(operations, plan)


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
    tree = _tree(operations, layout)
    indexes = list(layout.carries.on_parent)
    if tree is not None:
        ((_, state),) = _states(operations, layout, [leaf])
        if state == "attached":
            return
        if state != "free":
            raise TreeRefused(
                f"{leaf.name} is {_WHAT[state]}.", remedy="name a table that is no leaf."
            )
        there = {index.name.name for index in tree.indexes}
        indexes = [index for index in indexes if index.named(layout.parent).name in there]
        indexes = [index for index in indexes if not _built(operations, index.named(leaf.name))]
    around = _around(layout, [leaf], tree, live=True)
    _apart(operations, attach_plan(layout.parent, leaf, indexes, neighbours=around))


_WHAT = {"": "not there", "pending": "half detached", "other": "no table of its own"}


@Operations.implementation_for(ops.DetachPartitionOp)
def _detach(operations: Operations, op: ops.DetachPartitionOp) -> None:
    layout, name = op.layout, op.layout.in_schema(op.name)
    tree = _tree(operations, layout)
    neighbours = Neighbours() if tree is None else neighbours_of(tree)
    if tree is not None:
        (state,) = read_tree.leaf_states(_online(operations), layout.parent, [name])
        if state == "free":
            return
        if state == "pending":
            _together(operations, finalize_plan(layout.parent, name, neighbours=neighbours))
            return
        if state != "attached":
            raise TreeRefused(f"{name} is {_WHAT[state]}.", remedy="name a leaf.")
        check_detach(tree, name, concurrently=op.concurrently)
    plan = detach_plan(layout.parent, name, concurrently=op.concurrently, neighbours=neighbours)
    (_apart if op.concurrently else _together)(operations, plan)


# -- whole trees -----------------------------------------------------------------------------------


@Operations.implementation_for(ops.CreatePartitionedTableOp)
def _create_tree(operations: Operations, op: ops.CreatePartitionedTableOp) -> Any:
    table = operations.invoke(op.table)
    operations.invoke(ops.CreatePartitionsOp(op.layout, None, live=False))
    return table


@Operations.implementation_for(ops.DropPartitionedTableOp)
def _drop_tree(operations: Operations, op: ops.DropPartitionedTableOp) -> None:
    layout = op.layout
    tree = _tree(operations, layout)
    count = len(layout.leaves()) if tree is None else len(tree.leaves)
    if not _fits(count, layout, tree):
        operations.invoke(ops.DropPartitionsOp(layout, None, concurrently=False))
    operations.drop_table(layout.parent.name, schema=layout.parent.schema)


@Operations.implementation_for(ops.RenamePartitionedTableOp)
def _rename(operations: Operations, op: ops.RenamePartitionedTableOp) -> None:
    before, after = op.layout, op.to
    if len(before.leaves()) != len(after.leaves()) or before.partition_by != after.partition_by:
        detail = f"{before.parent} and {after.parent} are laid out in different ways."
        raise LayoutRefused(detail, remedy="change nothing but names.")
    _tree(operations, before)
    names = zip(before.leaves(), after.leaves(), strict=True)
    renames = [(before.parent, after.parent), *((old.name, new.name) for old, new in names)]
    _together(operations, rename_plan(renames))


@Operations.implementation_for(ops.ChangeLayoutOp)
def _change(_: Operations, op: ops.ChangeLayoutOp) -> None:
    raise TreeRefused(
        f"{op.layout.parent} is laid out in another way: {' '.join(op.differing)}",
        remedy="let the model say what is there; or make another table and move the rows, in the "
        "place of this operation.",
    )


# -- indexes ---------------------------------------------------------------------------------------


def _built(operations: Operations, index: Name) -> bool:
    return read.index_definition(_online(operations), index) is not None


@Operations.implementation_for(ops.CreatePartitionedIndexOp)
def _create_index(operations: Operations, op: ops.CreatePartitionedIndexOp) -> None:
    layout, index = op.layout, op.index
    layout.check_unique(index)
    tree = _tree(operations, layout)
    if tree is None:
        leaves = [leaf.name for leaf in layout.leaves()]
        _apart(operations, index_plan(layout.parent, leaves, index))
        return
    whole = {each.name.name: each for each in tree.indexes}.get(index.named(layout.parent).name)
    leaves = [leaf.name for leaf in tree.leaves] if whole is None else list(whole.lacking)
    unbuilt = [leaf for leaf in leaves if not _built(operations, index.named(leaf))]
    plan = Plan()
    if index.on_parent and whole is None:
        plan += index_parent_plan(layout.parent, index)
    plan += _builds(layout.parent, unbuilt, index)
    if index.on_parent:
        plan += index_attach_plan(layout.parent, leaves, index)
    _apart(operations, plan)


@Operations.implementation_for(ops.CompletePartitionedIndexOp)
def _complete_index(operations: Operations, op: ops.CompletePartitionedIndexOp) -> None:
    layout, whole = op.layout, Name(op.name, op.layout.parent.schema)
    leaves = [layout.in_schema(name) for name in op.only]
    tree = _tree(operations, layout)
    if tree is not None:
        found = next((each for each in tree.indexes if each.name.name == op.name), None)
        if found is None:
            raise TreeRefused(f"There is no index {whole}.", remedy="create it on the tree.")
        leaves = [leaf for leaf in found.lacking if leaf.name in op.only]
    built, joined = [], []
    for leaf in leaves:
        part = Name(_part_named(op, leaf), leaf.schema)
        if tree is None or not _built(operations, part):
            built.append(Step.of(_part(op, part, leaf)))
        joined.append(index_joined(layout.parent, whole, leaf, part))
    _apart(operations, Plan.of(*built, Step(tuple(joined))))


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
        _send(operations, Statement(f"DROP INDEX {op.index.named(table)}", (lock,)))
