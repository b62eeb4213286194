"""Plain values read from a server. No connection anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

#: The oldest and newest major release that the test suite runs on.
SUPPORTED = (14, 18)


@dataclass(frozen=True, slots=True)
class Server:
    """The server behind a connection.

    Attributes:
        version_num: as ``server_version_num``, e.g. 180006.
        database: name of the current database.
        in_recovery: whether it is a standby.
        backend_pid: process id of the backend that answered; 0 if nobody asked.
        read_only: whether the transaction that asked was one that cannot write.
    """

    version_num: int
    database: str
    in_recovery: bool
    backend_pid: int = 0
    read_only: bool = False

    @property
    def major(self) -> int:
        """The major release, e.g. 18."""
        return self.version_num // 10000

    @property
    def version(self) -> str:
        """As people write it, e.g. ``18.6``."""
        return f"{self.major}.{self.version_num % 10000}"

    @property
    def supported(self) -> bool:
        """Whether it is not older than the oldest supported release; newer ones are tried."""
        return self.major >= SUPPORTED[0]

    @property
    def idle_timeouts(self) -> tuple[str, ...]:
        """The settings that end a transaction in which nothing happens."""
        idle = "idle_in_transaction_session_timeout"
        return (idle, "transaction_timeout") if self.major >= 17 else (idle,)  # noqa: PLR2004 - it came with 17


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that holds the migration lock, or that is in a statement's way.

    Attributes:
        pid: its backend's process id.
        application_name: as the client named itself, may be empty.
        client: address of the client; ``local`` on a Unix socket.
        state: as ``pg_stat_activity.state``.
        seconds: how long it has been in that state (in a statement's way: in its transaction).
        query: its last statement, without its literals.
    """

    pid: int
    application_name: str
    client: str
    state: str
    seconds: float
    query: str

    def __str__(self) -> str:
        """One line for a message."""
        name = f" ({self.application_name})" if self.application_name else ""
        line = f"pid {self.pid}{name} from {self.client}, {self.state} for {self.seconds:.0f} s"
        return f"{line}: {self.query}" if self.query else line


@dataclass(frozen=True, slots=True)
class LeaseHolder(LockHolder):
    """A process that holds the migration lock as a lease.

    It has no backend of its own: ``pid`` is 0, ``client`` is its host and process, ``state`` is
    ``lease``, and ``seconds`` is how long ago it was renewed.
    """

    def __str__(self) -> str:
        """One line for a message."""
        name = f" ({self.application_name})" if self.application_name else ""
        return f"{self.client}{name}, by a lease renewed {self.seconds:.0f} s ago"


@dataclass(frozen=True, slots=True)
class IndexName:
    """An index, with the table it belongs to."""

    schema: str
    name: str
    table: str

    def __str__(self) -> str:
        """For messages; SQL is made by `schemakit.sql.Name`."""
        return f"{self.schema}.{self.name} on {self.table}"


