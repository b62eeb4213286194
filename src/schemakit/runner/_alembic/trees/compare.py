"""What autogenerate reports of trees whose layout the models declare."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alembic import util
from alembic.autogenerate import comparators

from schemakit.catalog import read_trees
from schemakit.partitioning.strategies.hash_key import HashKeyLayout
from schemakit.runner.models.known import layout_of
from schemakit.sql.name import Name

from . import index_operations as index_ops
from . import operations as ops

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import MigrateOperation
    from alembic.operations.ops import UpgradeOps
    from sqlalchemy import Connection, Table

    from schemakit.catalog.tree import Tree
    from schemakit.partitioning.layout import Layout

_DIVIDED = re.compile(r"hashtext\(.*\) % (\d+)", re.DOTALL)
_ABSENT = re.compile(r"the index .* is not there\.", re.DOTALL)


#: After the tables: since Alembic 1.18 others would come first; before, it is as they register.
_LAST: dict[str, Any] = (
    {"priority": util.DispatchPriority.LAST} if hasattr(util, "DispatchPriority") else {}
)


@comparators.dispatch_for("schema", **_LAST)
def _compare(context: AutogenContext, upgrade: UpgradeOps, schemas: set[str | None]) -> Any:
    connection = context.connection
    if connection is None or connection.dialect.name != "postgresql":
        return
    usual = connection.dialect.default_schema_name
    for table in context.sorted_tables:
        layout = layout_of(table)
        schema = None if table.schema == usual else table.schema
        if layout is None or schema not in schemas or not _included(context, table):
            continue
        there = Name(layout.parent.name, layout.parent.schema or usual)
        tree = read_trees.tree(connection, there)
        upgrade.ops.extend(_differences(connection, layout, tree))
        upgrade.ops.extend(_own_indexes(connection, layout, tree))


def _included(context: AutogenContext, table: Table) -> bool:
    return context.run_object_filters(table, table.name, "table", False, None)  # noqa: FBT003 - Alembic's signature


def _differences(connection: Connection, layout: Layout, tree: Tree) -> Iterator[MigrateOperation]:
    from schemakit.runner.partitions.reading import compared  # noqa: PLC0415 - only then

    if not tree.exists:  # Alembic's own comparison makes the parent
        yield ops.CreatePartitionsOp(layout, None, live=False)
        return
    state = compared(layout, tree)
    changed = tuple(_changed(layout, tree, state.differing))
    if changed:
        yield ops.ChangeLayoutOp(layout, changed)
        return
    yield from _missing(connection, layout, state.missing)
    lacking = {index.name for index, _ in state.lacking}
    there = {index.name.name for index in tree.indexes}
    declared = set()
    for index in layout.carries.on_parent:
        name = index.named(layout.parent).name
        declared.add(name)
        if name not in there or name in lacking:
            yield index_ops.CreatePartitionedIndexOp(layout, index, completing=name in there)
    for found in tree.indexes:
        if found.lacking and found.name.name not in declared:
            yield index_ops.CompletePartitionedIndexOp.of(layout, found)


def _missing(
    connection: Connection, layout: Layout, leaves: tuple[Name, ...]
) -> Iterator[MigrateOperation]:
    """Yield what makes the *leaves* that are not there, and attaches those that were detached."""
    states = read_trees.leaf_states(connection, layout.parent, list(leaves))
    absent = tuple(leaf.name for leaf, state in zip(leaves, states, strict=True) if not state)
    if absent:
        yield ops.CreatePartitionsOp(layout, absent)
    for leaf, state in zip(leaves, states, strict=True):
        if state:
            yield ops.AttachPartitionOp(layout, leaf.name)


def _own_indexes(connection: Connection, layout: Layout, tree: Tree) -> Iterator[MigrateOperation]:
    """Yield what builds the indexes that leaves have for themselves, and that one of them lacks."""
    for index in layout.carries.on_leaves:
        names = [index.named(leaf.name) for leaf in tree.leaves]
        there = read_trees.valid_indexes(connection, names)
        if len(there) < len(names):
            yield index_ops.CreatePartitionedIndexOp(layout, index, completing=bool(there))


def _changed(layout: Layout, tree: Tree, differing: tuple[str, ...]) -> Iterator[str]:
    """Yield in which points *tree* is not what *layout* says, that no operation can bring about."""
    for sentence in differing:
        if not _ABSENT.fullmatch(sentence):
            yield sentence
    if isinstance(layout, HashKeyLayout):
        for check in tree.checks:
            found = _DIVIDED.search(check)
            if found and layout.key in check and int(found[1]) != layout.modulus:
                yield f"its CHECK divides by {found[1]}, and the layout by {layout.modulus}."
