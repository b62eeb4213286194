"""A table with rows that becomes a leaf."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from schemakit.catalog import read_trees
from schemakit.ddl.attachment import attach_plan, attach_undone_plan
from schemakit.ddl.preflight import check_parent, neighbours_of
from schemakit.errors import TreeRefused
from schemakit.runner.flow import Fetch, Flow
from schemakit.runner.perform import perform
from schemakit.sql.plan import Plan

from .batches import cleanly

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree
    from schemakit.ddl.leaf import Leaf
    from schemakit.partitioning.layout import Layout
    from schemakit.runner.reporter import OnEvent
    from schemakit.runner.settings import Settings
    from schemakit.runner.target import Target
    from schemakit.runner.transactions import Transactions
    from schemakit.sql.name import Name


async def attach_leaf(  # noqa: PLR0913 - what the call is told
    target: Target,
    layout: Layout,
    name: str | Name | Leaf,
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
        name: of the leaf and the table, or the leaf; a str is one in the leaves' schema.
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
        tree: Tree = yield Fetch(partial(read_trees.tree, parent=layout.parent))
        check_parent(tree, layout.parent, layout.partition_by)
        (state,) = yield Fetch(
            partial(read_trees.leaf_states, parent=layout.parent, names=[leaf.name])
        )
        if state == "attached":
            return Plan()
        if state != "free":
            raise TreeRefused(
                f"{leaf.name} is {_WHAT[state]}.", remedy="name a table that is no leaf."
            )
        lacking: frozenset[str] = yield Fetch(
            partial(read_trees.unmatched_indexes, parent=layout.parent, leaf=leaf.name)
        )
        indexes = [
            index
            for index in layout.carries.on_parent
            if index.named(layout.parent).name in lacking
        ]
        plan = attach_plan(layout.parent, leaf, indexes, neighbours=neighbours_of(tree))
        if not dry_run:
            yield from cleanly(means, plan, attach_undone_plan(leaf, tree.default))
        return plan

    return await perform(target, work, command="attach_leaf", settings=settings, on_event=on_event)


_WHAT = {
    "": "not there",
    "pending": "half detached; detach_leaf ends that",
    "other": "no table of its own",
}
