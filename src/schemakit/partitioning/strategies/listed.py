"""``PARTITION BY LIST`` of values that are known: tenants, regions, states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

from schemakit.ddl.leaf import Leaf
from schemakit.ddl.pattern import Pattern, checked_name
from schemakit.errors import HashUnknown, LayoutRefused, LeafUnknown
from schemakit.partitioning.layout import Layout, checked_count, is_tuple, single
from schemakit.partitioning.listing import NAN, Value, bound_literal, comparable, list_bound
from schemakit.sql.name import quote


@dataclass(frozen=True)
class ValuesLayout(Layout):
    """A leaf for each value of a column, or for several of them.

    Attributes:
        key: the column.
        values: one for each leaf; a tuple of values shares one. None is NULL.
        type: of the column, as in SQL and without a modifier; None of one that the server compares
            in a way of its own, as an enum or citext: `leaf_for` then refuses.
        names: of the leaves in the order of the values, where no pattern with ``{value}`` or
            ``{i}`` will do.
        default: the name of a leaf for all other values; it forbids DETACH CONCURRENTLY, and is
            scanned whenever a leaf is added.

    Raises:
        LayoutRefused: it cannot be laid out so; the remedy says why.
        HashUnknown: *type* is not known.
        KeyRefused: a value is none of that type.
    """

    key: str
    values: tuple[Value | tuple[Value, ...], ...] = field(kw_only=True)
    type: str | None = field(default="text", kw_only=True)
    naming: str = field(default="{parent}_{value}", kw_only=True)
    names: tuple[str, ...] | None = field(default=None, kw_only=True)
    default: str | None = field(default=None, kw_only=True)

    def _check(self) -> None:
        checked_name(self.key, "a column")
        if not is_tuple(self.values):
            detail = "The values are no tuple."
            raise LayoutRefused(detail, remedy='give one: values=("acme", "globex").')
        checked_count(len(self.values) + (self.default is not None))
        if self.names is not None and len(self.names) != len(self.values):
            detail = f"Leaves: {len(self.values)}; names: {len(self.names)}."
            raise LayoutRefused(detail, remedy="give a name for each leaf, in the same order.")
        known = [comparable(self.type, each) for group in self._groups for each in group]
        if NAN in known:
            detail = "NaN has a leaf, and no two NaN are the same in Python."
            raise LayoutRefused(detail, remedy="leave it to a default leaf.")
        if len(set(known)) < len(known) or not all(self._groups):
            detail = "A value has two leaves, or a leaf no value."
            raise LayoutRefused(detail, remedy="give each leaf values of its own.")

    @property
    def _groups(self) -> tuple[tuple[Value, ...], ...]:
        return tuple(each if isinstance(each, tuple) else (each,) for each in self.values)

    def _each_leaf(self) -> Iterator[Leaf]:
        for number, name, group in zip(count(), self._names(), self._groups, strict=False):
            literals = [bound_literal(self.type, value) for value in group]
            bound, check = list_bound(self.key, literals)
            yield Leaf(self.in_schema(name), bound, number, check)
        if self.default is not None:
            yield Leaf(self.in_schema(self.default), "DEFAULT", len(self.values))

    def _names(self) -> Iterator[str]:
        if self.names is not None:
            yield from self.names
            return
        pattern = Pattern(self.naming, ("i", "parent", "value"))
        pattern.must_name("i", "value")
        for number, group in enumerate(self._groups):
            shown = "null" if group[0] is None else str(group[0])
            yield pattern.filled(i=number, parent=self.parent.name, value=shown)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the partition key."""
        return (self.key,)

    @property
    def key_types(self) -> tuple[str | None, ...]:
        """The type of the key's column, if the layout names one."""
        return (self.type,)

    @property
    def partition_by(self) -> str:
        """``PARTITION BY LIST (…)``."""
        return f"PARTITION BY LIST ({quote(self.key)})"

    @cached_property
    def _by_value(self) -> dict[object, int]:
        return {
            comparable(self.type, value): number
            for number, group in enumerate(self._groups)
            for value in group
        }

    def leaf_for(self, *key: object) -> Leaf:
        """Return the leaf that the server puts a row in, computed here.

        Args:
            key: the value of the column, None for NULL.

        Raises:
            LeafUnknown: no leaf takes it.
            HashUnknown: the layout has no type: the server compares in a way of its own.
            KeyRefused: the column does not take it.
        """
        value = single(key)
        if self.type is None:
            raise HashUnknown("The layout names no type, by which values would be compared.")
        number = self._by_value.get(comparable(self.type, value))
        if number is not None:
            return self._leaves[number]
        if self.default is None:
            raise LeafUnknown(f"{self.parent} has no leaf for that value, and no default.")
        return self._leaves[-1]
