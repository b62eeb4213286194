"""Trees that are made, and leaves that are added: by whoever comes first."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from schemakit.catalog import read_trees
from schemakit.ddl.definitions import with_references
from schemakit.ddl.indexes import index_parent_plan
from schemakit.ddl.preflight import check_formula, check_parent, check_triggers, neighbours_of
from schemakit.ddl.trees import leaves_plan, parent_plan
from schemakit.runner.flow import Fetch, Flow
from schemakit.runner.perform import perform
from schemakit.sql.plan import Plan

from .batches import begun, check_key_types, grown, missing_leaves, roomy, still_missing

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree
    from schemakit.partitioning.layout import Layout
    from schemakit.runner.reporter import OnEvent
    from schemakit.runner.settings import Settings
    from schemakit.runner.target import Target
    from schemakit.runner.transactions import Transactions


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
        tree: Tree = yield Fetch(partial(read_trees.tree, parent=layout.parent))
        if tree.exists:
            return (yield from _completed(means, layout, tree, dry_run=dry_run))
        yield from roomy(layout.leaves(), layout, tree)
        made = parent_plan(
            layout.parent, definition, layout.partition_by, layout.carries, checks=layout.checks
        )
        around = with_references(neighbours_of(tree), layout.parent, definition)
        if dry_run:
            return made + leaves_plan(
                layout.parent, layout.leaves(), layout.carries, live=False, neighbours=around
            )
        first = yield from begun(means, layout, made)
        if not first:  # another process was faster
            tree = yield Fetch(partial(read_trees.tree, parent=layout.parent))
            return (yield from _completed(means, layout, tree, dry_run=False))
        tree = replace(tree, referenced=around.referenced)
        return made + (yield from grown(means, layout, layout.leaves(), tree, live=False))

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
        tree: Tree = yield Fetch(partial(read_trees.tree, parent=layout.parent))
        return (yield from _completed(means, layout, tree, dry_run=dry_run))

    return await perform(
        target, work, command="create_leaves", settings=settings, on_event=on_event
    )


def _completed(means: Transactions, layout: Layout, tree: Tree, *, dry_run: bool) -> Flow[Plan]:
    check_parent(tree, layout.parent, layout.partition_by)
    check_triggers(tree, layout.columns)
    check_key_types(layout, tree)
    missing = yield from still_missing(layout, list(missing_leaves(layout, tree)))
    yield from roomy(missing, layout, tree)
    indexes = _indexes_to_make(layout, tree)
    if dry_run:
        return indexes + leaves_plan(
            layout.parent, missing, layout.carries, neighbours=neighbours_of(tree)
        )
    if indexes:
        yield from means.applied(indexes)
    return indexes + (yield from grown(means, layout, missing, tree, live=True))


def _indexes_to_make(layout: Layout, tree: Tree) -> Plan:
    """An index of a parent without leaves is made at once; else it is for `create_index`."""
    there = {index.name.name for index in tree.indexes}
    plan = Plan()
    if not tree.leaves:
        for index in layout.carries.on_parent:
            if index.named(layout.parent).name not in there:
                plan += index_parent_plan(layout.parent, index)
    return plan
