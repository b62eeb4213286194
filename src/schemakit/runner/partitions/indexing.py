"""Indexes of a tree, and its names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from schemakit.catalog import read_trees
from schemakit.ddl.indexes import index_parent_plan, index_plan
from schemakit.ddl.preflight import check_parent
from schemakit.ddl.renames import rename_plan
from schemakit.errors import LayoutRefused, TreeRefused
from schemakit.runner.flow import Fetch, Flow
from schemakit.runner.perform import perform
from schemakit.sql.plan import Plan

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree, TreeIndex
    from schemakit.ddl.leaf import LeafIndex
    from schemakit.partitioning.layout import Layout
    from schemakit.runner.reporter import OnEvent
    from schemakit.runner.settings import Settings
    from schemakit.runner.target import Target
    from schemakit.runner.transactions import Transactions
    from schemakit.sql.name import Name


async def create_index(  # noqa: PLR0913 - what the call is told
    target: Target,
    layout: Layout,
    index: LeafIndex,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Build an index on every leaf, one after the other, while all of them are in use.

    Cut off, it is called again: leaves that have it are passed over, and what a build left that was
    broken off is dropped.

    Args:
        target: as for `upgrade`.
        layout: how the table is laid out.
        index: what to build.
        dry_run: whether only to return the plan.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
        on_event: gets every `Event`.

    Returns:
        What was done, or would be; nothing where every leaf has it.

    Raises:
        LayoutRefused: it is unique, and lacks a column of the partition key.
        TreeRefused: there is no such partitioned table.
        TransactionRefused: a transaction is open on *target*.
        PlanFailed: the server refused a statement; the steps before it are done.
    """
    layout.check_unique(index)

    def work(means: Transactions) -> Flow[Plan]:
        tree: Tree = yield Fetch(partial(read_trees.tree, parent=layout.parent))
        check_parent(tree, layout.parent, layout.partition_by)
        leaves = [leaf.name for leaf in tree.leaves if not leaf.pending]
        if not index.on_parent:
            there: frozenset[str] = yield Fetch(
                partial(read_trees.valid_indexes, names=[index.named(leaf) for leaf in leaves])
            )
            leaves = [leaf for leaf in leaves if str(index.named(leaf)) not in there]
        plan = _missing(layout, tree, index, leaves)
        if not dry_run:
            yield from means.applied(plan)
        return plan

    return await perform(target, work, command="create_index", settings=settings, on_event=on_event)


def _missing(layout: Layout, tree: Tree, index: LeafIndex, leaves: list[Name]) -> Plan:
    whole = _of_parent(tree, index.named(layout.parent)) if index.on_parent else None
    if whole is None:
        return index_plan(layout.parent, leaves, index)
    lacking = set(whole.lacking)
    leaves = [leaf for leaf in leaves if leaf in lacking]
    built = index_plan(layout.parent, leaves, index)
    return Plan(built.steps[len(index_parent_plan(layout.parent, index).steps) :])


def _of_parent(tree: Tree, name: Name) -> TreeIndex | None:
    return next((each for each in tree.indexes if each.name.name == name.name), None)


async def rename_tree(  # noqa: PLR0913 - what the call is told
    target: Target,
    layout: Layout,
    to: Layout,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Give parent and leaves the names that another layout has for them.

    Args:
        target: as for `upgrade`. On a connection with a transaction open, in that, if they are few.
        layout: as they are called now.
        to: the same layout with other names: of the parent, or another pattern.
        dry_run: whether only to return the plan.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
        on_event: gets every `Event`.

    Returns:
        What was done, or would be; nothing where they are called so.

    Raises:
        LayoutRefused: the two layouts differ in more than names.
        TreeRefused: there is no such table under either name.
        TransactionRefused: it takes several transactions, and one is open on *target*.
        PlanFailed: the server refused a statement; the steps before it are done.
    """
    if [leaf.bound for leaf in layout.leaves()] != [leaf.bound for leaf in to.leaves()] or (
        layout.partition_by != to.partition_by
    ):
        raise LayoutRefused("The layouts differ in more than names.", remedy="change names only.")

    def work(means: Transactions) -> Flow[Plan]:
        pairs = [(layout.parent, to.parent)]
        pairs += [
            (old.name, new.name) for old, new in zip(layout.leaves(), to.leaves(), strict=True)
        ]
        there: tuple[str, ...] = yield Fetch(
            partial(read_trees.leaf_states, parent=layout.parent, names=[old for old, _ in pairs])
        )
        done: tuple[str, ...] = yield Fetch(
            partial(read_trees.leaf_states, parent=to.parent, names=[new for _, new in pairs])
        )
        for (old, new), state, after in zip(pairs, there, done, strict=True):
            if not state and not after:
                raise TreeRefused(f"There is neither {old} nor {new}.", remedy="see read_tree.")
        plan = rename_plan(pair for pair, state in zip(pairs, there, strict=True) if state)
        if not dry_run:
            yield from means.applied(plan)
        return plan

    return await perform(target, work, command="rename_tree", settings=settings, on_event=on_event)
