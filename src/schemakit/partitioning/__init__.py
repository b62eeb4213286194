"""Where a row lives: partitions told without asking the server.

::

    from schemakit.partitioning import hash_partition, partition_key

    partition_key("a-collection", 100)  # abs(hashtext('a-collection') % 100)
    hash_partition(("a-collection", 7), 16, types=("text", "int8"))  # PARTITION BY HASH

Importing this package is light: a name's module is imported when the name is first used, numpy
only for an array or a batch that is worth it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemakit._on_demand import on_demand

if TYPE_CHECKING:
    from schemakit.ddl.leaf import Expression, Grant, Leaf, LeafIndex, LeafTraits
    from schemakit.runner.models.declare import declare, partitioned
    from schemakit.runner.models.known import layout_of
    from schemakit.runner.models.pruning import prune_queries
    from schemakit.runner.partitions.attaching import attach_leaf
    from schemakit.runner.partitions.growing import create_leaves, create_tree
    from schemakit.runner.partitions.indexing import create_index, rename_tree
    from schemakit.runner.partitions.leaving import detach_leaf, drop_leaves
    from schemakit.runner.partitions.reading import TreeState, read_tree
    from schemakit.runner.routing import explain_routing
    from schemakit.runner.verify import Verified, verify_server
    from schemakit.sql.name import Name

    from .hashing.batches import partition_keys
    from .hashing.columns import hash_partitions
    from .hashing.native import hash_partition
    from .hashing.text import hashtext, hashtextextended, partition_key
    from .layout import Layout
    from .strategies.hash_key import HashKeyLayout
    from .strategies.hashed import HashLayout
    from .strategies.listed import ValuesLayout

__all__ = [
    "Expression",
    "Grant",
    "HashKeyLayout",
    "HashLayout",
    "Layout",
    "Leaf",
    "LeafIndex",
    "LeafTraits",
    "Name",
    "TreeState",
    "ValuesLayout",
    "Verified",
    "attach_leaf",
    "create_index",
    "create_leaves",
    "create_tree",
    "declare",
    "detach_leaf",
    "drop_leaves",
    "explain_routing",
    "hash_partition",
    "hash_partitions",
    "hashtext",
    "hashtextextended",
    "layout_of",
    "partition_key",
    "partition_keys",
    "partitioned",
    "prune_queries",
    "read_tree",
    "rename_tree",
    "verify_server",
]

_HOMES = {
    "schemakit.ddl.leaf": ("Expression", "Grant", "Leaf", "LeafIndex", "LeafTraits"),
    "schemakit.partitioning.hashing.batches": ("partition_keys",),
    "schemakit.partitioning.hashing.columns": ("hash_partitions",),
    "schemakit.partitioning.hashing.native": ("hash_partition",),
    "schemakit.partitioning.hashing.text": ("hashtext", "hashtextextended", "partition_key"),
    "schemakit.partitioning.layout": ("Layout",),
    "schemakit.partitioning.strategies.hash_key": ("HashKeyLayout",),
    "schemakit.partitioning.strategies.hashed": ("HashLayout",),
    "schemakit.partitioning.strategies.listed": ("ValuesLayout",),
    "schemakit.sql.name": ("Name",),
    # These need SQLAlchemy, or ask a server: users look for them here, the layers want them there.
    "schemakit.runner.models.declare": ("declare", "partitioned"),
    "schemakit.runner.models.known": ("layout_of",),
    "schemakit.runner.models.pruning": ("prune_queries",),
    "schemakit.runner.partitions.attaching": ("attach_leaf",),
    "schemakit.runner.partitions.growing": ("create_leaves", "create_tree"),
    "schemakit.runner.partitions.indexing": ("create_index", "rename_tree"),
    "schemakit.runner.partitions.leaving": ("detach_leaf", "drop_leaves"),
    "schemakit.runner.partitions.reading": ("TreeState", "read_tree"),
    "schemakit.runner.routing": ("explain_routing",),
    "schemakit.runner.verify": ("Verified", "verify_server"),
}
__getattr__ = on_demand(globals(), _HOMES)


def __dir__() -> list[str]:
    return __all__
