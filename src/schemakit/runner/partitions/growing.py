"""Trees that are made, and leaves that are added: by whoever comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import read_tree
from schemakit.ddl.attachment import attach_plan
from schemakit.ddl.definitions import with_references
from schemakit.ddl.indexes import index_parent_plan
from schemakit.ddl.preflight import (
    batch_size,
    check_formula,
    check_lock_room,
    check_parent,
    check_triggers,
    locks_needed,
    neighbours_of,
)
from schemakit.ddl.trees import BATCH, LIVE_BATCH, leaves_plan, tree_plan
from schemakit.errors import TreeRefused
from schemakit.runner import broken, failure
from schemakit.runner.flow import Fetch, Flow, Inside, Run
from schemakit.runner.locks import lock_key
from schemakit.runner.perform import perform
from schemakit.runner.transactions import Transactions, plan_failed
from schemakit.sql.plan import Plan

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree
    from schemakit.ddl.leaf import Leaf
    from schemakit.partitioning.layout import Layout
    from schemakit.runner.reporter import OnEvent
    from schemakit.runner.settings import Settings
    from schemakit.runner.target import Target
    from schemakit.sql.name import Name


async def create_tree(  # noqa: PLR0913 - what a tree is made of
    target: Target,
    layout: Layout,
    definition: str,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Make a partitioned table with all its leaves, or what is missing of it.

    It commits every few leaves, so that it never takes more locks than a server has room for. Cut
    off, it is called again: what is there stays. Several processes may call it at once.

    Args:
        target: as for `upgrade`. On a connection with a transaction open, all is made in that.
        layout: how it is laid out.
        definition: its columns and constraints, as between the parentheses of CREATE TABLE.
        dry_run: whether only to return the plan.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
        on_event: gets every `Event`.

    Returns:
        What was done, or would be; nothing where all is there.

    Raises:
        TreeRefused: it cannot work: the table is there and is another one, a formula of it fails
            for some keys, a trigger on it sets the key, or the leaves do not fit into the one
            transaction that the caller has opened.
        PlanFailed: the server refused a statement; the steps before it are done.
    """

    def work(means: Transactions) -> Flow[Plan]:
        check_formula(definition)
        tree: Tree = yield Fetch(partial(read_tree.tree, parent=layout.parent))
        if tree.exists:
            return (yield from _completed(means, layout, tree, dry_run=dry_run))
        yield from _roomy(layout.leaves(), layout, tree)
        plan = tree_plan(
            layout.parent,
            definition,
            layout.partition_by,
            layout.leaves(),
            layout.carries,
            checks=layout.checks,
        )
        if dry_run:
            return plan
        made = Plan(plan.steps[:1])
        first = yield from means.atomically(partial(_begun, layout, made))
        if not first:  # another process was faster
            tree = yield Fetch(partial(read_tree.tree, parent=layout.parent))
            return (yield from _completed(means, layout, tree, dry_run=False))
        referenced = with_references(neighbours_of(tree), layout.parent, definition).referenced
        tree = replace(tree, referenced=referenced)
        return made + (yield from _grown(means, layout, layout.leaves(), tree, live=False))

    return await perform(target, work, command="create_tree", settings=settings, on_event=on_event)


