"""The migration lock as a row that its holder renews: for poolers that end idle transactions.

It is the only one of the locks that outlives its holder: by `LEASE_SECONDS` at most. All times
are the server's.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

from schemakit.catalog import read
from schemakit.sql.literal import literal

from .flow import Fetch, Flow, Run
from .locks import Lock
from .own_tables import made

#: Seconds for which a lease is held after its last renewal.
LEASE_SECONDS = 30

_TABLE = "schemakit.migration_lease"
_EXPIRES = f"pg_catalog.clock_timestamp() + interval '{LEASE_SECONDS} seconds'"
_CREATE_TABLE = f"""\
CREATE TABLE IF NOT EXISTS {_TABLE} (
    key bigint PRIMARY KEY,
    holder uuid NOT NULL,
    application_name text NOT NULL,
    client text NOT NULL,
    since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    renewed timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    expires timestamptz NOT NULL
)"""


@dataclass(frozen=True, slots=True)
class Lease(Lock):
    """The migration lock of a database, as a row of ``schemakit.migration_lease``.

    Attributes:
        holder: who this is, among all that ever ask.
        client: the same for people: host and process.
    """

    holder: UUID = field(default_factory=uuid4)
    client: str = field(default_factory=lambda: f"{socket.gethostname()}, process {os.getpid()}")

    #: Seconds for which it is held without a sign of life.
    lasts = float(LEASE_SECONDS)
    #: Seconds between two signs of life.
    every = LEASE_SECONDS / 3

    def _tried(self) -> Flow[bool]:
        yield from made("migration_lease", _CREATE_TABLE)
        status = yield Run(
            f"INSERT INTO {_TABLE} AS held (key, holder, application_name, client, expires) "  # noqa: S608 - constants and literals
            f"VALUES ({self.key}, '{self.holder}', "
            "pg_catalog.current_setting('application_name'), "
            f"{literal(self.client)}, {_EXPIRES}) "
            "ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, "
            "application_name = excluded.application_name, client = excluded.client, "
            "since = excluded.since, renewed = excluded.renewed, expires = excluded.expires "
            "WHERE held.expires < pg_catalog.clock_timestamp()"
        )
        return bool(status == "INSERT 0 1")

    def _holders(self) -> Fetch:
        return Fetch(partial(read.lease_holders, key=self.key))

    def renew(self) -> Flow[bool]:
        """A flow that renews it; False: it is another's now."""
        status = yield Run(
            f"UPDATE {_TABLE} SET renewed = pg_catalog.clock_timestamp(), expires = {_EXPIRES} "  # noqa: S608 - constants
            f"WHERE key = {self.key} AND holder = '{self.holder}'"
        )
        return bool(status == "UPDATE 1")

    def release(self) -> Flow[None]:
        """A flow that gives it back, if it is still held."""
        yield Run(f"DELETE FROM {_TABLE} WHERE key = {self.key} AND holder = '{self.holder}'")  # noqa: S608 - constants
