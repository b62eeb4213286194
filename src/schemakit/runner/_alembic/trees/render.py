"""How autogenerate writes the operations into a revision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from alembic.autogenerate import renderers
from alembic.autogenerate.render import render_op

from . import index_operations as index_ops
from . import operations as ops
from .source import source

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

_PREFIX = "alembic_module_prefix"


def _call(context: AutogenContext, name: str, arguments: Iterator[str]) -> str:
    prefix = (context.opts or {}).get(_PREFIX, "op.")
    return f"{prefix}{name}({', '.join(arguments)})"


@renderers.dispatch_for(ops.CreatePartitionsOp)
def _create(context: AutogenContext, op: ops.CreatePartitionsOp) -> str:
    def arguments() -> Iterator[str]:
        yield source(op.layout, context.imports)
        if op.only is not None:
            yield f"only={op.only!r}"
        if not op.live:
            yield "live=False"

    return _call(context, "create_partitions", arguments())


@renderers.dispatch_for(ops.DropPartitionsOp)
def _drop(context: AutogenContext, op: ops.DropPartitionsOp) -> str:
    def arguments() -> Iterator[str]:
        yield source(op.layout, context.imports)
        if op.only is not None:
            yield f"only={op.only!r}"
        if not op.concurrently:
            yield "concurrently=False"

    return _call(context, "drop_partitions", arguments())


@renderers.dispatch_for(ops.AttachPartitionOp)
def _attach(context: AutogenContext, op: ops.AttachPartitionOp) -> str:
    arguments = [source(op.layout, context.imports), repr(op.name)]
    return _call(context, "attach_partition", iter(arguments))


@renderers.dispatch_for(ops.DetachPartitionOp)
def _detach(context: AutogenContext, op: ops.DetachPartitionOp) -> str:
    arguments = [source(op.layout, context.imports), repr(op.name)]
    if not op.concurrently:
        arguments.append("concurrently=False")
    return _call(context, "detach_partition", iter(arguments))


@renderers.dispatch_for(index_ops.CreatePartitionedIndexOp)
def _create_index(context: AutogenContext, op: index_ops.CreatePartitionedIndexOp) -> str:
    arguments = (source(each, context.imports) for each in (op.layout, op.index))
    return _call(context, "create_partitioned_index", arguments)


@renderers.dispatch_for(index_ops.CompletePartitionedIndexOp)
def _complete_index(context: AutogenContext, op: index_ops.CompletePartitionedIndexOp) -> str:
    arguments = [source(op.layout, context.imports), repr(op.name), repr(op.only)]
    arguments.append(repr(op.definition))
    if op.unique:
        arguments.append("unique=True")
    return _call(context, "complete_partitioned_index", iter(arguments))


@renderers.dispatch_for(index_ops.DropPartitionedIndexOp)
def _drop_index(context: AutogenContext, op: index_ops.DropPartitionedIndexOp) -> str:
    arguments = (source(each, context.imports) for each in (op.layout, op.index))
    return _call(context, "drop_partitioned_index", arguments)


@renderers.dispatch_for(ops.RenamePartitionedTableOp)
def _rename(context: AutogenContext, op: ops.RenamePartitionedTableOp) -> str:
    arguments = (source(each, context.imports) for each in (op.layout, op.to))
    return _call(context, "rename_partitioned_table", arguments)


@renderers.dispatch_for(ops.ChangeLayoutOp)
def _change(context: AutogenContext, op: ops.ChangeLayoutOp) -> str:
    arguments = [source(op.layout, context.imports), *map(repr, op.differing)]
    return _call(context, "change_layout", iter(arguments))


@renderers.dispatch_for(ops.CreatePartitionedTableOp)
def _create_tree(context: AutogenContext, op: ops.CreatePartitionedTableOp) -> list[str]:
    """As its two halves: Alembic renders the columns of a create_table()."""
    halves = (op.table, ops.CreatePartitionsOp(op.layout, None, live=False))
    return [text for half in halves for text in render_op(context, half)]


@renderers.dispatch_for(ops.DropPartitionedTableOp)
def _drop_tree(context: AutogenContext, op: ops.DropPartitionedTableOp) -> str:
    arguments = [source(op.layout, context.imports)]
    return _call(context, "drop_partitioned_table", iter(arguments))
