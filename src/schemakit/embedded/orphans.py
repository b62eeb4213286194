"""Throw-away servers whose owner was killed, found and ended by the next one that starts."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from schemakit.embedded.flocks import LockFile
from schemakit.embedded.places import EPHEMERAL_PREFIX, Place
from schemakit.embedded.postmaster import command_line, read_postmaster

if TYPE_CHECKING:
    from pathlib import Path

MERCY_SECONDS = 5.0


def reap_orphans(base: Path) -> None:
    """End and remove every throw-away server under ``base`` that no process holds.

    Runs under the base's lock, as does the making of a new place, so a directory without a
    clients file is no place in the making.
    """
    for home in base.glob(f"{EPHEMERAL_PREFIX}*"):
        # One directory that cannot be removed must not keep others from starting.
        with suppress(OSError):
            _reap(Place(home, account=None, ephemeral=True))


def _reap(place: Place) -> None:
    if place.clients.exists():
        clients = LockFile(place.clients)
        try:
            abandoned = clients.try_own() and _end_server(place)
        finally:
            clients.close()
        if not abandoned:
            return
    shutil.rmtree(place.socket_dir, ignore_errors=True)
    shutil.rmtree(place.home, ignore_errors=True)


def _end_server(place: Place) -> bool:
    """Whether no server is left on ``place``.

    A process id in a file may be somebody else's by now: only a process whose command line
    names the directory is sent a signal.
    """
    postmaster = read_postmaster(place.data)
    if postmaster is None:
        return True
    patience_ends = time.monotonic() + MERCY_SECONDS
    if _runs_on(postmaster.pid, place):
        os.kill(postmaster.pid, signal.SIGQUIT)
    while _runs_on(postmaster.pid, place):
        if time.monotonic() > patience_ends:
            return False
        time.sleep(0.02)
    return True


def _runs_on(pid: int, place: Place) -> bool:
    return str(place.data) in (command_line(pid) or "")
