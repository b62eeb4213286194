"""``PARTITION BY HASH``: the server divides by a hash of one or several columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemakit.ddl.leaf import Leaf
from schemakit.errors import LayoutRefused
from schemakit.partitioning.hashing.encode import NAME_A_TYPE
from schemakit.partitioning.hashing.native import checked_types, hash_partition
from schemakit.partitioning.layout import Layout, checked_columns, checked_count, flat, is_tuple
from schemakit.partitioning.pattern import numbered
from schemakit.sql.literal import literal
from schemakit.sql.name import quote

#: Types without a collation.
_PROVABLE = frozenset(
    {
        "bool",
        "bytea",
        "date",
        "float4",
        "float8",
        "int2",
        "int4",
        "int8",
        "numeric",
        "time",
        "timestamp",
        "timestamptz",
        "uuid",
    }
)


@dataclass(frozen=True)
class HashLayout(Layout):
    """Native hash partitioning: no trigger, no key column, and pruned by an equality on the key.

    Attributes:
        key: the columns that are hashed, in order.
        types: their types, as in SQL and without a modifier.
        modulus: how many leaves.

    Raises:
        LayoutRefused: it cannot be laid out so; the remedy says why.
        HashUnknown: how the server hashes a type is not known outside of it.
    """

    key: tuple[str, ...]
    types: tuple[str, ...] = field(kw_only=True)
    modulus: int = field(kw_only=True)

    def _check(self) -> None:
        checked_columns(self.key)
        checked_count(self.modulus)
        if not is_tuple(self.types):
            detail = f"The types {self.types!r} are no tuple."
            raise LayoutRefused(detail, remedy='give one for each column: types=("uuid",).')
        _check_types(self.types)
        if len(self.types) != len(self.key):
            detail = f"Columns of the key: {len(self.key)}; types: {len(self.types)}."
            raise LayoutRefused(detail, remedy="give a type for each column, in the same order.")

    def _each_leaf(self) -> Iterator[Leaf]:
        for number, name in numbered(self.naming, self.parent.name, self.modulus):
            bound = f"FOR VALUES WITH (MODULUS {self.modulus}, REMAINDER {number})"
            yield Leaf(self.in_schema(name), bound, number, self._check_of(number))

    def _check_of(self, number: int) -> str | None:
        """The server compares no condition on a text with the bound: its collations differ."""
        if not {kind.name for kind in checked_types(self.types)} <= _PROVABLE:
            return None
        keys = ", ".join(map(quote, self.key))
        parent = literal(str(self.parent))
        return f"satisfies_hash_partition({parent}::regclass, {self.modulus}, {number}, {keys})"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the partition key."""
        return self.key

    @property
    def key_types(self) -> tuple[str | None, ...]:
        """The types of the key's columns."""
        return self.types

    @property
    def partition_by(self) -> str:
        """``PARTITION BY HASH (…)``."""
        return f"PARTITION BY HASH ({', '.join(map(quote, self.key))})"

    def leaf_for(self, *key: object) -> Leaf:
        """Return the leaf that the server puts a row in, computed here.

        Args:
            key: the values of the key's columns, in order, None for NULL; as for `hash_partition`.

        Raises:
            HashUnknown: it cannot be known outside of the server.
            KeyRefused: a column does not take its value, or they are too few or too many.
        """
        return self._leaves[hash_partition(flat(key), self.modulus, types=self.types)]


def _check_types(types: tuple[object, ...]) -> None:
    for each in types:
        if not isinstance(each, str):
            raise LayoutRefused(f"The type {each!r} is no name.", remedy=NAME_A_TYPE)
    checked_types(types)  # type: ignore[arg-type]  # each is a str
