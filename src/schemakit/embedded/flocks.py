"""Kernel file locks: whatever way a process ends, its locks end with it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemakit.errors import EmbeddedError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemakit.embedded.account import Account
    from schemakit.embedded.patience import Patience

POLL_SECONDS = 0.02


class LockFile:
    """One open file description: two of them on one path exclude each other, in one process too.

    Args:
        path: created when missing, readable and writable by its owner alone.
        owner: who is to own a file made here; None for the caller.
    """

    def __init__(self, path: Path, owner: Account | None = None) -> None:
        self.path = path
        # The directory may belong to an account less trusted than root: a link is not followed.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor: int | None = os.open(path, flags, 0o600)
        if owner is not None and os.fstat(self._descriptor).st_uid != owner.uid:
            os.fchown(self._descriptor, owner.uid, owner.gid)

    def try_share(self) -> bool:
        """Take a shared lock; False while somebody holds the exclusive one."""
        return self._try(fcntl.LOCK_SH)

    def try_own(self) -> bool:
        """Take the exclusive lock; False while anybody else holds one.

        A shared lock held before is given up either way: the kernel converts in two steps.
        """
        return self._try(fcntl.LOCK_EX)

    def close(self) -> None:
        """Give up whatever is held. A second call does nothing."""
        if self._descriptor is not None:
            # Unlock by name: a forked child may have inherited the description.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, kind: int) -> bool:
        if self._descriptor is None:
            raise EmbeddedError(f"the lock file {self.path} is closed")
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def exclusive(path: Path, patience: Patience, owner: Account | None = None) -> Iterator[None]:
    """Hold the exclusive lock on ``path``.

    It is polled, never waited for in the kernel: a thread in ``flock`` cannot be interrupted.

    Raises:
        EmbeddedError: the lock did not come free in time.
    """
    lock = LockFile(path, owner)
    try:
        while not lock.try_own():
            if patience.exhausted:
                raise EmbeddedError(
                    f"another process held the lock file {path} for {patience.seconds:g} s",
                    remedy="wait for that process or end it (`fuser` names it); do not delete "
                    "the file. A slow disk is helped by a larger timeout=.",
                )
            patience.pause(POLL_SECONDS)
        yield
    finally:
        lock.close()
