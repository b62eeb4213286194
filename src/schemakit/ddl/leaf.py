"""A leaf of a partitioned table as a value, and what it carries beside its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from schemakit.errors import LayoutRefused
from schemakit.sql.name import Name, quote

from .pattern import Pattern, checked_name

#: What GRANT knows of tables (manual, GRANT); MAINTAIN came with 17.
PRIVILEGES = frozenset(
    {
        "ALL",
        "DELETE",
        "INSERT",
        "MAINTAIN",
        "REFERENCES",
        "SELECT",
        "TRIGGER",
        "TRUNCATE",
        "UPDATE",
    }
)
_IDENTITIES = frozenset({"default", "full", "nothing"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One partition.

    Attributes:
        name: of its table.
        bound: as it stands behind ``PARTITION OF parent`` or ``ATTACH PARTITION leaf``:
            ``FOR VALUES IN (3)``, ``FOR VALUES WITH (MODULUS 16, REMAINDER 3)``, ``DEFAULT``.
        number: its place among the leaves of its layout, from 0.
        check: a condition that only rows of this leaf meet, such that ATTACH need not read a table
            with that CHECK; None where no condition helps.
    """

    name: Name
    bound: str
    number: int = 0
    check: str | None = None

    @property
    def default(self) -> bool:
        """Whether it takes what no other leaf does."""
        return self.bound == "DEFAULT"


class Expression(NamedTuple):
    """SQL that stands in an index where else a column would: ``Expression("lower(content)")``.

    It may say more of the column: ``Expression('"created_at" DESC NULLS LAST')``. It is sent as it
    is.
    """

    sql: str

    def __str__(self) -> str:
        """Its text."""
        return self.sql


@dataclass(frozen=True)
class LeafIndex:
    """An index that every leaf has.

    Attributes:
        name: of the index of each table, with ``{table}`` for the table's name:
            ``"{table}_created_idx"``.
        columns: of the table, or `Expression`.
        method: the access method, e.g. ``btree``, ``brin``, ``gin``.
        unique: whether it is; on the parent it must hold the partition key.
        include: columns that are stored beside (a covering index).
        where: the condition of a partial index, as SQL.
        storage: its parameters, e.g. ``(("fillfactor", 70),)``.
        tablespace: where it lies; by default where the server puts it.
        nulls_not_distinct: whether two NULLs are the same to a unique index (PostgreSQL 15).
        on_parent: whether it is an index of the parent too, of which those of the leaves are parts.
            Without it each leaf has one of its own, which may be unique without the partition key.

    Raises:
        LayoutRefused: it cannot be such an index.
    """

    name: str
    columns: tuple[str | Expression, ...]
    method: str = "btree"
    unique: bool = False
    include: tuple[str, ...] = ()
    where: str | None = None
    storage: tuple[tuple[str, str | int | float], ...] = ()
    tablespace: str | None = None
    nulls_not_distinct: bool = False
    on_parent: bool = True

    def __post_init__(self) -> None:
        given: object = self.columns
        if not isinstance(given, tuple) or not given:
            detail = f"The index {self.name!r} has no tuple of columns."
            raise LayoutRefused(detail, remedy='give one: LeafIndex("{table}_x_idx", ("x",)).')
        Pattern(self.name, ("table",)).must_name("table")

    def named(self, table: Name) -> Name:
        """Return the name of the index of *table*; it lies in the table's schema."""
        return Name(Pattern(self.name, ("table",)).filled(table=table.name), table.schema)

    def create(self, table: Name, *, only: bool = False, concurrently: bool = False) -> str:
        """Return its CREATE INDEX on *table*."""
        words = [
            "CREATE UNIQUE INDEX" if self.unique else "CREATE INDEX",
            "CONCURRENTLY" if concurrently else "",
            quote(self.named(table).name),
            "ON ONLY" if only else "ON",
            f"{table} USING {quote(self.method)} ({', '.join(map(_element, self.columns))})",
            f"INCLUDE ({', '.join(map(quote, self.include))})" if self.include else "",
            "NULLS NOT DISTINCT" if self.nulls_not_distinct else "",
            parameters(self.storage),
            f"TABLESPACE {quote(self.tablespace)}" if self.tablespace else "",
            f"WHERE {self.where}" if self.where else "",
        ]
        return " ".join(word for word in words if word)


