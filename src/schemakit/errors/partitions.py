"""What is raised about partitions and the hashes that choose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .root import ConfigurationError, SchemakitError

if TYPE_CHECKING:
    from schemakit.catalog.model import KeyTrigger


class HashUnknown(ConfigurationError):
    """How the server hashes this cannot be known outside of it."""

    remedy = "ask the server: hashtext(…), satisfies_hash_partition(…), or tableoid::regclass."


class KeyRefused(ConfigurationError):
    """This value is none that a key of that type can have."""

    remedy = "give it as asyncpg would take it for the column; docs/hashing.md lists the types."


class LayoutRefused(ConfigurationError):
    """A partitioned table cannot be laid out like this."""

    remedy = "see docs/partitioning.md for what a layout may say."


class LeafUnknown(ConfigurationError):
    """The layout has no leaf for this."""

    remedy = "add a leaf for it to the layout, or a default leaf."


class TreeRefused(SchemakitError):
    """The partitioned table is not such that this could be done; nothing was touched."""

    remedy = "see docs/partitioning.md for what stands in the way."


class RoutingFailed(SchemakitError):
    """A row was refused on its way to its partition."""

    remedy = "give every row its key: schemakit.partitioning.partition_key(…)."

    def __init__(
        self, detail: str = "", *, found: KeyTrigger | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.found = found


class HashMismatch(SchemakitError):
    """This server does not hash as schemakit's calculator does."""

    remedy = "do not compute partitions for it: ask it, with tableoid::regclass or hashtext(…)."
