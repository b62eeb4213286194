"""What depends on a table without being a part of it, and what a table needs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from schemakit.sql.name import Name

from .table import Policy


@dataclass(frozen=True, slots=True)
class ForeignKeyIn:
    """A foreign key of another table to one of the tree.

    Attributes:
        name: the constraint's.
        table: whose it is.
        table_kind: ``r``, or ``p`` where a partitioned table has it.
        owner: whose that table is.
        references: which table of the tree.
        definition: as SQL behind ``CONSTRAINT name``.
        validated: whether all rows are known to keep it.
        enforced: false where it is NOT ENFORCED (18).
        comment: its comment.
    """

    name: str
    table: Name
    table_kind: str
    owner: str
    references: Name
    definition: str
    validated: bool = True
    enforced: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """A table that inherits from one of the tree, and is no partition."""

    table: Name
    parent: Name


@dataclass(frozen=True, slots=True)
class Routine:
    """A function or procedure over a row of the tree, or whose SQL body names its tables.

    Attributes:
        schema: where it lies.
        name: what it is called.
        oid: its oid.
        kind: ``f`` function, ``p`` procedure, ``w`` window function, ``a`` aggregate.
        depth: how many steps it is away from the tree: what it depends on has a lower one.
        arguments: as SQL, as ALTER FUNCTION wants them.
        definition: the CREATE OR REPLACE; None of an aggregate.
        extension: the extension it belongs to.
        owner: whose it is.
        acl: its grants; None for the default.
        comment: its comment.
    """

    schema: str
    name: str
    oid: int
    kind: str
    depth: int
    arguments: str
    definition: str | None
    owner: str
    extension: str | None = None
    acl: tuple[str, ...] | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A policy or a column's default of another table that mentions the tree.

    Attributes:
        table: that table.
        owner: whose it is.
        policy: the policy, if it is one.
        column: the column that has the default.
        default: as SQL.
    """

    table: Name
    owner: str
    policy: Policy | None = None
    column: str | None = None
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """Something else that depends on the tree: a domain over its rows, another table's policy.

    Attributes:
        kind: as ``pg_identify_object`` says it, e.g. ``policy``.
        schema: where it lies, if in one.
        name: its name, if that is enough to name it.
        identity: its name as SQL, with what it is on.
        classid: of which catalog.
        oid: its oid there.
        depth: how many steps it is away from the tree.
    """

    kind: str
    schema: str | None
    name: str | None
    identity: str
    classid: int
    oid: int
    depth: int


@dataclass(frozen=True, slots=True)
class Need:
    """A type, function, collation … that users have made and that the tree cannot do without.

    Attributes:
        kind: as ``pg_identify_object`` says it, e.g. ``type`` or ``function``.
        schema: where it lies, if in one.
        name: its name, if that is enough to name it.
        identity: its name as SQL.
        classid: of which catalog.
        oid: its oid there.
        depth: how many steps it is away from the tree: what it needs itself has a higher one.
        extension: the extension it belongs to.
        shared: whether something needs it that is neither of the tree, nor depends on it, nor is
            among its needs, nor lies in a schema that a backup was given.
        definition: the CREATE of a function, an enum, a domain or a composite type.
        arguments: of a function, as SQL, as ALTER FUNCTION wants them.
        owner: whose it is, of a function or type.
        acl: its grants; None for the default.
        comment: its comment.
        needed_by: the oids of those of the needs that need it.
    """

    kind: str
    schema: str | None
    name: str | None
    identity: str
    classid: int
    oid: int
    depth: int = 1
    extension: str | None = None
    shared: bool = False
    definition: str | None = None
    arguments: str | None = None
    owner: str | None = None
    acl: tuple[str, ...] | None = None
    comment: str | None = None
    needed_by: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Away:
    """A type or function that lies in a schema that a backup was given, and its twin at home.

    Attributes:
        oid: its oid.
        place: the schema that it lies in.
        labels: of an enum, in their order.
        twin: the oid of what has its place and its name; None if nothing has.
        twin_labels: of that, if it is an enum.
        twin_definition: the CREATE of that, if it is a function.
        users: in words what needs that, and is no such twin itself.
        used_by: the oids of such twins that need it.
    """

    oid: int
    place: str
    labels: tuple[str, ...] = ()
    twin: int | None = None
    twin_labels: tuple[str, ...] = ()
    twin_definition: str | None = None
    users: tuple[str, ...] = ()
    used_by: tuple[int, ...] = ()