async def create_leaves(
    target: Target,
    layout: Layout,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Make the leaves of *layout* that are missing, while its parent is in use.

    Each is made beside the parent and attached to it, which lets reads and writes go on. Several
    processes may call it at once.

    Args:
        target: as for `upgrade`. On a connection with a transaction open, all is made in that.
        layout: how the table is to be laid out.
        dry_run: whether only to return the plan.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
        on_event: gets every `Event`.

    Returns:
        What was done, or would be; nothing where none was missing.

    Raises:
        TreeRefused: it cannot work; the remedy says what to do.
        PlanFailed: the server refused a statement; the steps before it are done.
    """

    def work(means: Transactions) -> Flow[Plan]:
        tree: Tree = yield Fetch(partial(read_tree.tree, parent=layout.parent))
        return (yield from _completed(means, layout, tree, dry_run=dry_run))

    return await perform(
        target, work, command="create_leaves", settings=settings, on_event=on_event
    )


async def attach_leaf(  # noqa: PLR0913 - what the call is told
    target: Target,
    layout: Layout,
    name: str | Name,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Make a table with rows the leaf of *layout* that it is called like.

    Its rows are proven to belong there, and the indexes of the layout built, before the lock.

    Args:
        target: as for `upgrade`.
        layout: how the parent is laid out.
        name: of the leaf and the table; a str is one in the leaves' schema.
        dry_run: whether only to return the plan.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
        on_event: gets every `Event`.

    Returns:
        What was done, or would be; nothing where it is a leaf already.

    Raises:
        LeafUnknown: the layout has no such leaf.
        TreeRefused: it cannot work; the remedy says what to do.
        TransactionRefused: a transaction is open on *target*.
        PlanFailed: the server refused a statement: a row belongs elsewhere, perhaps.
    """
    leaf = layout.leaf_named(name)

    def work(means: Transactions) -> Flow[Plan]:
        tree: Tree = yield Fetch(partial(read_tree.tree, parent=layout.parent))
        check_parent(tree, layout.parent, layout.partition_by)
        (state,) = yield Fetch(
            partial(read_tree.leaf_states, parent=layout.parent, names=[leaf.name])
        )
        if state == "attached":
            return Plan()
        if state != "free":
            raise TreeRefused(
                f"{leaf.name} is {_WHAT[state]}.", remedy="name a table that is no leaf."
            )
        names = {index.name.name for index in tree.indexes}
        indexes = [
            index for index in layout.carries.on_parent if index.named(layout.parent).name in names
        ]
        plan = attach_plan(layout.parent, leaf, indexes, neighbours=neighbours_of(tree))
        if not dry_run:
            yield from means.applied(plan)
        return plan

    return await perform(target, work, command="attach_leaf", settings=settings, on_event=on_event)


_WHAT = {
    "": "not there",
    "pending": "half detached; detach_leaf ends that",
    "other": "no table of its own",
}


def _completed(means: Transactions, layout: Layout, tree: Tree, *, dry_run: bool) -> Flow[Plan]:
    check_parent(tree, layout.parent, layout.partition_by)
    check_triggers(tree, layout.columns)
    missing = list(missing_leaves(layout, tree))
    yield from _roomy(missing, layout, tree)
    indexes = _indexes_to_make(layout, tree)
    if dry_run:
        return indexes + leaves_plan(
            layout.parent, missing, layout.carries, neighbours=neighbours_of(tree)
        )
    if not tree.leaves and indexes:
        yield from means.applied(indexes)
    done = yield from _grown(means, layout, missing, tree, live=True)
    return (indexes if not tree.leaves else Plan()) + done


def _indexes_to_make(layout: Layout, tree: Tree) -> Plan:
    """An index of a parent without leaves is made at once; else it is for `create_index`."""
    there = {index.name.name for index in tree.indexes}
    plan = Plan()
    if not tree.leaves:
        for index in layout.carries.on_parent:
            if index.named(layout.parent).name not in there:
                plan += index_parent_plan(layout.parent, index)
    return plan


def missing_leaves(layout: Layout, tree: Tree) -> Iterator[Leaf]:
    """Yield the leaves of *layout* that *tree* has not."""
    there = {leaf.name for leaf in tree.leaves}
    home = tree.name.schema if tree.name is not None else None
    for leaf in layout.leaves():
        name = leaf.name if leaf.name.schema is not None else leaf.name._replace(schema=home)
        if name not in there:
            yield leaf


def _roomy(leaves: Iterable[Leaf], layout: Layout, tree: Tree) -> Flow[None]:
    """Refuse what does not fit into a transaction, where all must go into one."""
    inside: bool = yield Inside()
    if inside:
        needed = locks_needed(len(list(leaves)), _indexes_of(layout, tree))
        check_lock_room(needed, tree.lock_room)


def _indexes_of(layout: Layout, tree: Tree) -> int:
    """How many a leaf will have; of a parent that is not there, with one for its primary key."""
    inherited = len(tree.indexes) or 1 + len(layout.carries.on_parent)
    return inherited + len(layout.carries.on_leaves)


def turn(parent: Name) -> Run:
    """Return what waits for others that change the same tree, until the transaction ends."""
    key = lock_key(f"tree/{parent.name}")
    return Run(f"SELECT pg_catalog.pg_advisory_xact_lock({key})", long=True)


def _begun(layout: Layout, made: Plan) -> Flow[bool]:
    """Make the parent, unless another process has made it meanwhile; in one transaction."""
    yield turn(layout.parent)
    states: tuple[str, ...] = yield Fetch(
        partial(read_tree.leaf_states, parent=layout.parent, names=[layout.parent])
    )
    if states != ("",):
        return False
    yield from _tried(made, 0)
    return True


def _grown(
    means: Transactions, layout: Layout, leaves: Iterable[Leaf], tree: Tree, *, live: bool
) -> Flow[Plan]:
    """Add *leaves*, a batch in a transaction."""
    found = list(leaves)
    size = batch_size(LIVE_BATCH if live else BATCH, _indexes_of(layout, tree), tree.lock_room)
    done = Plan()
    for start in range(0, len(found), size):
        batch = found[start : start + size]
        if live and tree.default is not None:
            done += yield from _excluding(means, layout, batch, tree)
        else:
            work = partial(_batch, layout, batch, tree, live=live)
            done += yield from means.atomically(work)
    return done


def _batch(layout: Layout, batch: list[Leaf], tree: Tree, *, live: bool) -> Flow[Plan]:
    yield turn(layout.parent)
    missing = yield from _still_missing(layout, batch)
    plan = leaves_plan(
        layout.parent, missing, layout.carries, live=live, neighbours=neighbours_of(tree)
    )
    for number in range(len(plan.steps)):
        yield from _tried(plan, number)
    return plan


def _excluding(means: Transactions, layout: Layout, batch: list[Leaf], tree: Tree) -> Flow[Plan]:
    """Add a batch beside a default leaf, which takes several transactions."""
    missing = yield from _still_missing(layout, batch)
    if tree.default is not None:
        yield from _without_rows_of(tree.default, missing)
    plan = leaves_plan(layout.parent, missing, layout.carries, neighbours=neighbours_of(tree))
    yield from means.applied(plan)
    return plan


def _without_rows_of(default: Name, leaves: list[Leaf]) -> Flow[None]:
    """Refuse while nothing is touched what VALIDATE would refuse half way."""
    for leaf in leaves:
        if leaf.check is not None and (
            yield Fetch(partial(read_tree.has_rows, table=default, condition=leaf.check))
        ):
            raise TreeRefused(
                f"The default leaf {default} has rows of {leaf.name}.",
                remedy="move them to a table of that name, and attach it with attach_leaf.",
            )


def _still_missing(layout: Layout, batch: list[Leaf]) -> Flow[list[Leaf]]:
    states: tuple[str, ...] = yield Fetch(
        partial(read_tree.leaf_states, parent=layout.parent, names=[leaf.name for leaf in batch])
    )
    for leaf, state in zip(batch, states, strict=True):
        if state in {"free", "other"}:
            raise TreeRefused(
                f"{leaf.name} is there, and no leaf of {layout.parent}.",
                remedy="attach it with attach_leaf, if its rows belong there, or rename it.",
            )
    return [leaf for leaf, state in zip(batch, states, strict=True) if not state]


def _tried(plan: Plan, number: int) -> Flow[None]:
    """Run a step of *plan* in the transaction that is open; an error says which it was."""
    try:
        yield Run(plan.steps[number].sql, long=True)
    except DBAPIError as error:
        if broken.is_lost(error) or _may_be_tried_again(error):
            raise
        raise plan_failed(error, plan, number) from failure.cause_of(error)


def _may_be_tried_again(error: DBAPIError) -> bool:
    return getattr(broken.origin(error), "sqlstate", None) in {"55P03", "40P01", "57014"}
