"""One runner at a time on a database: the migration lock.

``pg_try_advisory_lock`` in autocommit, polled. Every other form was measured to fail: a blocking
``pg_advisory_lock`` holds a snapshot for which the holder's CREATE INDEX CONCURRENTLY waits, so
that the server kills one of them (same connection) or both hang for ever (two connections); a
lock taken inside an idle transaction by the extended protocol does the same.

The lock is taken on the connection that migrates: an engine of one connection is enough, and
when that connection dies, lock and migration die together. Behind a pooler a session is anybody's
and only a transaction keeps its backend: there the lock is that of an idle transaction on a second
connection (`ParkedLock`); for poolers that end idle transactions there is `leases.Lease`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING

from schemakit.catalog import read
from schemakit.errors import LockTimeout

from .flow import Fetch, Flow, Notify, Run, Sleep
from .results import Command, Event

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.catalog.model import LockHolder

NOTICE_A_LOST_CLIENT = "client_connection_check_interval = '2s'"
_KEEPALIVES = (
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
)
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
#: Seconds between two reports to whoever listens.
_REPORT_EVERY = 5.0


def lock_key(name: str = "") -> int:
    """Return the advisory lock's key: 63 bits of BLAKE2b, the same in every process.

    PostgreSQL's advisory locks are local to a database, so the key need not name it.
    """
    digest = blake2b(f"schemakit/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def notice_a_lost_client() -> Flow[None]:
    """A flow that has the server end the statement of a client that is gone, and so its lock.

    Else a process that is killed in a long statement holds the lock until that statement ends
    (manual, 20.3.3 client_connection_check_interval, since PostgreSQL 14), and one whose host
    vanishes holds it for two hours (20.3.2, TCP settings; ignored on a Unix socket).
    """
    yield Run(_KEEPALIVES)
    yield Run(f"SET {NOTICE_A_LOST_CLIENT}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What came of asking for the lock.

    Attributes:
        held: whether it was had; if not, there was nothing left to do.
        waited: seconds spent waiting; 0 if it was free.
    """

    held: bool
    waited: float


@dataclass(frozen=True, slots=True)
class Lock:
    """The migration lock of a database.

    Attributes:
        key: see `lock_key`.
        wait: seconds to wait for it.
        transactional: taken in the caller's transaction, and held until that ends.
    """

    key: int
    wait: float
    transactional: bool = False

    def acquire(
        self,
        command: Command,
        settled: Callable[[Connection], bool] | None = None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> Flow[Grant]:
        """A flow that takes the lock.

        Args:
            command: for the events.
            settled: asked between two tries: is there nothing left to do?
            clock: seconds, monotonic.

        Returns:
            With the lock, or without it where *settled* said yes.

        Raises:
            LockTimeout: another process still holds it after `wait` seconds.
        """
        began, waited, pause = clock(), 0.0, _FIRST_PAUSE
        reported = -_REPORT_EVERY
        while True:
            if (yield from self._tried()):
                return Grant(held=True, waited=waited)
            if self._may_look and settled is not None and (yield Fetch(settled)):
                return Grant(held=False, waited=waited)
            waited = clock() - began
            if waited >= self.wait or waited - reported >= _REPORT_EVERY:
                look = self._may_look or waited >= self.wait
                holders = (yield self._holders()) if look else ()
                yield Notify(self._report(command, waited, holders))
                reported = waited
            yield Sleep(min(pause * random.uniform(0.5, 1.5), max(self.wait - waited, 0.01)))  # noqa: S311 - jitter
            waited = clock() - began
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    @property
    def _may_look(self) -> bool:
        """Whether a SELECT does no harm while waiting.

        In a transaction its portal keeps a snapshot, and a CREATE INDEX CONCURRENTLY that meets
        one waits for the end of that transaction: of the one that waits for it, here. A try by
        the simple protocol has its snapshot for a moment only.
        """
        return not self.transactional

    def _holders(self) -> Fetch:
        return Fetch(partial(read.lock_holders, key=self.key))

    def _report(self, command: Command, waited: float, holders: tuple[LockHolder, ...]) -> Event:
        who = "; ".join(map(str, holders)) or (
            "another session" if self.transactional else "somebody who has just let go"
        )
        message = f"Waited {waited:.1f} s for the migration lock, held by {who}"
        if waited >= self.wait:
            raise LockTimeout(message, holders=holders)
        return Event("waiting_for_lock", command, None, 0, 0, waited, holders, message)

    def release(self) -> Flow[None]:
        """A flow that gives the lock back, if it is held; in a transaction it ends with that."""
        if not self.transactional:
            # Asked first: an unlock of what is not held is a WARNING in the server's log.
            yield Run(
                f"SELECT pg_catalog.pg_advisory_unlock({self.key}) WHERE EXISTS ("  # noqa: S608 - integers
                "SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
                f"AND classid = {self.key >> 32} AND objid = {self.key & 0xFFFFFFFF} "
                "AND pid = pg_catalog.pg_backend_pid())"
            )

    def _tried(self) -> Flow[bool]:
        # The answer is read from the status tag: SELECT 1 is a row, so the lock was had.
        function = "pg_try_advisory_xact_lock" if self.transactional else "pg_try_advisory_lock"
        status = yield Run(f"SELECT 1 WHERE pg_catalog.{function}({self.key})")
        return bool(status == "SELECT 1")


@dataclass(frozen=True, slots=True)
class ParkedLock(Lock):
    """The same lock, held by an idle transaction on a connection of its own.

    By the simple protocol: it leaves no portal open, whose snapshot an index build would wait for.

    Attributes:
        timeouts: the settings of the server that would end an idle transaction.
    """

    timeouts: tuple[str, ...] = ("idle_in_transaction_session_timeout",)

    #: Seconds for which it is held without a sign of life: none, it dies with its connection.
    lasts = 0.0
    #: Seconds between two signs of life.
    every = 5.0

    def _tried(self) -> Flow[bool]:
        unlimited = "".join(f"SET LOCAL {name} = 0; " for name in self.timeouts)
        took = f"SELECT 1 WHERE pg_catalog.pg_try_advisory_xact_lock({self.key})"
        if (yield Run(f"BEGIN; {unlimited}{took}")) == "SELECT 1":
            return True
        yield Run("ROLLBACK")
        return False

    def renew(self) -> Flow[bool]:
        """A flow that shows that the connection lives; whoever looks sees what it is for."""
        # SHOW takes no snapshot. (What is empty would take less, but asyncpg stumbles over it.)
        yield Run("/* schemakit holds the migration lock */ SHOW server_version")
        return True

    def release(self) -> Flow[None]:
        """A flow that ends the transaction, and with it the lock."""
        yield Run("ROLLBACK")
