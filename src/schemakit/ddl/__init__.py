"""Builders: names and plain values in, a `Plan` out. Nothing here talks to a server."""

from __future__ import annotations

from schemakit.sql.name import Name
from schemakit.sql.plan import Plan, Statement, Step

from .leaf import Expression, Grant, Leaf, LeafIndex, LeafTraits

__all__ = [
    "Expression",
    "Grant",
    "Leaf",
    "LeafIndex",
    "LeafTraits",
    "Name",
    "Plan",
    "Statement",
    "Step",
]