@dataclass(frozen=True, slots=True)
class KeyTrigger:
    """What becomes of a row without a key in a table PARTITION BY LIST of a hash.

    PostgreSQL chooses the partition before any row trigger fires. So only a trigger on the
    partition that takes NULL can help: it computes the key, and inserts the row once more.

    Attributes:
        schema: where the table lies.
        table: its name.
        key: the column that it is partitioned by.
        leaf: the partition that takes rows without a key; None if there is none.
        trigger: the trigger that computes the key; None if there is none.
        state: ``enabled``; ``disabled``; ``missing``: there is a leaf for it, and no trigger;
            ``misplaced``: it is on the table itself, where it comes too late; ``none``: neither
            leaf nor trigger, so every row must bring its key.
        check: the CHECK that refuses a wrong key; None if there is none.
    """

    schema: str
    table: str
    key: str
    leaf: str | None
    trigger: str | None
    state: Literal["enabled", "disabled", "missing", "misplaced", "none"]
    check: str | None

    def __str__(self) -> str:
        """For messages; SQL is made by `schemakit.sql.Name`."""
        if self.state == "missing":
            return f"no trigger on {self.leaf} computes {self.key}"
        if self.state == "misplaced":
            return f"{self.trigger} is on {self.table} itself, where it fires too late"
        if self.state == "none":
            return f"no trigger computes {self.key}, every row must bring it"
        return f"{self.trigger} on {self.leaf} is {self.state}"


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation as a rehearsal finds it.

    Attributes:
        oid: its oid.
        schema: where it lies.
        name: what it is called there.
        kind: as ``pg_class.relkind``.
        file: as ``pg_class.relfilenode``: another one after a rewrite.
        scans: how often this transaction has read it from end to end.
        table: the table of an index, else None.
    """

    oid: int
    schema: str
    name: str
    kind: str
    file: int
    scans: int
    table: int | None


@dataclass(frozen=True, slots=True)
class OwnLock:
    """A lock that this transaction holds on a relation, with what `Relation` says of that now."""

    oid: int
    mode: str
    file: int
    scans: int


@dataclass(frozen=True, slots=True)
class ColumnSequence:
    """A sequence that gives a column its values; *number* is the column's, from 1."""

    column: str
    number: int
    sequence: int


@dataclass(frozen=True, slots=True)
class OwnTable:
    """What there is of a table in schemakit's own schema.

    Attributes:
        schema: whether its schema is there.
        table: whether it is.
        readable: whether the role may read it.
    """

    schema: bool
    table: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What ran once on a database, as the durable history tells it.

    Attributes:
        version_table: of which version table, as SQL.
        revision: its id.
        direction: ``upgrade``, ``downgrade`` or ``stamp``.
        user: who connected.
        role: as whom it ran.
        host: on which machine the application ran.
        application_name: what that called itself.
        finished: when, by the server's clock.
        seconds: how long it took.
        checksum: SHA-256 of its file.
        schemakit: the version that ran it.
    """

    version_table: str
    revision: str
    direction: str
    user: str
    role: str
    host: str
    application_name: str
    finished: datetime
    seconds: float
    checksum: str
    schemakit: str

    def __str__(self) -> str:
        """``2026-11-23 04:56:58  upgrade   0001_users  by app on host (0.012 s)``."""
        who = self.user if self.user == self.role else f"{self.user} as {self.role}"
        when = f"{self.finished:%Y-%m-%d %H:%M:%S}"
        what = f"{self.direction:<9} {self.revision}"
        return f"{when}  {what}  by {who} on {self.host} ({self.seconds:.3f} s)"


@dataclass(frozen=True, slots=True)
class HashedColumn:
    """A column of a partition key, or one whose text is not hashed by its bytes.

    Attributes:
        name: None for an expression.
        type: as in SQL, without a modifier; of a domain, the type below it. None of an expression.
        label: whether it is an enum.
        bytewise: whether its collation is deterministic, or it has none.
        stock: whether its hash function is PostgreSQL's own.
    """

    name: str | None
    type: str | None
    label: bool
    bytewise: bool
    stock: bool


@dataclass(frozen=True, slots=True)
class Hashing:
    """How a server hashes.

    Attributes:
        version_num: as ``server_version_num``.
        encoding: of the database, e.g. ``UTF8``.
        probes: what its hash functions have answered.
        found: whether the relation that was asked for exists.
        by_hash: whether that is partitioned by hash.
        columns: the columns of its key; or, of one that is not, those not hashed by their bytes.
    """

    version_num: int
    encoding: str
    probes: tuple[int | None, ...]
    found: bool
    by_hash: bool
    columns: tuple[HashedColumn, ...]


@dataclass(frozen=True, slots=True)
class Inherited:
    """A partition, or what a table has from a partitioned one.

    Attributes:
        kind: in Alembic's words: ``table``, ``index``, ``unique_constraint`` or
            ``foreign_key_constraint``.
        schema: of the table.
        table: the table.
        name: of the thing; of a partition, the table's once more.
    """

    kind: str
    schema: str
    table: str
    name: str
