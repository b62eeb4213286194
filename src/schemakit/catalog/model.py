"""Plain values read from a server. No connection anywhere."""

from __future__ import annotations

from dataclasses import dataclass

#: The oldest and newest major release that the test suite runs on.
SUPPORTED = (14, 18)


@dataclass(frozen=True, slots=True)
class Server:
    """The server behind a connection.

    Attributes:
        version_num: as ``server_version_num``, e.g. 180006.
        database: name of the current database.
        in_recovery: whether it is a standby.
    """

    version_num: int
    database: str
    in_recovery: bool

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


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that holds the migration lock.

    Attributes:
        pid: its backend's process id.
        application_name: as the client named itself, may be empty.
        client: address of the client; ``local`` on a Unix socket.
        state: as ``pg_stat_activity.state``.
        seconds: how long it has been in that state.
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
class IndexName:
    """An index, with the table it belongs to."""

    schema: str
    name: str
    table: str

    def __str__(self) -> str:
        """For messages; SQL is made by `schemakit.sql.Name`."""
        return f"{self.schema}.{self.name} on {self.table}"
