"""A tree on a server beside the layout that it should have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from schemakit.catalog import read_trees
from schemakit.ddl.preflight import check_formula, check_parent, check_triggers
from schemakit.errors import TreeRefused
from schemakit.runner.flow import Fetch, Flow
from schemakit.runner.perform import perform

from .batches import missing_leaves

if TYPE_CHECKING:
    from schemakit.catalog.tree import Tree, TreeLeaf
    from schemakit.partitioning.layout import Layout
    from schemakit.runner.settings import Settings
    from schemakit.runner.target import Target
    from schemakit.runner.transactions import Transactions
    from schemakit.sql.name import Name


@dataclass(frozen=True, slots=True)
class TreeState:
    """What there is of a layout on a server.

    Attributes:
        exists: whether there is a partitioned table of that name.
        missing: leaves of the layout that are not there.
        extra: leaves that the layout has not.
        pending: leaves whose DETACH CONCURRENTLY was cut off: their rows are out of sight.
        lacking: indexes of the parent, each with a leaf that has no valid part of it.
        differing: what else is not as the layout says, a sentence each.
    """

    exists: bool
    missing: tuple[Name, ...] = ()
    extra: tuple[Name, ...] = ()
    pending: tuple[Name, ...] = ()
    lacking: tuple[tuple[Name, Name], ...] = ()
    differing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all is as the layout says."""
        return self.exists and not any(
            (self.missing, self.extra, self.pending, self.lacking, self.differing)
        )

    def __str__(self) -> str:
        """A line for each finding."""
        lines = [f"differs: {sentence}" for sentence in self.differing]
        if not self.exists:
            return "\n".join(lines) or "missing: the parent"
        lines = [f"missing: leaf {name}" for name in self.missing]
        lines += [f"not in the layout: leaf {name}" for name in self.extra]
        lines += [f"half detached: leaf {name}" for name in self.pending]
        lines += [f"missing: index {index} on {leaf}" for index, leaf in self.lacking]
        lines += [f"differs: {sentence}" for sentence in self.differing]
        return "\n".join(lines) or "as the layout says"


async def read_tree(
    target: Target, layout: Layout, *, settings: Settings | None = None
) -> TreeState:
    """Tell what there is of *layout*, what is missing, and what differs. Nothing is changed.

    Args:
        target: as for `upgrade`.
        layout: how the table should be laid out.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
    """

    def work(_: Transactions) -> Flow[TreeState]:
        tree: Tree = yield Fetch(partial(read_trees.tree, parent=layout.parent))
        return compared(layout, tree)

    return await perform(target, work, command="read_tree", settings=settings, writes=False)


def compared(layout: Layout, tree: Tree) -> TreeState:
    """Return what of *layout* is in *tree*."""
    if not tree.exists:
        return TreeState(exists=False)
    known = {_placed(leaf.name, tree): leaf for leaf in layout.leaves()}
    return TreeState(
        exists=tree.kind == "p",
        missing=tuple(leaf.name for leaf in missing_leaves(layout, tree)),
        extra=tuple(leaf.name for leaf in tree.leaves if leaf.name not in known),
        pending=tree.pending,
        lacking=tuple((index.name, leaf) for index in tree.indexes for leaf in index.lacking),
        differing=tuple(_differences(layout, tree)),
    )


def _placed(name: Name, tree: Tree) -> Name:
    home = tree.name.schema if tree.name is not None else None
    return name if name.schema is not None else name._replace(schema=home)


def _differences(layout: Layout, tree: Tree) -> Iterator[str]:
    try:
        check_parent(tree, layout.parent, layout.partition_by)
        check_triggers(tree, layout.columns)
        for check in tree.checks:
            check_formula(check)
    except TreeRefused as error:
        yield error.detail
    yield from layout.mistyped(tree.key_types)
    there = {index.name.name for index in tree.indexes}
    for index in layout.carries.on_parent:
        named = index.named(layout.parent)
        if named.name not in there:
            yield f"the index {named} is not there."
    bounds = {leaf.name: leaf for leaf in tree.leaves}
    for leaf in layout.leaves():
        found = bounds.get(_placed(leaf.name, tree))
        if found is not None and _other(leaf.bound, found):
            yield f"the leaf {leaf.name} is {found.bound}, and the layout says {leaf.bound}."


def _other(bound: str, found: TreeLeaf) -> bool:
    """Whether the bounds differ; those of strings may be spelled in more than one way."""
    if "'" in bound or "'" in found.bound:
        return bound.partition("(")[0].strip() != found.bound.partition("(")[0].strip()
    return bound.upper().split() != found.bound.upper().split()
