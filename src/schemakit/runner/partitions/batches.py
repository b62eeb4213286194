"""Parents and leaves as flows: a batch in a transaction, in turns with others that do the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import read_trees
from schemakit.ddl.attachment import proofs_dropped
from schemakit.ddl.preflight import batch_size, check_lock_room, locks_needed, neighbours_of
from schemakit.ddl.trees import BATCH, LIVE_BATCH, leaves_plan
from schemakit.errors import PlanFailed, TreeRefused
from schemakit.runner import broken, failure
from schemakit.runner.flow import Fetch, Flow, Inside, Run
from schemakit.runner.locks import lock_key
from schemakit.runner.transactions import plan_failed
from schemakit.sql.plan import Plan

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree
    from schemakit.ddl.leaf import Leaf
    from schemakit.partitioning.layout import Layout
    from schemakit.runner.transactions import Transactions
    from schemakit.sql.name import Name


def missing_leaves(layout: Layout, tree: Tree) -> Iterator[Leaf]:
    """Yield the leaves of *layout* that *tree* has not."""
    there = {leaf.name for leaf in tree.leaves}
    home = tree.name.schema if tree.name is not None else None
    for leaf in layout.leaves():
        name = leaf.name if leaf.name.schema is not None else leaf.name._replace(schema=home)
        if name not in there:
            yield leaf


def roomy(leaves: Iterable[Leaf], layout: Layout, tree: Tree) -> Flow[None]:
    """Refuse what does not fit into a transaction, where all must go into one.

    Raises:
        TreeRefused: it does not.
    """
    inside: bool = yield Inside()
    if inside:
        needed = locks_needed(len(list(leaves)), _indexes_of(layout, tree))
        check_lock_room(needed, tree.lock_room)


def _indexes_of(layout: Layout, tree: Tree) -> int:
    """How many a leaf will have; of a parent that is not there, with one for its primary key."""
    inherited = len(tree.indexes) or 1 + len(layout.carries.on_parent)
    return inherited + len(layout.carries.on_leaves)


def _turn(parent: Name) -> Run:
    """Return what waits for others that change the same tree, until the transaction ends."""
    key = lock_key(f"tree/{parent.name}")
    return Run(f"SELECT pg_catalog.pg_advisory_xact_lock({key})", long=True)


def check_key_types(layout: Layout, tree: Tree) -> None:
    """Refuse a tree in which rows would not lie where *layout* computes.

    Raises:
        TreeRefused: a column of its key is of another type.
    """
    found = " ".join(layout.mistyped(tree.key_types))
    if found:
        raise TreeRefused(found, remedy="give the layout the types that the columns have.")


def begun(means: Transactions, layout: Layout, made: Plan) -> Flow[bool]:
    """Run *made*, which makes the parent, in a transaction; False if another process has made it.

    Raises:
        PlanFailed: the server refused it.
        TreeRefused: its key is of other types than the layout says.
    """

    def work() -> Flow[None]:
        yield _turn(layout.parent)
        yield from _tried(made, 0)
        check_key_types(layout, (yield Fetch(partial(read_trees.tree, parent=layout.parent))))

    try:
        yield from means.atomically(work)
    except DBAPIError as error:
        if not _is_there(error):
            raise
        tree: Tree = yield Fetch(partial(read_trees.tree, parent=layout.parent))
        if tree.exists:
            return False
        raise plan_failed(error, made, 0) from failure.cause_of(error)  # an index of that name
    return True


def grown(
    means: Transactions, layout: Layout, leaves: Iterable[Leaf], tree: Tree, *, live: bool
) -> Flow[Plan]:
    """Add *leaves*, a batch in a transaction; to a parent that is not *live*, as its partitions."""
    found = list(leaves)
    size = batch_size(LIVE_BATCH if live else BATCH, _indexes_of(layout, tree), tree.lock_room)
    done = Plan()
    for start in range(0, len(found), size):
        batch = found[start : start + size]
        if live and tree.default is not None:
            done += yield from _excluding(means, layout, batch, tree)
        else:
            done += yield from _added(means, layout, batch, tree, live=live)
    return done


def _added(
    means: Transactions, layout: Layout, batch: list[Leaf], tree: Tree, *, live: bool
) -> Flow[Plan]:
    def work(*, look: bool) -> Flow[Plan]:
        yield _turn(layout.parent)
        missing = (yield from still_missing(layout, batch)) if look else batch
        return (yield from _made(layout, missing, tree, live=live))

    if not live:  # nobody will have been faster: looking costs as much as a leaf or two
        try:
            return (yield from means.atomically(partial(work, look=False)))
        except DBAPIError as error:
            if not _is_there(error):
                raise
    return (yield from means.atomically(partial(work, look=True)))


def _made(layout: Layout, leaves: list[Leaf], tree: Tree, *, live: bool) -> Flow[Plan]:
    around = neighbours_of(tree)
    plan = leaves_plan(layout.parent, leaves, layout.carries, live=live, neighbours=around)
    for number in range(len(plan.steps)):
        yield from _tried(plan, number)
    return plan


def _excluding(means: Transactions, layout: Layout, batch: list[Leaf], tree: Tree) -> Flow[Plan]:
    """Add a batch beside a default leaf, which takes several transactions."""
    missing = yield from still_missing(layout, batch)
    if tree.default is not None:
        yield from _without_rows_of(tree.default, missing)
    plan = leaves_plan(layout.parent, missing, layout.carries, neighbours=neighbours_of(tree))
    yield from cleanly(means, plan, proofs_dropped(tree.default, missing))
    return plan


def cleanly(means: Transactions, plan: Plan, undo: Plan) -> Flow[None]:
    """Run *plan*, and *undo* if it fails half way."""
    try:
        yield from means.applied(plan)
    except PlanFailed:
        with suppress(PlanFailed):  # it must not hide what is being tidied up after
            yield from means.applied(undo)
        raise


def _without_rows_of(default: Name, leaves: list[Leaf]) -> Flow[None]:
    """Refuse while nothing is touched what VALIDATE would refuse half way."""
    for leaf in leaves:
        if leaf.check is not None and (
            yield Fetch(partial(read_trees.has_rows, table=default, condition=leaf.check))
        ):
            raise TreeRefused(
                f"The default leaf {default} has rows of {leaf.name}.",
                remedy="move them to a table of that name, and attach it with attach_leaf.",
            )


def still_missing(layout: Layout, batch: list[Leaf]) -> Flow[list[Leaf]]:
    """Return those of *batch* that are not there.

    Raises:
        TreeRefused: a table has the name of one.
    """
    states: tuple[str, ...] = yield Fetch(
        partial(read_trees.leaf_states, parent=layout.parent, names=[leaf.name for leaf in batch])
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
        if broken.is_lost(error) or _state(error) in _FOR_OTHERS:
            raise
        raise plan_failed(error, plan, number) from failure.cause_of(error)


_DUPLICATE_TABLE = "42P07"
#: What the transaction is tried again for: a lock, a deadlock, a cancellation; and who was faster.
_FOR_OTHERS = {"55P03", "40P01", "57014", _DUPLICATE_TABLE}


def _state(error: DBAPIError) -> str | None:
    return getattr(broken.origin(error), "sqlstate", None)


def _is_there(error: DBAPIError) -> bool:
    return _state(error) == _DUPLICATE_TABLE
