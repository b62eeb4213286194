"""`op.create_partitions` and its like: importing this module makes Alembic know them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import CreateTableOp
from sqlalchemy import CheckConstraint, text

from schemakit.errors import LayoutRefused
from schemakit.partitioning.layout import Layout

#: A leaf is named as in the layout: a str is one in the leaves' schema.
Names = str | Iterable[str]


def _names(only: Names | None) -> tuple[str, ...] | None:
    if only is None:
        return None
    return (only,) if isinstance(only, str) else tuple(only)


@Operations.register_operation("create_partitions")
@dataclass(eq=False)
class CreatePartitionsOp(MigrateOperation):
    """Leaves are made."""

    layout: Layout
    only: tuple[str, ...] | None = None
    live: bool = True

    def reverse(self) -> MigrateOperation:
        """Return what drops them again."""
        concurrently = self.live and not any(leaf.default for leaf in self.layout.leaves())
        return DropPartitionsOp(self.layout, self.only, concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("add_partitions", self.layout.parent, self.only)

    @classmethod
    def create_partitions(
        cls,
        operations: Operations,
        layout: Layout,
        only: str | Iterable[str] | None = None,
        *,
        live: bool = True,
    ) -> None:
        """Make the leaves of a partitioned table, those that are not there yet.

        All in the migration's transaction, if the server has room for its locks; else with a COMMIT
        every few leaves, and refused where that is not possible.

        Args:
            layout: how the table is laid out.
            only: the names of leaves; by default all.
            live: whether the table may be in use. Then leaves are made beside it and attached,
                which lets reads and writes go on; else as its partitions, which is faster.
        """
        operations.invoke(cls(layout, _names(only), live))


@Operations.register_operation("drop_partitions")
@dataclass(eq=False)
class DropPartitionsOp(MigrateOperation):
    """Leaves are dropped, with their rows."""

    layout: Layout
    only: tuple[str, ...] | None = None
    concurrently: bool = True

    def reverse(self) -> MigrateOperation:
        """Return what makes them again, without rows."""
        return CreatePartitionsOp(self.layout, self.only, self.concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("remove_partitions", self.layout.parent, self.only)

    @classmethod
    def drop_partitions(
        cls,
        operations: Operations,
        layout: Layout,
        only: str | Iterable[str] | None = None,
        *,
        concurrently: bool = True,
    ) -> None:
        """Drop leaves with their rows, those that are there; each is detached first.

        Args:
            layout: how the table is laid out.
            only: the names of leaves; by default all.
            concurrently: whether reads and writes of the table go on meanwhile. Then the
                migration's transaction is committed before each; without it, the table is locked
                exclusively until the transaction ends.
        """
        operations.invoke(cls(layout, _names(only), concurrently))


@Operations.register_operation("create_partitioned_table")
@dataclass(eq=False)
class CreatePartitionedTableOp(MigrateOperation):
    """A parent and its leaves are made."""

    layout: Layout
    columns: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def table(self) -> CreateTableOp:
        """The parent, without indexes."""
        given = {**self.options}
        if given.setdefault("schema", self.layout.parent.schema) != self.layout.parent.schema:
            detail = f"The layout is one of {self.layout.parent}, and schema={given['schema']!r}."
            raise LayoutRefused(detail, remedy="leave schema out: the layout says it.")
        given["postgresql_partition_by"] = self.layout.partition_by.removeprefix("PARTITION BY ")
        # A colon in a name is no parameter.
        checks = [CheckConstraint(text(each.replace(":", "\\:"))) for each in self.layout.checks]
        return CreateTableOp(self.layout.parent.name, [*self.columns, *checks], **given)

    def reverse(self) -> MigrateOperation:
        """Return what drops the tree again."""
        return DropPartitionedTableOp(self)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("add_partitioned_table", self.layout.parent)

    @classmethod
    def create_partitioned_table(
        cls, operations: Operations, layout: Layout, *columns: Any, **options: Any
    ) -> Any:
        """Make a partitioned table and its leaves.

        Args:
            layout: how it is laid out; its parent is the name of the table.
            columns: with constraints, as for ``op.create_table``.
            options: as for ``op.create_table``.
        """
        return operations.invoke(cls(layout, columns, options))


@Operations.register_operation("drop_partitioned_table")
@dataclass(eq=False)
class DropPartitionedTableOp(MigrateOperation):
    """A tree is dropped; *created* is what makes it again."""

    created: CreatePartitionedTableOp | Layout

    @property
    def layout(self) -> Layout:
        """Of the tree."""
        given = self.created
        return given.layout if isinstance(given, CreatePartitionedTableOp) else given

    def reverse(self) -> MigrateOperation:
        """Return what makes it again, if that is known."""
        if isinstance(self.created, CreatePartitionedTableOp):
            return self.created
        raise NotImplementedError

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("remove_partitioned_table", self.layout.parent)

    @classmethod
    def drop_partitioned_table(cls, operations: Operations, layout: Layout) -> None:
        """Drop a partitioned table with its leaves.

        In the migration's transaction, if the server has room for its locks; else its leaves go
        first, with a COMMIT every few of them.

        Args:
            layout: how it is laid out.
        """
        operations.invoke(cls(layout))


@Operations.register_operation("attach_partition")
@dataclass(eq=False)
class AttachPartitionOp(MigrateOperation):
    """A table becomes a leaf."""

    layout: Layout
    name: str

    def reverse(self) -> MigrateOperation:
        """Return what makes it a table of its own again."""
        concurrently = not any(leaf.default for leaf in self.layout.leaves())
        return DetachPartitionOp(self.layout, self.name, concurrently)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("attach_partition", self.layout.parent, self.name)

    @classmethod
    def attach_partition(cls, operations: Operations, layout: Layout, name: str) -> None:
        """Make a table with rows the leaf of the layout that it is called like.

        Its rows are proven to belong there, and its indexes built, before the lock; so the
        migration's transaction is committed in between.

        Args:
            layout: how the parent is laid out.
            name: of the leaf and the table.
        """
        operations.invoke(cls(layout, name))


@Operations.register_operation("detach_partition")
@dataclass(eq=False)
class DetachPartitionOp(MigrateOperation):
    """A leaf becomes a table of its own."""

    layout: Layout
    name: str
    concurrently: bool = True

    def reverse(self) -> MigrateOperation:
        """Return what attaches it again."""
        return AttachPartitionOp(self.layout, self.name)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("detach_partition", self.layout.parent, self.name)

    @classmethod
    def detach_partition(
        cls, operations: Operations, layout: Layout, name: str, *, concurrently: bool = True
    ) -> None:
        """Make a leaf a table of its own again, with its rows.

        Args:
            layout: how the parent is laid out.
            name: of the leaf.
            concurrently: while the parent is in use; the migration's transaction is committed
                before it. Not beside a default leaf.
        """
        operations.invoke(cls(layout, name, concurrently))


@Operations.register_operation("rename_partitioned_table")
@dataclass(eq=False)
class RenamePartitionedTableOp(MigrateOperation):
    """Parent and leaves get other names."""

    layout: Layout
    to: Layout

    def reverse(self) -> MigrateOperation:
        """Return what gives them their names back."""
        return RenamePartitionedTableOp(self.to, self.layout)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("rename_partitioned_table", self.layout.parent, self.to.parent)

    @classmethod
    def rename_partitioned_table(cls, operations: Operations, layout: Layout, to: Layout) -> None:
        """Rename a partitioned table and its leaves, in the migration's transaction.

        Args:
            layout: how they are called.
            to: how they are to be called; the same leaves in the same order.
        """
        operations.invoke(cls(layout, to))


@Operations.register_operation("change_layout")
@dataclass(eq=False)
class ChangeLayoutOp(MigrateOperation):
    """A tree is laid out in another way than its models say: nobody can change that in place."""

    layout: Layout
    differing: tuple[str, ...]

    def reverse(self) -> MigrateOperation:
        """Return the same: what cannot be done cannot be undone."""
        return self

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return it in the form of ``compare_metadata``."""
        return ("change_layout", self.layout.parent, self.differing)

    @classmethod
    def change_layout(cls, operations: Operations, layout: Layout, *differing: str) -> None:
        """Refuse: autogenerate writes this where the layout of a table has changed.

        Args:
            layout: what the models say.
            differing: in which points the table differs.
        """
        operations.invoke(cls(layout, differing))
