"""Leaves that are detached or dropped, and what was cut off when they were."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from schemakit.catalog import read_trees
from schemakit.ddl.attachment import detach_plan, dropped, finalize_plan
from schemakit.ddl.preflight import check_detach, check_parent, neighbours_of
from schemakit.errors import TreeRefused
from schemakit.runner.flow import Fetch, Flow
from schemakit.runner.perform import perform
from schemakit.runner.settings import Settings
from schemakit.safety.permission import Loss, permitted
from schemakit.sql.name import Name
from schemakit.sql.plan import Plan, Step

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree
    from schemakit.ddl.leaf import Leaf
    from schemakit.partitioning.layout import Layout
    from schemakit.runner.reporter import OnEvent
    from schemakit.runner.target import Target
    from schemakit.runner.transactions import Transactions


async def detach_leaf(  # noqa: PLR0913 - what the call is told
    target: Target,
    layout: Layout,
    name: str | Name | Leaf,
    *,
    concurrently: bool = True,
    dry_run: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Make a leaf a table of its own again, with its rows.

    A DETACH CONCURRENTLY that was cut off, of this leaf or another, is ended first: until then rows
    are out of sight.

    Args:
        target: as for `upgrade`.
        layout: how the parent is laid out.
        name: of the leaf; a str is one in the leaves' schema. It need not be one of the layout.
        concurrently: while the parent is in use; without it, the parent is locked exclusively for
            a moment.
        dry_run: whether only to return the plan.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
        on_event: gets every `Event`.

    Returns:
        What was done, or would be; nothing where it is no leaf any more.

    Raises:
        TreeRefused: there is a default leaf, beside which it cannot be done concurrently; or no
            such table.
        TransactionRefused: a transaction is open on *target*, and it would be done concurrently.
        PlanFailed: the server refused a statement.
    """
    leaf = layout.in_schema(name)

    def work(means: Transactions) -> Flow[Plan]:
        tree = yield from _looked_at(layout)
        (state,) = yield from _states(layout, [leaf])
        if state in {"", "other"}:
            what = "There is no table" if not state else f"{layout.parent} has no leaf"
            raise TreeRefused(f"{what} {leaf}.", remedy="name a leaf; see read_tree.")
        plan = _finalized(layout, tree)
        if state == "attached":
            check_detach(tree, leaf, concurrently=concurrently)
            plan += _detached(layout, leaf, tree, concurrently=concurrently)
        if not dry_run:
            yield from means.applied(plan)
        return plan

    return await perform(target, work, command="detach_leaf", settings=settings, on_event=on_event)


async def drop_leaves(  # noqa: PLR0913 - what the call is told
    target: Target,
    layout: Layout,
    names: Iterable[str | Name | Leaf],
    *,
    concurrently: bool = True,
    dry_run: bool = False,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Drop leaves with their rows; each is detached before, for DROP would lock the parent.

    That takes permission, if there are any rows. To be able to have them back, detach a leaf and
    move it away: `detach_leaf`, and `schemakit.safety.drop_table`.

    Args:
        target: as for `upgrade`.
        layout: how the parent is laid out.
        names: of the leaves; a str is one in the leaves' schema.
        concurrently: as for `detach_leaf`.
        dry_run: whether only to return the plan.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say. Its
            ``allow_destructive`` is the permission.
        on_event: gets every `Event`.

    Returns:
        What was done, or would be; nothing where they are gone.

    Raises:
        DestructiveMigrationBlocked: a leaf has rows, and nobody has allowed it.
        TreeRefused: as for `detach_leaf`; or one is no leaf of the layout, nor was.
        TransactionRefused: as for `detach_leaf`.
        PlanFailed: the server refused a statement; the steps before it are done.
    """
    if isinstance(names, str):
        raise TreeRefused("The names are one str.", remedy='give several: ["chunks_3"].')
    leaves = [layout.in_schema(name) for name in names]
    settings = settings or Settings.from_environment()
    reason = settings.allow_destructive
    own = {leaf.name for leaf in layout.leaves()}

    def work(means: Transactions) -> Flow[Plan]:
        tree = yield from _looked_at(layout)
        states = yield from _states(layout, leaves)
        plan = _finalized(layout, tree)
        neighbours = neighbours_of(tree)
        for leaf, state in zip(leaves, states, strict=True):
            if state == "other" or (state in {"", "free"} and leaf not in own):
                raise TreeRefused(
                    f"{leaf} is no leaf of {layout.parent}.", remedy="drop it as a table."
                )
            if state == "attached":
                check_detach(tree, leaf, concurrently=concurrently)
                plan += _detached(layout, leaf, tree, concurrently=concurrently)
            if state:
                plan += Plan.of(Step.of(dropped(leaf, neighbours)))
        if not dry_run:
            there = [leaf for leaf, state in zip(leaves, states, strict=True) if state]
            yield from _permitted(there, reason)
            yield from means.applied(plan)
        return plan

    return await perform(target, work, command="drop_leaves", settings=settings, on_event=on_event)


def _permitted(leaves: list[Name], reason: str) -> Flow[None]:
    losses = []
    for leaf in leaves:
        rows = yield Fetch(partial(read_trees.has_rows, table=leaf))
        losses.append(Loss("leaf", str(leaf), None if rows else 0))
    permitted("drop_leaves", losses, reason=reason)


def _looked_at(layout: Layout) -> Flow[Tree]:
    tree: Tree = yield Fetch(partial(read_trees.tree, parent=layout.parent))
    check_parent(tree, layout.parent)
    return tree


def _states(layout: Layout, leaves: list[Name]) -> Flow[tuple[str, ...]]:
    states: tuple[str, ...] = yield Fetch(
        partial(read_trees.leaf_states, parent=layout.parent, names=leaves)
    )
    return states


def _finalized(layout: Layout, tree: Tree) -> Plan:
    plan = Plan()
    for leaf in tree.pending:
        plan += finalize_plan(layout.parent, leaf, neighbours=neighbours_of(tree))
    return plan


def _detached(layout: Layout, leaf: Name, tree: Tree, *, concurrently: bool) -> Plan:
    return detach_plan(
        layout.parent, leaf, concurrently=concurrently, neighbours=neighbours_of(tree)
    )
