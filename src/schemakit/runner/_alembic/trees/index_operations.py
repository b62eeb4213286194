"""`op.create_partitioned_index` and its like: importing this module makes Alembic know them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from alembic.operations import MigrateOperation, Operations

from schemakit.catalog.tree import TreeIndex
from schemakit.ddl.leaf import LeafIndex
from schemakit.partitioning.layout import Layout

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
#: As pg_get_indexdef writes one of a partitioned table.
_DEFINITION = re.compile(
    rf"CREATE (?P<unique>UNIQUE )?INDEX {_IDENTIFIER} ON ONLY {_IDENTIFIER}(?:\.{_IDENTIFIER})? "
    r"(?P<rest>USING .*)",
    re.DOTALL,
)


@Operations.register_operation("create_partitioned_index")
@dataclass(eq=False)
class CreatePartitionedIndexOp(MigrateOperation):
    """An index is built on every leaf."""

    layout: Layout
    index: LeafIndex
    completing: bool = False

    def reverse(self) -> MigrateOperation:
        """Return what drops it again; where only a part was *completing* it, nothing is dropped."""
        return self if self.completing else DropPartitionedIndexOp(self.layout, self.index)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("add_partitioned_index", self.layout.parent, self.index.name)

    @classmethod
    def create_partitioned_index(
        cls, operations: Operations, layout: Layout, index: LeafIndex
    ) -> None:
        """Build an index on every leaf, CONCURRENTLY, and make them one of the parent.

        The migration's transaction is committed before. Run again, it goes on where it stopped.

        Args:
            layout: how the table is laid out.
            index: what to build.
        """
        operations.invoke(cls(layout, index))


@Operations.register_operation("drop_partitioned_index")
@dataclass(eq=False)
class DropPartitionedIndexOp(MigrateOperation):
    """An index is dropped from every leaf."""

    layout: Layout
    index: LeafIndex

    def reverse(self) -> MigrateOperation:
        """Return what builds it again."""
        return CreatePartitionedIndexOp(self.layout, self.index)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("remove_partitioned_index", self.layout.parent, self.index.name)

    @classmethod
    def drop_partitioned_index(
        cls, operations: Operations, layout: Layout, index: LeafIndex
    ) -> None:
        """Drop an index of the tree.

        One of the parent goes at once, under an exclusive lock on all of the tree: PostgreSQL
        drops none of them CONCURRENTLY.

        Args:
            layout: how the table is laid out.
            index: what to drop.
        """
        operations.invoke(cls(layout, index))


@Operations.register_operation("complete_partitioned_index")
@dataclass(eq=False)
class CompletePartitionedIndexOp(MigrateOperation):
    """Leaves get their part of an index of the parent."""

    layout: Layout
    name: str
    only: tuple[str, ...]
    definition: str
    unique: bool = False

    @classmethod
    def of(cls, layout: Layout, index: TreeIndex) -> CompletePartitionedIndexOp:
        """Return what completes *index*, as the catalog shows it."""
        found = _DEFINITION.fullmatch(index.definition)
        definition = found["rest"] if found else index.definition
        leaves = tuple(leaf.name for leaf in index.lacking)
        unique = bool(found and found["unique"])
        return cls(layout, index.name.name, leaves, definition, unique)

    def reverse(self) -> MigrateOperation:
        """Return the same, which finds nothing to do: what is whole is in nobody's way."""
        return self

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("complete_partitioned_index", self.layout.parent, self.name, self.only)

    @classmethod
    def complete_partitioned_index(  # noqa: PLR0913 - what an index is
        cls,
        operations: Operations,
        layout: Layout,
        name: str,
        only: str | Iterable[str],
        definition: str,
        *,
        unique: bool = False,
    ) -> None:
        """Build an index of the parent on leaves that lack it, and make it whole.

        The migration's transaction is committed before: it is built CONCURRENTLY.

        Args:
            layout: how the table is laid out.
            name: of the parent's index.
            only: the leaves.
            definition: as it stands behind the table's name: ``USING btree (note)``.
            unique: whether it is.
        """
        operations.invoke(
            cls(layout, name, (only,) if isinstance(only, str) else tuple(only), definition, unique)
        )
