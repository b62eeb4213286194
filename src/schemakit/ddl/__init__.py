"""Builders: names and plain values in, a `Plan` out. Nothing here talks to a server."""

from __future__ import annotations

from schemakit.sql.name import Name
from schemakit.sql.plan import Plan, Statement, Step

from .attachment import attach_plan, attach_undone_plan, detach_plan, drop_plan, finalize_plan
from .indexes import index_attach_plan, index_parent_plan, index_plan
from .leaf import Expression, Grant, Leaf, LeafIndex, LeafTraits
from .neighbours import Neighbours
from .preflight import check_formula, check_lock_room, locks_needed
from .renames import rename_plan
from .trees import leaves_plan, parent_plan, tree_plan

__all__ = [
    "Expression",
    "Grant",
    "Leaf",
    "LeafIndex",
    "LeafTraits",
    "Name",
    "Neighbours",
    "Plan",
    "Statement",
    "Step",
    "attach_plan",
    "attach_undone_plan",
    "check_formula",
    "check_lock_room",
    "detach_plan",
    "drop_plan",
    "finalize_plan",
    "index_attach_plan",
    "index_parent_plan",
    "index_plan",
    "leaves_plan",
    "locks_needed",
    "parent_plan",
    "rename_plan",
    "tree_plan",
]
