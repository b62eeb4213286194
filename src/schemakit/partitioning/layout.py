"""What every layout knows of a partitioned table: parent, key, leaves, and which row goes where.

A layout is a value: equal if it says the same, and a key of a dict. A strategy is one file in
`strategies`, which says how a key finds its leaf.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property

from schemakit.ddl.leaf import Leaf, LeafIndex, LeafTraits
from schemakit.ddl.pattern import checked_name
from schemakit.errors import HashUnknown, LayoutRefused, LeafUnknown
from schemakit.partitioning.hashing.encode import kind_named
from schemakit.sql.name import Name, quote

#: More make no tree that could be planned on: a query that is not pruned locks all of them.
MAX_LEAVES = 100_000


@dataclass(frozen=True)
class Layout(ABC):
    """How a partitioned table is laid out.

    Attributes:
        parent: the partitioned table.
        naming: the pattern of the leaves' names, e.g. ``"{parent}_{i}"`` or ``"part_{i:02}"``.
        schema: where the leaves lie; by default where the parent does.
        carries: what each leaf has beside its rows.
    """

    parent: Name
    _: KW_ONLY
    naming: str = "{parent}_{i}"
    schema: str | None = None
    carries: LeafTraits = field(default_factory=LeafTraits)

    def __post_init__(self) -> None:
        if not isinstance(self.parent, Name):
            detail = f"The parent {self.parent!r} is no Name."
            raise LayoutRefused(detail, remedy='give Name("chunks"), or Name("chunks", "app").')
        for schema in (self.parent.schema, self.schema):
            if schema is not None:
                checked_name(schema, "a schema")
        self._check()
        self._check_names()
        for index in self.carries.indexes:
            self.check_unique(index)
        try:
            hash(self)
        except TypeError as error:
            detail = f"A part of the layout could be changed: {error}."
            raise LayoutRefused(detail, remedy="give tuples, not lists.") from None

    @abstractmethod
    def _check(self) -> None:
        """Refuse what the strategy cannot do."""

    @abstractmethod
    def _each_leaf(self) -> Iterator[Leaf]:
        """Yield the leaves in order."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns of the partition key."""

    @property
    def key_types(self) -> tuple[str | None, ...]:
        """The types of the key's columns, on which `leaf_for` relies; None: on no certain one."""
        return tuple(None for _ in self.columns)

    def mistyped(self, found: tuple[str, ...]) -> Iterator[str]:
        """Yield in which columns a key of the types *found* is not that of the layout.

        Args:
            found: as the server spells them, without modifiers.
        """
        for column, said, is_ in zip(self.columns, self.key_types, found, strict=False):
            if said is not None and is_ and not _hashed_alike(said, is_):
                yield f"{quote(column)} is of the type {is_}, and the layout says {said}."

    @property
    @abstractmethod
    def partition_by(self) -> str:
        """What stands behind the parent's definition: ``PARTITION BY HASH ("id")``."""

    @property
    def key_expression(self) -> str | None:
        """The key as the server computes it from a row; None where it is a column like others."""
        return None

    @property
    def checks(self) -> tuple[str, ...]:
        """Conditions that every row must meet, with which the tree is made; as SQL."""
        return ()

    @abstractmethod
    def leaf_for(self, *key: object) -> Leaf:
        """Return the leaf that the server puts a row in, computed here.

        Args:
            key: the values of the columns that decide, None for NULL. One tuple of them will do.

        Raises:
            LeafUnknown: there is none: the server refuses such a row (23514).
            HashUnknown: it cannot be known outside of the server.
            KeyRefused: the column does not take such a value.
        """

    def leaves(self) -> tuple[Leaf, ...]:
        """Return all leaves, in order."""
        return self._leaves

    def leaf_named(self, name: str | Name | Leaf) -> Leaf:
        """Return the leaf *name*.

        Args:
            name: a str is one in the leaves' schema; of a `Leaf`, its name counts.

        Raises:
            LeafUnknown: the layout has no such leaf.
        """
        wanted = self.in_schema(name)
        found = self._by_name.get(wanted)
        if found is None:
            first, last = (_shown(self._leaves[place].name) for place in (0, -1))
            known = f"leaves are {first} … {last}" if first != last else f"the only leaf is {first}"
            raise LeafUnknown(
                f"{self.parent} has no leaf {_shown(wanted)}.", remedy=f"check the name; {known}."
            )
        return found

    @cached_property
    def _leaves(self) -> tuple[Leaf, ...]:
        return tuple(self._each_leaf())

    @cached_property
    def _by_name(self) -> dict[Name, Leaf]:
        return {leaf.name: leaf for leaf in self._leaves}

    def in_schema(self, name: str | Name | Leaf) -> Name:
        """Return the `Name` of *name*: a str is one in the schema of the leaves."""
        if isinstance(name, Leaf):
            return name.name
        if isinstance(name, Name):
            return name
        return Name(name, self.parent.schema if self.schema is None else self.schema)

    def _check_names(self) -> None:
        """Refuse names that the server would cut, and such as are there twice."""
        taken: set[Name] = set()
        tables = (self.parent, *(leaf.name for leaf in self._leaves))
        for what, table in zip(
            ("the parent", *["a leaf"] * len(self._leaves)), tables, strict=True
        ):
            for name in (table, *(index.named(table) for index in self.carries.indexes)):
                checked_name(name.name, what if name is table else f"an index of {what}")
                if name in taken:
                    detail = f"Two relations would be called {name}."
                    raise LayoutRefused(detail, remedy="choose patterns that give each its own.")
                taken.add(name)

    def check_unique(self, index: LeafIndex) -> None:
        """Refuse an index of the parent that is unique and lacks a column of the partition key.

        Raises:
            LayoutRefused: it is and does.
        """
        lacking = [column for column in self.columns if column not in index.columns]
        if index.unique and index.on_parent and lacking:
            detail = f"The unique index {index.name!r} lacks {', '.join(lacking)} of the key."
            raise LayoutRefused(
                detail,
                remedy="add it, for PostgreSQL looks for duplicates leaf by leaf; or have it "
                "unique in each leaf alone, with on_parent=False.",
            )


