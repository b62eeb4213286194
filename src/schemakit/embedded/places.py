"""Where a server's files lie, and in whose hands.

::

    home/            0700, the directory the user named, or one of ours
     ├─ lock         held while the server is started or stopped
     ├─ clients      held, shared, by every process that uses the server
     ├─ data/        the cluster
     ├─ log          what the server says
     └─ s/           the socket, unless its path would be too long

Files that cannot lie there (the data of a project its server's account cannot reach, a socket with
a long path, a throw-away server) go under one private directory of the machine, the *base*.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from schemakit.embedded.account import Account, account_for
from schemakit.embedded.settings import PORT
from schemakit.errors import EmbeddedError

BASE_VARIABLE = "SCHEMAKIT_PG_HOME"
EPHEMERAL_PREFIX = "e-"
SOCKET_PATH_BYTES = 100  # sun_path holds 104 on macOS, 108 on Linux, its final NUL included
# What needs no quoting in a server setting, in a URL, or by the drivers that split hosts at commas.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
PRIVATE = 0o700


@dataclass(frozen=True)
class Place:
    """The files of one server. ``account`` is whom it runs as, None for the caller."""

    home: Path
    account: Account | None
    ephemeral: bool = False

    @property
    def lock(self) -> Path:
        """Held exclusively while the server is started or stopped."""
        return self.home / "lock"

    @property
    def clients(self) -> Path:
        """Held shared for as long as a process uses the server."""
        return self.home / "clients"

    @property
    def data(self) -> Path:
        """The cluster, PostgreSQL's data directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.home / "log"

    @property
    def socket_dir(self) -> Path:
        """The directory of the socket, short and plain enough for servers, drivers and URLs."""
        name = f"s-{_hashed(self.home)}"
        last_resort = _shared("/tmp") / name  # noqa: S108  made private by `private_directory`
        for candidate in (self.home / "s", _base_path() / name):
            if _fits(candidate):
                return candidate
        return last_resort


def persistent_place(requested: Path) -> Place:
    """The place of the server whose data the user wants at ``requested``, made and claimed.

    Root's server runs as somebody else. Where that account cannot reach ``requested``, the data
    goes to a directory of the base that is named after it; no mode of a parent is changed.

    Raises:
        EmbeddedError: the directory holds something else, or its path holds control characters.
    """
    home = requested.absolute().resolve()
    if any(ord(character) < ord(" ") for character in str(home)):
        raise EmbeddedError(
            f"the data path {str(home)!r} holds a control character",
            remedy="choose another path: PostgreSQL's own files list paths one to a line.",
        )
    account = account_for(home / "data")
    if account is not None and not account.can_enter(_made(home.parent)):
        home = base_directory(account) / f"p-{_hashed(home)}"
        account = account_for(home / "data")
    place = Place(home, account)
    _claim(place)
    return place


def ephemeral_place(base: Path, account: Account | None) -> Place:
    """A new place under ``base`` for a server that leaves nothing behind."""
    home = Path(tempfile.mkdtemp(prefix=EPHEMERAL_PREFIX, dir=base))
    _give(home, account)
    return Place(home, account, ephemeral=True)


def base_directory(account: Account | None) -> Path:
    """The base, made if need be: the caller's own and reachable for ``account``."""
    base = private_directory(_base_path())
    if account is not None and not account.can_enter(base):
        raise EmbeddedError(
            f"the account {account.name!r} cannot reach {base}",
            remedy=f"point {BASE_VARIABLE} at a directory that it can walk to.",
        )
    return base


def private_directory(path: Path) -> Path:
    """Make ``path``, or make sure that nobody else made it first: it may lie under /tmp.

    Others may look into it, so that root's servers can walk through; they may not write.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
    found = path.lstat()
    foreign = found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if foreign or not stat.S_ISDIR(found.st_mode):
        raise EmbeddedError(
            f"{path} is not a directory that this user alone may write to",
            remedy=f"remove it, or point {BASE_VARIABLE} at a directory of your own.",
        )
    return path


def make_socket_dir(place: Place) -> None:
    """Make the directory of the socket. Its mode is the server's whole access control."""
    directory = place.socket_dir
    if directory.parent != place.home:
        private_directory(directory.parent)
    directory.mkdir(mode=PRIVATE, exist_ok=True)
    _give(directory, place.account)


def _claim(place: Place) -> None:
    """Make ``place.home`` ours, unless it is in use for something else."""
    home = place.home
    _made(home.parent)
    home.mkdir(mode=PRIVATE, exist_ok=True)
    # The lock is the first file made in a home: who sees any, and asks only then, sees it too.
    if any(home.iterdir()) and not place.lock.exists():
        raise EmbeddedError(
            f"{home} holds files that are not an embedded server's",
            remedy="name an empty or a new directory; data= is not an existing PGDATA.",
        )
    _give(home, place.account)


def _give(directory: Path, account: Account | None) -> None:
    found = directory.lstat()
    if account is not None and found.st_uid != account.uid:
        os.chown(directory, account.uid, account.gid, follow_symlinks=False)
    if stat.S_IMODE(found.st_mode) != PRIVATE:
        directory.chmod(PRIVATE)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _base_path() -> Path:
    if chosen := os.environ.get(BASE_VARIABLE):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return _shared("/var/tmp")  # noqa: S108  made private by `private_directory`
    return _shared(tempfile.gettempdir())


def _shared(parent: str) -> Path:
    return Path(parent) / f"schemakit-{os.geteuid()}"


def _fits(directory: Path) -> bool:
    socket = os.fsencode(directory / f".s.PGSQL.{PORT}")
    return len(socket) <= SOCKET_PATH_BYTES and bool(PLAIN_PATH.fullmatch(str(directory)))


def _hashed(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
