"""What differs between two portraits: each difference with the facet that it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from schemakit.sql.name import Name

from .dependants import Child, ForeignKeyIn, Mention, Need, Other, Routine
from .portrait import Portrait
from .table import (
    Column,
    Constraint,
    Index,
    Policy,
    Publication,
    Rule,
    SecurityLabel,
    Statistics,
    Table,
    Trigger,
)
from .table import Sequence as OwnedSequence

#: The facet of each kind of value as such: whether it is there, and what is not named below.
_KINDS: dict[type, str] = {
    Column: "columns",
    Constraint: "constraints",
    Index: "indexes",
    Trigger: "triggers",
    Rule: "rules",
    Policy: "policies",
    Statistics: "extended statistics",
    OwnedSequence: "sequences",
    Publication: "publications",
    SecurityLabel: "security labels",
    Table: "kinds of relations",
    ForeignKeyIn: "foreign keys in",
    Child: "inheritance",
    Routine: "routines",
    Other: "other dependants",
    Mention: "other dependants",
    Need: "needs",
}
_CONSTRAINTS = {
    "p": "primary key",
    "u": "unique constraints",
    "x": "exclusion constraints",
    "c": "check constraints",
    "f": "foreign keys out",
    "n": "not null",
}
#: The facet of a field, of whichever kind of value.
_FIELDS = {
    "schema": "place",
    "name": "place",
    "oid": "identity of objects",
    "classid": "identity of objects",
    "owner": "owners",
    "acl": "grants",
    "comment": "comments",
    "enabled": "enabled state",
    "validated": "validity",
    "enforced": "validity",
    "valid": "validity",
    "clustered": "clustered index",
    "replica_identity": "replica identity",
    "tablespace": "tablespaces",
    "persistence": "persistence",
    "inherited": "inheritance",
    "local": "inheritance",
    "last_value": "sequence positions",
    "is_called": "sequence positions",
    "entangled": "needs",
}
_OF_COLUMNS = {
    "type": "column types",
    "collation": "collations",
    "not_null": "not null",
    "default": "defaults",
    "generated": "generated columns",
    "identity": "identity columns",
    "storage": "storage",
    "compression": "compression",
    "statistics": "statistics targets",
    "options": "column options",
    "server_options": "column options",
    "acl": "column grants",
}
_OF_TABLES = {
    "access_method": "access method",
    "options": "storage parameters",
    "toast_options": "storage parameters",
    "row_security": "row level security",
    "force_row_security": "row level security",
    "of_type": "row type",
    "parents": "inheritance",
    "bound": "partitions",
    "detach_pending": "partitions",
    "partition_key": "partitions",
    "definition": "view definitions",
    "populated": "materialised data",
}
_OF_INDEXES = {"statistics": "statistics targets", "options": "storage parameters"}
_SPECIAL = {Column: _OF_COLUMNS, Table: _OF_TABLES, Index: _OF_INDEXES}

#: What follows from the rest: an order, and oids.
_FOLLOWING = {"depth", "needed_by"}

#: Every facet that `differences` can name.
FACETS = tuple(
    sorted(
        {
            *_KINDS.values(),
            *_CONSTRAINTS.values(),
            *_FIELDS.values(),
            *(facet for each in _SPECIAL.values() for facet in each.values()),
            "order of columns",
            "views",
        }
        - {"constraints"}
    )
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two portraits differ.

    Attributes:
        facet: one of `FACETS`.
        object: what it is of, e.g. ``public.users column id``; of what may differ by place as in
            the first portrait.
        field: which of its properties; empty where the object itself is missing or new.
        was: in the first portrait; None if it is not there.
        now: in the second.
    """

    facet: str
    object: str
    field: str
    was: Any
    now: Any

    def __str__(self) -> str:
        """``column types: public.users column id: type was 'bigint', is 'integer'``."""
        if self.field:
            what = f"{self.field} was {self.was!r}, is {self.now!r}"
        else:
            what = "is missing" if self.now is None else "is new"
        return f"{self.facet}: {self.object}: {what}"


