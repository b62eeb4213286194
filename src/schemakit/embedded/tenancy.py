"""How processes share one server: the protocol of the two lock files.

*lock* is held, exclusively, while anybody starts or stops the server. *clients* is held, shared,
for as long as anybody uses it. Whoever leaves asks for *clients* exclusively: who gets it was the
last, and stops the server. The kernel drops the locks of a killed process, so there is no list
of clients that could go stale.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemakit.embedded.account import default_account
from schemakit.embedded.binaries import Binaries, find_binaries
from schemakit.embedded.cluster import (
    make_cluster,
    refuse_other_version,
    settled_state,
    start_cluster,
    stop_cluster,
)
from schemakit.embedded.flocks import LockFile, exclusive
from schemakit.embedded.orphans import reap_orphans
from schemakit.embedded.places import (
    Place,
    base_directory,
    ephemeral_place,
    persistent_place,
)
from schemakit.embedded.postmaster import State, read_postmaster
from schemakit.embedded.relocation import reachable_binaries
from schemakit.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from schemakit.embedded.patience import Patience


@dataclass(frozen=True)
class Request:
    """What a caller asked for. ``data`` is None for a server that leaves nothing behind."""

    data: Path | None
    settings: Mapping[str, str]
    bindir: str | os.PathLike[str] | None


@dataclass(frozen=True)
class Tenancy:
    """One client's hold on a running server."""

    place: Place
    binaries: Binaries
    clients: LockFile
    socket_dir: Path
    pid: int


def enter(request: Request, patience: Patience) -> Tenancy:
    """Start the server, or join the one that runs.

    Raises:
        EmbeddedError: it could not be done; no server is left behind that was not there before.
        BinariesNotFound: there is no PostgreSQL to run.
        WaitCancelledError: ``patience`` was cancelled.
    """
    if sys.platform == "win32":
        raise EmbeddedError(
            "embedded servers need Unix sockets and file locks, which Windows does not have",
            remedy="install PostgreSQL and use its URL, or run in WSL or a container.",
        )
    with _os_errors():
        binaries = find_binaries(request.bindir)
        place, clients = _take_place(request, patience)
        try:
            binaries = reachable_binaries(binaries, place.account, patience)
            with exclusive(place.lock, patience, place.account):
                return _join(request, place, binaries, clients, patience)
        except BaseException:
            clients.close()
            _clear(place)
            raise


def leave(tenancy: Tenancy, patience: Patience) -> None:
    """Give up the server, and stop it if nobody else uses it.

    Raises:
        EmbeddedError: the server could not be stopped in time.
    """
    place = tenancy.place
    try:
        with _os_errors(), exclusive(place.lock, patience, place.account):
            if tenancy.clients.try_own():
                stop_cluster(place, tenancy.binaries, patience)
        _clear(place)
    finally:
        tenancy.clients.close()


def _take_place(request: Request, patience: Patience) -> tuple[Place, LockFile]:
    if request.data is not None:
        place = persistent_place(request.data)
        # The lock comes first: it is what marks a directory as ours.
        LockFile(place.lock, place.account).close()
        return place, LockFile(place.clients, place.account)
    account = default_account()
    base = base_directory(account)
    with exclusive(base / "ephemeral.lock", patience):
        reap_orphans(base)
        place = ephemeral_place(base, account)
        clients = LockFile(place.clients, account)
        _share(clients)
        return place, clients


def _join(
    request: Request, place: Place, binaries: Binaries, clients: LockFile, patience: Patience
) -> Tenancy:
    """With the place locked: be counted, and see to it that a server runs."""
    _share(clients)
    if not place.data.exists():
        make_cluster(place, binaries, patience)
    refuse_other_version(place, binaries)
    if settled_state(place, patience) is State.DOWN:
        start_cluster(place, binaries, request.settings, patience)
    # The server that we joined may have been started under another TMPDIR.
    running = read_postmaster(place.data)
    socket_dir = (running and running.socket_dir) or place.socket_dir
    return Tenancy(place, binaries, clients, socket_dir, os.getpid())


def _share(clients: LockFile) -> None:
    if not clients.try_share():  # whoever owns it holds the other lock too, and so do we
        raise EmbeddedError(
            f"a program other than schemakit has locked {clients.path}",
            remedy="end that program (`fuser` names it).",
        )


def _clear(place: Place) -> None:
    if place.ephemeral:
        shutil.rmtree(place.home, ignore_errors=True)


@contextmanager
def _os_errors() -> Iterator[None]:
    """Say what the operating system refused as an `EmbeddedError`."""
    try:
        yield
    except OSError as error:
        raise EmbeddedError(
            str(error),
            remedy="see to it that this user may write there, or name another directory.",
        ) from error
