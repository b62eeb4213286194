"""A table, partition, view or materialised view with all that belongs to it, as plain values.

Whatever is SQL here was written by the server, with every name qualified and quoted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from schemakit.sql.name import Name


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: what it is called.
        type: as SQL, with its modifier.
        collation: as SQL, if it is not the type's own.
        not_null: whether it is NOT NULL.
        default: as SQL; of a generated column its expression.
        entangled: whether the default needs a relation that does not depend on the table.
        generated: ``s`` stored, ``v`` virtual (18), else empty.
        identity: ``a`` always, ``d`` by default, else empty.
        storage: ``p``, ``e``, ``m`` or ``x``, if it is not the type's own.
        compression: ``p`` pglz, ``l`` lz4, else empty.
        statistics: its statistics target; None for the default.
        options: ``n_distinct=…`` and the like.
        server_options: of a foreign table's column.
        comment: its comment.
        acl: its own grants, as the server writes aclitems.
        local: whether it was declared here, and not only inherited.
        inherited: how many parents have it.
    """

    name: str
    type: str
    collation: str | None = None
    not_null: bool = False
    default: str | None = None
    entangled: bool = False
    generated: str = ""
    identity: str = ""
    storage: str | None = None
    compression: str = ""
    statistics: int | None = None
    options: tuple[str, ...] = ()
    server_options: tuple[str, ...] = ()
    comment: str | None = None
    acl: tuple[str, ...] | None = None
    local: bool = True
    inherited: int = 0


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of a table.

    Attributes:
        name: what it is called.
        kind: ``p`` primary key, ``u`` unique, ``x`` exclusion, ``c`` check, ``f`` foreign key,
            ``n`` not null (18).
        definition: as SQL behind ``CONSTRAINT name``, NOT VALID and the like included.
        columns: those it is on, in its order.
        validated: whether all rows are known to keep it.
        enforced: false where it is NOT ENFORCED (18).
        deferrable: whether it is.
        deferred: whether it is INITIALLY DEFERRED.
        no_inherit: of a check or not null, whether children are spared.
        local: whether it was declared here, and not only inherited.
        inherited: how many parents have it.
        cloned: whether a partition has it of its parent's.
        index: the index behind a primary key, unique or exclusion constraint.
        references: the table a foreign key refers to.
        comment: its comment.
    """

    name: str
    kind: str
    definition: str
    columns: tuple[str, ...] = ()
    validated: bool = True
    enforced: bool = True
    deferrable: bool = False
    deferred: bool = False
    no_inherit: bool = False
    local: bool = True
    inherited: int = 0
    cloned: bool = False
    index: str | None = None
    references: Name | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a table or a materialised view; its schema is the table's.

    Attributes:
        name: what it is called.
        definition: the CREATE INDEX; of a partitioned index with ONLY.
        tail: the definition from ``USING`` on, the same under any name.
        unique: whether it is.
        primary: whether it is the primary key's.
        valid: false where a concurrent build failed, or a partition has none yet.
        clustered: whether CLUSTER goes by it.
        replica_identity: whether it is the replica identity.
        constraint: which one it stands behind.
        parent: the partitioned index it is a part of.
        tablespace: where it lies, if not in the default one.
        options: its storage parameters.
        statistics: the statistics target of its columns that have one, by their number.
        comment: its comment.
    """

    name: str
    definition: str
    tail: str
    unique: bool = False
    primary: bool = False
    valid: bool = True
    clustered: bool = False
    replica_identity: bool = False
    constraint: str | None = None
    parent: Name | None = None
    tablespace: str | None = None
    options: tuple[str, ...] = ()
    statistics: dict[str, int] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger.

    Attributes:
        name: what it is called.
        definition: as SQL.
        enabled: ``O`` as an origin, ``D`` disabled, ``R`` as a replica, ``A`` always.
        cloned: whether a partition has it of its parent's.
        constraint: whether it is a constraint trigger.
        entangled: whether it is on, or of, another relation too.
        comment: its comment.
    """

    name: str
    definition: str
    enabled: str = "O"
    cloned: bool = False
    constraint: bool = False
    entangled: bool = False
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; *enabled* and *entangled* as with triggers."""

    name: str
    definition: str
    enabled: str = "O"
    entangled: bool = False
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of row level security.

    Attributes:
        name: what it is called.
        permissive: else it is restrictive.
        command: ``r`` SELECT, ``a`` INSERT, ``w`` UPDATE, ``d`` DELETE, ``*`` all.
        roles: whom it is for; empty for PUBLIC.
        using: as SQL.
        check: as SQL.
        entangled: whether it needs a relation that does not depend on the table.
        comment: its comment.
    """

    name: str
    permissive: bool = True
    command: str = "*"
    roles: tuple[str, ...] = ()
    using: str | None = None
    check: str | None = None
    entangled: bool = False
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Extended statistics; *definition* is the CREATE STATISTICS, *target* None by default."""

    schema: str
    name: str
    definition: str
    owner: str
    target: int | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence that a column owns, or that is behind an identity column.

    Attributes:
        schema: where it lies.
        name: what it is called.
        column: whose it is.
        identity: whether it is an identity's.
        type: of its values, as SQL.
        start: where it began.
        increment: by how much it goes on.
        minimum: its least value.
        maximum: its greatest value.
        cache: how many values a session takes at once.
        cycle: whether it begins again.
        persistence: ``p``, ``u`` or ``t``.
        owner: whose it is.
        acl: its grants; None for the default.
        comment: its comment.
        last_value: as the sequence says itself; None if it was not asked.
        is_called: whether that value was given out.
    """

    schema: str
    name: str
    column: str
    identity: bool
    type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycle: bool
    persistence: str
    owner: str
    acl: tuple[str, ...] | None = None
    comment: str | None = None
    last_value: int | None = None
    is_called: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication that a table is in.

    Attributes:
        name: what it is called.
        scope: ``table``, or ``schema`` or ``database``, which take in whatever lies there.
        columns: which of them (15); None for all.
        where: its row filter as SQL (15).
        owner: whose it is.
    """

    name: str
    scope: str
    columns: tuple[str, ...] | None = None
    where: str | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class SecurityLabel:
    """A security label of a relation, or of its column *column*."""

    provider: str
    label: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, a partition, a view or a materialised view, with all that belongs to it.

    Attributes:
        schema: where it lies.
        name: what it is called.
        oid: its oid.
        kind: as ``pg_class.relkind``: r, p, f, v or m.
        depth: how many steps a view is away from the table: what it depends on has a lower one.
        owner: whose it is.
        acl: its grants as the server writes aclitems; None for the default, which is not the same
            as the default written out.
        persistence: ``p`` permanent, ``u`` unlogged, ``t`` temporary.
        tablespace: where it lies; None for the database's.
        access_method: ``heap``, or another; None of what has no storage.
        options: its storage parameters, or the options of a view.
        toast_options: those of its TOAST table.
        replica_identity: ``d`` default, ``n`` nothing, ``f`` full, ``i`` an index.
        row_security: whether it is on.
        force_row_security: whether its owner has to keep it, too.
        of_type: the type of a typed table.
        comment: its comment.
        security_labels: its and its columns'.
        parents: what it inherits from, in order; of a partition, that of which it is one.
        bound: of a partition, ``FOR VALUES …`` or ``DEFAULT``.
        detach_pending: whether it is being detached concurrently.
        partition_key: what a partitioned table is partitioned by, e.g. ``LIST (kind)``.
        definition: a view's SELECT.
        populated: whether a materialised view has been.
        entangled: whether a view needs relations or functions that do not depend on the table.
        server: a foreign table's.
        server_options: a foreign table's.
    """

    schema: str
    name: str
    oid: int
    kind: str
    owner: str
    depth: int = 0
    acl: tuple[str, ...] | None = None
    persistence: str = "p"
    tablespace: str | None = None
    access_method: str | None = None
    options: tuple[str, ...] = ()
    toast_options: tuple[str, ...] = ()
    replica_identity: str = "d"
    row_security: bool = False
    force_row_security: bool = False
    of_type: str | None = None
    comment: str | None = None
    security_labels: tuple[SecurityLabel, ...] = ()
    parents: tuple[Name, ...] = ()
    bound: str | None = None
    detach_pending: bool = False
    partition_key: str | None = None
    definition: str | None = None
    populated: bool = True
    entangled: bool = False
    server: str | None = None
    server_options: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    rules: tuple[Rule, ...] = ()
    policies: tuple[Policy, ...] = ()
    statistics: tuple[Statistics, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    publications: tuple[Publication, ...] = ()

    @property
    def full_name(self) -> Name:
        """Schema and name."""
        return Name(self.name, self.schema)
