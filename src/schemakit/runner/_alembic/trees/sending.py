"""How plans of `schemakit.ddl` go the way that ``op.execute`` goes."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from sqlalchemy import text

from schemakit.catalog import read_trees
from schemakit.ddl.preflight import batch_size, check_parent, locks_needed
from schemakit.sql.plan import Plan, Statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alembic.runtime.migration import MigrationContext

    from schemakit.catalog.tree import Tree
    from schemakit.partitioning.layout import Layout
    from schemakit.sql.name import Name

#: Of a server as it is installed: 64 locks for each of 100 connections.
_USUAL_ROOM = 6400


def together(operations: Operations, plan: Plan) -> None:
    """Send *plan* in the migration's transaction."""
    for statement in plan:
        send(operations, statement)


def apart(operations: Operations, plan: Plan) -> None:
    """Send *plan* with a COMMIT before each step; refused at once where that is not possible."""
    context, fresh = operations.migration_context, False
    for transactional, steps in groupby(plan.steps, key=lambda step: step.transactional):
        if not transactional:
            with context.autocommit_block():
                together(operations, Plan.of(*steps))
            fresh = True
            continue
        for step in steps:
            if not fresh:
                _commit(context)
            together(operations, Plan.of(step))
            fresh = False


def _commit(context: MigrationContext) -> None:
    """End the migration's transaction, and begin another: it is what such a block does around."""
    with context.autocommit_block():
        pass


def send(operations: Operations, statement: Statement) -> None:
    """Send *statement* as ``op.execute`` would."""
    # A colon in a name is no parameter.
    operations.execute(text(statement.sql.replace("\\", "\\\\").replace(":", "\\:")))


def online(operations: Operations) -> Any:
    """Return the connection, None where there is no database to ask."""
    context = operations.migration_context
    return None if context.as_sql else context.connection


def tree_of(operations: Operations, layout: Layout) -> Tree | None:
    """Return what there is of *layout*; None if there is no database to ask."""
    connection = online(operations)
    if connection is None:
        return None
    tree = read_trees.tree(connection, layout.parent)
    check_parent(tree, layout.parent, layout.partition_by)
    return tree


def fits(leaves: int, layout: Layout, tree: Tree | None) -> bool:
    """Whether the locks of so many *leaves* have room in one transaction."""
    return locks_needed(leaves, _indexes(layout, tree)) <= _room(tree)


def batch_of(most: int, layout: Layout, tree: Tree | None) -> int:
    """Return how many leaves to make between two COMMITs, at most *most*."""
    return batch_size(most, _indexes(layout, tree), _room(tree))


def _indexes(layout: Layout, tree: Tree | None) -> int:
    """How many a leaf has; of a parent that is not there, with one for its primary key."""
    inherited = len(tree.indexes) if tree is not None else 1 + len(layout.carries.on_parent)
    return inherited + len(layout.carries.on_leaves)


def _room(tree: Tree | None) -> int:
    return _USUAL_ROOM if tree is None else tree.lock_room


def valid(operations: Operations, names: Iterable[Name]) -> frozenset[str]:
    """Return which of *names*, as SQL, are valid indexes."""
    return read_trees.valid_indexes(online(operations), names)
