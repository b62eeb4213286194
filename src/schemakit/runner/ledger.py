"""The durable history: what ran on a database, when, by whom and from which file.

A row is written in the transaction of its revision, so that there is one exactly for each that
the database has kept. What was rolled back is in the log, not here.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from schemakit import __version__
from schemakit.sql.literal import literal

from .flow import Flow
from .own_tables import made

if TYPE_CHECKING:
    from schemakit.sql import Name

_TABLE = "schemakit.history"
_CREATE_TABLE = f"""\
CREATE TABLE IF NOT EXISTS {_TABLE} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version_table text NOT NULL,
    revision text NOT NULL,
    direction text NOT NULL,
    "user" text NOT NULL DEFAULT session_user,
    role text NOT NULL DEFAULT current_user,
    host text NOT NULL,
    application_name text NOT NULL DEFAULT pg_catalog.current_setting('application_name'),
    finished timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    seconds double precision NOT NULL,
    checksum text NOT NULL,
    schemakit text NOT NULL
)"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Writes ``schemakit.history``.

    Attributes:
        host: where this runs.
    """

    host: str = field(default_factory=socket.gethostname)

    def opened(self) -> Flow[None]:
        """A flow that makes the table, if there is none."""
        yield from made("history", _CREATE_TABLE)

    def row(self, table: Name, revision: str, direction: str, seconds: float, path: str) -> str:
        """Return the INSERT for *revision*, which has run from the file *path*."""
        values = (str(table), revision, direction, self.host, seconds, checksum(path), __version__)
        return (
            f"INSERT INTO {_TABLE}"  # noqa: S608 - constants and literals
            " (version_table, revision, direction, host, seconds, checksum, schemakit)"
            f" VALUES ({', '.join(map(literal, values))})"
        )


def checksum(path: str) -> str:
    """Return the SHA-256 of a file, whatever its line ends; ``""`` if it cannot be read."""
    try:
        source = Path(path).read_bytes()
    except OSError:
        return ""
    return sha256(source.replace(b"\r\n", b"\n")).hexdigest()