def differences(
    one: Portrait, other: Portrait, *, ignoring: Collection[str] = ()
) -> tuple[Difference, ...]:
    """Return in what *other* differs from *one*.

    Args:
        one: the portrait that says how it was.
        other: the portrait that says how it is.
        ignoring: facets not to look at, e.g. ``identity of objects`` after a restore of a copy.
    """
    unknown = set(ignoring) - set(FACETS)
    if unknown:
        detail = f"no facets: {sorted(unknown)}"
        raise ValueError(detail)
    found = _of_portraits(one, other)
    return tuple(each for each in found if each.facet not in ignoring)


def _of_portraits(one: Portrait, other: Portrait) -> Iterator[Difference]:
    yield from _of_one(one.table, other.table, "")
    yield from _of_many(one.tables[1:], other.tables[1:], "", "partitions")
    yield from _of_many(one.views, other.views, "", "views")
    for name in ("foreign_keys_in", "children", "routines", "others", "mentions", "needs"):
        yield from _of_many(getattr(one, name), getattr(other, name), "")


def _of_many(
    was: Sequence[Any], now: Sequence[Any], where: str, facet: str | None = None
) -> Iterator[Difference]:
    before = {_key(each): each for each in was}
    after = {_key(each): each for each in now}
    for key, each in before.items():
        if key not in after:
            yield Difference(facet or _facet(each), _called(each, where), "", _brief(each), None)
        else:
            yield from _of_one(each, after[key], where)
    for key, each in after.items():
        if key not in before:
            yield Difference(facet or _facet(each), _called(each, where), "", None, _brief(each))
    if was and now and isinstance(was[0], Column) and set(before) == set(after):
        order, orders = list(before), list(after)
        if order != orders:
            yield Difference("order of columns", where, "order", order, orders)


def _of_one(was: Any, now: Any, where: str) -> Iterator[Difference]:
    name = _called(was, where)
    for each in fields(was):
        before, after = getattr(was, each.name), getattr(now, each.name)
        if before == after or each.name in _FOLLOWING:
            continue
        if _holds_values(before) or _holds_values(after):
            yield from _of_many(before, after, name)
        else:
            yield Difference(_facet(was, each.name), name, each.name, before, after)


def _holds_values(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and is_dataclass(value[0])


def _facet(value: Any, field: str = "") -> str:
    special = _SPECIAL.get(type(value), {})
    if field in special:
        return special[field]
    if field in _FIELDS:
        return _FIELDS[field]
    if isinstance(value, Constraint):
        return _CONSTRAINTS.get(value.kind, "check constraints")
    return _KINDS[type(value)]


#: What makes it the same thing in both portraits: names, never an oid.
_KEYS: dict[type, tuple[str, ...]] = {
    Routine: ("schema", "name", "arguments"),
    Other: ("kind", "identity"),
    Need: ("kind", "identity"),
    ForeignKeyIn: ("table", "name"),
    Child: ("table", "parent"),
    Mention: ("table", "column", "policy"),
    SecurityLabel: ("column", "provider"),
    Publication: ("name", "scope"),
    Constraint: ("name", "kind"),
    Table: ("schema", "name"),
    Statistics: ("schema", "name"),
    OwnedSequence: ("schema", "name"),
}


def _key(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, field) for field in _KEYS.get(type(value), ("name",)))


def _called(value: Any, where: str) -> str:
    noun = {Table: "", OwnedSequence: "sequence"}.get(type(value), type(value).__name__.lower())
    match value:
        case Table():
            own = f"{value.schema}.{value.name}"
        case Other() | Need():
            noun, own = value.kind, value.identity
        case Routine():
            own = f"{value.schema}.{value.name}({value.arguments})"
        case ForeignKeyIn():
            noun, own = "foreign key", f"{value.name} of {_plain(value.table)}"
        case Child() | Mention():
            own = _plain(value.table)
        case SecurityLabel():
            noun, own = "security label", value.provider
        case _:
            own = str(value.name)
    return " ".join(part for part in (where, noun, own) if part)


def _plain(name: Name) -> str:
    return ".".join(part for part in (name.schema, name.name) if part)


def _brief(value: Any) -> str:
    """What is gone or new, in a line: its definition, else its name."""
    return str(getattr(value, "definition", None) or _called(value, ""))
