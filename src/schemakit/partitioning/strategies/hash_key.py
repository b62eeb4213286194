"""LIST over a column that holds ``abs(hashtext(source::text) % n)``: the reference layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemakit.ddl.leaf import Leaf
from schemakit.ddl.pattern import checked_name
from schemakit.errors import LayoutRefused, LeafUnknown
from schemakit.partitioning.hashing.text import Key, partition_key
from schemakit.partitioning.layout import Layout, checked_columns, checked_count, single
from schemakit.partitioning.listing import list_bound
from schemakit.partitioning.pattern import numbered
from schemakit.sql.name import quote


@dataclass(frozen=True)
class HashKeyLayout(Layout):
    """A column of its own holds the number of the leaf, computed from another column.

    Whoever writes a row computes it, since no trigger on the parent can and no generated column may
    be a partition key: PostgreSQL finds the leaf first. New tables are better off with
    `HashLayout`.

    Attributes:
        key: the column that holds the number, an integer.
        source: the column that it is computed from, by its text.
        modulus: how many leaves.
        unkeyed: the name of a leaf for rows without a key, whose own BEFORE INSERT trigger may
            compute it and send them on (docs/reference-layout.md). It takes NULL, and is no
            default leaf, which would take wrong keys too and forbid DETACH CONCURRENTLY.
        checked: whether the tree is made with a CHECK that refuses a wrong key (23514).

    Raises:
        LayoutRefused: it cannot be laid out so; the remedy says why.
    """

    key: str
    source: str = field(kw_only=True)
    modulus: int = field(kw_only=True)
    unkeyed: str | None = field(default=None, kw_only=True)
    checked: bool = field(default=True, kw_only=True)

    def _check(self) -> None:
        checked_count(self.modulus)
        for column in (self.key, self.source):
            checked_name(column, "a column")
        if self.key == self.source:
            detail = f"{self.key!r} is computed from itself."
            raise LayoutRefused(detail, remedy="name the column that is hashed as the source.")
        checked_columns((self.key,))

    def _each_leaf(self) -> Iterator[Leaf]:
        for number, name in numbered(self.naming, self.parent.name, self.modulus):
            bound, check = list_bound(self.key, [str(number)])
            yield Leaf(self.in_schema(name), bound, number, check)
        if self.unkeyed is not None:
            bound, check = list_bound(self.key, ["NULL"])
            yield Leaf(self.in_schema(self.unkeyed), bound, self.modulus, check)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the partition key."""
        return (self.key,)

    @property
    def partition_by(self) -> str:
        """``PARTITION BY LIST (…)``."""
        return f"PARTITION BY LIST ({quote(self.key)})"

    @property
    def key_expression(self) -> str:
        """``abs(hashtext("source"::text) % n)``, defined where abs(hashtext(…)) is not, too."""
        return f"abs(hashtext({quote(self.source)}::text) % {self.modulus})"

    @property
    def checks(self) -> tuple[str, ...]:
        """The condition that a right key meets, if the layout is checked."""
        return (f"{quote(self.key)} = {self.key_expression}",) if self.checked else ()

    def key_for(self, source: Key) -> int:
        """Return the key of a row with that *source*.

        Raises:
            HashUnknown: no text on the server is like that.
            KeyRefused: it is no str, bytes or UUID.
        """
        return partition_key(source, self.modulus)

    def leaf_for(self, *key: object) -> Leaf:
        """Return the leaf of a row with the right key, computed here from its source.

        Args:
            key: the source: str, bytes or UUID; None is NULL, and so is its key.

        Raises:
            LeafUnknown: the source is NULL, and there is no leaf for that.
            HashUnknown: no text on the server is like that.
            KeyRefused: it is no str, bytes or UUID.
        """
        source = single(key)
        if source is not None:
            return self._leaves[partition_key(source, self.modulus)]  # type: ignore[arg-type]  # it refuses what it does not take
        if self.unkeyed is None:
            raise LeafUnknown(
                f"{quote(self.source)} is NULL, for which {self.parent} has no leaf.",
                remedy='give it, or the layout a leaf for rows without it: unkeyed="…".',
            )
        return self._leaves[-1]