def _element(column: str | Expression) -> str:
    if isinstance(column, str):
        return quote(column)
    # Parentheses are for the caller to set: behind an expression DESC or an operator class may be.
    return column.sql


def parameters(storage: tuple[tuple[str, str | int | float], ...]) -> str:
    """Return *storage* as ``WITH (…)``, or nothing."""
    if not storage:
        return ""
    return f"WITH ({', '.join(f'{_parameter(name)} = {value}' for name, value in storage)})"


def _parameter(name: str) -> str:
    # toast.autovacuum_enabled: the part before the dot is a namespace
    return ".".join(map(quote, name.split(".")))


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights of a role on every leaf.

    The rights on a parent are asked for where a row goes through it; those on a leaf only by who
    names the leaf.

    Attributes:
        privileges: e.g. ``("SELECT", "INSERT")``.
        role: who gets them; None is PUBLIC.

    Raises:
        LayoutRefused: there is no such privilege.
    """

    privileges: tuple[str, ...]
    role: str | None = None

    def __post_init__(self) -> None:
        unknown = {each.upper() for each in self.privileges} - PRIVILEGES  # of a str, its letters
        if unknown or not self.privileges:
            detail = f"{self.privileges!r} is no tuple of privileges on a table."
            raise LayoutRefused(detail, remedy=f"they are {', '.join(sorted(PRIVILEGES))}.")
        if self.role is not None:
            checked_name(self.role, "a role")

    def on(self, table: Name) -> str:
        """Return the GRANT."""
        to = "PUBLIC" if self.role is None else quote(self.role)
        rights = ", ".join(each.upper() for each in self.privileges)
        return f"GRANT {rights} ON TABLE {table} TO {to}"


@dataclass(frozen=True)
class LeafTraits:
    """What every leaf carries.

    Attributes:
        indexes: beside those that the parent's constraints make.
        storage: parameters of the table, e.g. ``(("fillfactor", 70),)``.
        tablespace: where it lies; by default where the server puts it.
        grants: rights on it.
        replica_identity: ``default``, ``full``, ``nothing``, or the name of one of the indexes
            that the leaves have for themselves.

    Raises:
        LayoutRefused: the indexes are no tuple of `LeafIndex`, or two have one name; or the replica
            identity is not among them.
    """

    indexes: tuple[LeafIndex, ...] = ()
    storage: tuple[tuple[str, str | int | float], ...] = ()
    tablespace: str | None = None
    grants: tuple[Grant, ...] = ()
    replica_identity: str = "default"

    def __post_init__(self) -> None:
        _check_indexes(self.indexes)
        names = [index.name for index in self.indexes]
        if len(set(names)) < len(names):
            detail = f"Two indexes have one name: {', '.join(names)}."
            raise LayoutRefused(detail, remedy="name each by a pattern of its own.")
        own = {index.name for index in self.on_leaves}
        if self.replica_identity not in _IDENTITIES | own:
            detail = f"The replica identity {self.replica_identity!r} is none."
            raise LayoutRefused(
                detail,
                remedy="give default, full, nothing, or the name of an index with on_parent=False.",
            )
        if self.tablespace is not None:
            checked_name(self.tablespace, "a tablespace")

    @property
    def on_parent(self) -> tuple[LeafIndex, ...]:
        """The indexes of the parent."""
        return tuple(index for index in self.indexes if index.on_parent)

    @property
    def on_leaves(self) -> tuple[LeafIndex, ...]:
        """The indexes that the leaves have for themselves."""
        return tuple(index for index in self.indexes if not index.on_parent)


def _check_indexes(given: object) -> None:
    remedy = 'give one: indexes=(LeafIndex("{table}_x_idx", ("x",)),).'
    if not isinstance(given, tuple):
        detail = "The indexes are no tuple of LeafIndex."
        raise LayoutRefused(detail, remedy=remedy)
    for each in given:
        if not isinstance(each, LeafIndex):
            detail = f"Among the indexes, {each!r} is no LeafIndex."
            raise LayoutRefused(detail, remedy=remedy)
