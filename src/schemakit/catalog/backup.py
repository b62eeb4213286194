"""Plain values about backups, their registry, and the tables they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from schemakit.sql.name import Name
from schemakit.sql.words import counted

REGISTRY = "migration_backups"

Kind = Literal["move", "copy", "column"]
Status = Literal["ACTIVE", "EXPIRING SOON", "EXPIRED"]
_SOON = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup, as its registry has it.

    Attributes:
        id: its number there; 0 while it stands in the reference's table and is not adopted yet.
        name: what it is called: ``{table}_backup_{YYYYMMDD_HHMMSS}``.
        kind: ``move`` (the table itself was put away), ``copy``, or ``column`` (a copy of columns
            that were dropped).
        original: what it is a backup of, with its schema.
        relation: where its rows are; of a move, what the table is called now.
        oid: of that relation; 0 if nobody noted it.
        rows: how many there are.
        exact: whether they were counted, and not estimated.
        bytes: the space that it takes, indexes not counted; 0 if nobody noted it.
        created: when it was made, by the server's clock.
        kept_until: when it expires; None never.
        revision: of the migration that made it.
        reason: why rows were allowed to be destroyed.
        user: who connected.
        role: as whom it was made.
        host: on which machine the application ran.
        application_name: what that called itself.
        schemakit: the version that made it.
        seal: of a copy, the transaction that wrote its rows; None of one without rows.
        digest: of its content, taken when it was first verified.
        verified: when it last was.
        there: whether its relation is there, and the one that was put away.
        transplanted: whether the database was restored from a dump since: its objects have other
            oids, and its rows another seal.
        columns: of a ``column`` backup, which ones were dropped.
        part: whether it holds some of the rows only.
        read: when this was read, by the server's clock.
    """

    id: int
    name: str
    kind: Kind
    original: Name
    relation: Name
    oid: int
    rows: int
    exact: bool
    bytes: int
    created: datetime
    kept_until: datetime | None
    revision: str | None
    reason: str | None
    user: str
    role: str
    host: str
    application_name: str
    schemakit: str
    seal: str | None
    digest: str | None
    verified: datetime | None
    there: bool
    transplanted: bool
    columns: tuple[str, ...]
    part: bool
    read: datetime

    @property
    def legacy(self) -> bool:
        """Whether it is the reference's, of which only the number of rows was noted."""
        return not self.schemakit

    @property
    def status(self) -> Status:
        """``ACTIVE``, ``EXPIRING SOON`` (within a day) or ``EXPIRED``, when it was read."""
        return status_at(self.read, self.kept_until)

    def __str__(self) -> str:
        """One line: its name, of what, how many rows, until when."""
        about = "" if self.exact else "about "
        until = f"{self.kept_until:%Y-%m-%d %H:%M}" if self.kept_until else "ever"
        gone = "" if self.there else ", GONE"
        some = "some of " if self.part else ""
        what = f"{some}{shown(self.original)}{self._columns()}"
        return (
            f"{self.name}  {self.kind} of {what}, {about}{counted(self.rows, 'row')}, "
            f"kept until {until}  {self.status}{gone}"
        )

    def _columns(self) -> str:
        return f" ({', '.join(self.columns)})" if self.columns else ""


@dataclass(frozen=True, slots=True)
class Source:
    """A table that is to be backed up.

    Attributes:
        oid: its oid.
        name: with its schema.
        kind: as ``pg_class.relkind``.
        rows: as the server estimates them, all partitions together; -1 if it was never analysed.
        bytes: the space of the table and its partitions, without indexes.
        owned: whether the role has the rights of its owner.
        readable: whether it may read all of it.
        persistence: as ``pg_class.relpersistence``.
    """

    oid: int
    name: Name
    kind: str
    rows: int
    bytes: int
    owned: bool
    readable: bool
    persistence: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something that must be there.

    Attributes:
        kind: ``schema``, ``role``, ``table``, or as ``pg_identify_object`` says it.
        name: its name; of what is in a schema and no table, its identity as SQL.
        schema: where it lies, if in one.
    """

    kind: str
    name: str
    schema: str | None = None

    def __str__(self) -> str:
        """``type app.mood``, ``role reporting``."""
        inside = self.kind == "table" and self.schema is not None
        return f"{self.kind} {self.schema}.{self.name}" if inside else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of such a table.

    Attributes:
        name: what it is called.
        type: as SQL.
        own_type: whether its type is one that users have made, or an extension.
        own_collation: whether its collation is.
        exact: whether values of its type that are equal to the server are the same bytes.
        key: its place in the primary key, from 1; 0 if it is not in it.
        hash: the function that gives its values a hash of 64 bits; empty if SQL can call none.
        generated: whether it is computed from others.
    """

    name: str
    type: str
    own_type: bool
    own_collation: bool
    exact: bool
    key: int
    hash: str
    generated: bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """A table with rows below another; an *heir* inherits from that, and is no partition."""

    name: Name
    heir: bool


@dataclass(frozen=True, slots=True)
class PortableColumn:
    """A column as a file holds it; *as_text* where its values mean nothing elsewhere."""

    name: str
    type: str
    as_text: bool


@dataclass(frozen=True, slots=True)
class Places:
    """What there is of a registry.

    Attributes:
        schema: whether its schema is there.
        table: whether it is.
        legacy: whether ``public`` has the reference's table.
        adoptable: whether the role owns that.
        may_create: whether the role may make schemas.
        usable: whether it may make tables in the registry's schema.
        others: the roles beside its owner that have a right on that.
        now: the server's time.
    """

    schema: bool
    table: bool
    legacy: bool
    adoptable: bool
    may_create: bool
    usable: bool
    others: list[str]
    now: datetime


def status_at(now: datetime, until: datetime | None) -> Status:
    """Return how a backup that is kept *until* then stands *now*; None is for ever."""
    if until is None or until - now >= _SOON:
        return "ACTIVE"
    return "EXPIRED" if until <= now else "EXPIRING SOON"


def shown(name: Name) -> str:
    """Return *name* for a message; SQL is made by `Name` itself."""
    return ".".join(part for part in (name.schema, name.name) if part)