_INTEGERS = frozenset({"int2", "int4", "int8"})


def _hashed_alike(said: str, found: str) -> bool:
    try:
        kinds = {kind_named(said).name, kind_named(found).name}
    except HashUnknown:
        return False
    return len(kinds) == 1 or kinds <= _INTEGERS


def _shown(name: Name) -> str:
    """Return *name* as ``tableoid::regclass`` may show it; it need be none that SQL can have."""
    return f"{name.name}" if name.schema is None else f"{name.schema}.{name.name}"


def checked_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return *columns*, of a partition key.

    Raises:
        LayoutRefused: they are no tuple, none or more than 32, or one is there twice.
    """
    if not is_tuple(columns) or not columns:
        detail = f"The key {columns!r} is no tuple of columns."
        raise LayoutRefused(detail, remedy='give one: ("collection_id",).')
    if len(set(columns)) < len(columns) or len(columns) > 32:  # noqa: PLR2004 - PARTITION_MAX_KEYS
        detail = f"The key has {len(columns)} columns, or one of them twice."
        raise LayoutRefused(detail, remedy="give up to 32 different ones.")
    for column in columns:
        checked_name(column, "a column")
    return columns


def is_tuple(value: object) -> bool:
    """Return whether *value* is one, which a str or a list, taken for one, is not."""
    return isinstance(value, tuple)


def checked_count(count: int) -> int:
    """Return *count*, a number of leaves.

    Raises:
        LayoutRefused: it is no int from 1 to 100,000.
    """
    if type(count) is not int or not 1 <= count <= MAX_LEAVES:
        detail = f"{count!r} is no number of leaves."
        raise LayoutRefused(
            detail, remedy=f"give an int from 1 to {MAX_LEAVES:,}; a hundred is a good many."
        )
    return count


def flat(key: tuple[object, ...]) -> tuple[object, ...]:
    """Return the values of *key*, which may have been given as one tuple."""
    return key[0] if len(key) == 1 and isinstance(key[0], tuple) else key


def single(key: tuple[object, ...]) -> object:
    """Return the one value of *key*.

    Raises:
        LeafUnknown: there is not one.
    """
    values = flat(key)
    if len(values) != 1:
        detail = f"The key is one value, and these are {len(values)}."
        raise LeafUnknown(detail, remedy="give the one value, None for NULL.")
    return values[0]
