"""A partitioned table and its leaves, as the catalog shows them. No connection anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from schemakit.sql.name import Name


@dataclass(frozen=True, slots=True)
class TreeLeaf:
    """A partition.

    Attributes:
        name: with its schema.
        bound: as ``pg_get_expr`` spells it.
        pending: whether a DETACH CONCURRENTLY of it was cut off: its rows are out of sight.
        kind: as ``pg_class.relkind``.
    """

    name: Name
    bound: str
    pending: bool = False
    kind: str = "r"


@dataclass(frozen=True, slots=True)
class TreeIndex:
    """An index of the parent.

    Attributes:
        name: with its schema.
        valid: whether every leaf has its part.
        definition: as ``pg_get_indexdef`` spells it.
        lacking: the leaves without a valid part of it.
    """

    name: Name
    valid: bool
    definition: str
    lacking: tuple[Name, ...]


@dataclass(frozen=True)
class Tree:
    """What there is of a partitioned table.

    Attributes:
        version: the server's major release.
        lock_room: locks that the server has room for in all.
        kind: of the parent, as ``pg_class.relkind``; ``""`` if there is no such relation.
        name: of the parent, with its schema; None if there is none.
        partition_by: its key as ``pg_get_partkeydef`` spells it, e.g. ``HASH (id)``.
        referenced: tables that its foreign keys point at.
        referencing: tables whose foreign keys point at it.
        triggers: its BEFORE INSERT row triggers that are enabled, with the text of their functions.
        checks: its CHECK constraints.
        leaves: its partitions, also what is being detached.
        indexes: its indexes.
        key_types: of the columns of its key, without modifiers; ``""`` of an expression.
    """

    version: int
    lock_room: int
    kind: str = ""
    name: Name | None = None
    partition_by: str = ""
    referenced: tuple[Name, ...] = ()
    referencing: tuple[Name, ...] = ()
    triggers: tuple[tuple[str, str], ...] = ()
    checks: tuple[str, ...] = ()
    leaves: tuple[TreeLeaf, ...] = ()
    indexes: tuple[TreeIndex, ...] = ()
    key_types: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether there is a relation of that name."""
        return bool(self.kind)

    @cached_property
    def default(self) -> Name | None:
        """The default leaf, if it has one."""
        return next((leaf.name for leaf in self.leaves if leaf.bound == "DEFAULT"), None)

    @property
    def pending(self) -> tuple[Name, ...]:
        """The leaves that were half detached."""
        return tuple(leaf.name for leaf in self.leaves if leaf.pending)
