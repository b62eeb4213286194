"""PostgreSQL's eight table-level lock modes, and which of them exclude each other.

(Manual, 13.3.1 Table-Level Locks; src/backend/storage/lmgr/lock.c, LockConflicts.)
"""

from __future__ import annotations

from enum import IntEnum


class LockMode(IntEnum):
    """A table lock, as strong as its number: what ``lock_stmt.mode`` and the server count in."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        """As the manual and LOCK TABLE spell it, e.g. ``ACCESS EXCLUSIVE``."""
        return self.name.replace("_", " ")

    @classmethod
    def of_server(cls, mode: str) -> LockMode:
        """Return what ``pg_locks.mode`` calls *mode*, e.g. ``AccessExclusiveLock``."""
        return _OF_SERVER[mode]

    def conflicts_with(self, other: LockMode) -> bool:
        """Whether two transactions cannot hold the two on one table at the same time."""
        return other in _CONFLICTS[self]

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE wait for it."""
        return self.conflicts_with(LockMode.ROW_EXCLUSIVE)

    @property
    def blocks_reads(self) -> bool:
        """Whether SELECT waits for it, too."""
        return self.conflicts_with(LockMode.ACCESS_SHARE)


_OF_SERVER = {mode.name.title().replace("_", "") + "Lock": mode for mode in LockMode}


def _from(weakest: LockMode, *besides: LockMode) -> frozenset[LockMode]:
    return frozenset(mode for mode in LockMode if mode >= weakest).union(besides)


_CONFLICTS = {
    LockMode.ACCESS_SHARE: _from(LockMode.ACCESS_EXCLUSIVE),
    LockMode.ROW_SHARE: _from(LockMode.EXCLUSIVE),
    LockMode.ROW_EXCLUSIVE: _from(LockMode.SHARE),
    LockMode.SHARE_UPDATE_EXCLUSIVE: _from(LockMode.SHARE_UPDATE_EXCLUSIVE),
    # SHARE alone of these does not exclude itself: two may build indexes at a time.
    LockMode.SHARE: _from(
        LockMode.SHARE_ROW_EXCLUSIVE, LockMode.ROW_EXCLUSIVE, LockMode.SHARE_UPDATE_EXCLUSIVE
    ),
    LockMode.SHARE_ROW_EXCLUSIVE: _from(LockMode.ROW_EXCLUSIVE),
    LockMode.EXCLUSIVE: _from(LockMode.ROW_SHARE),
    LockMode.ACCESS_EXCLUSIVE: _from(LockMode.ACCESS_SHARE),
}
