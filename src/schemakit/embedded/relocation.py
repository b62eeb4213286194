"""Binaries that the server's account cannot reach are copied to where it can, once.

Root's virtual environment often lies under a directory of mode 0700. Opening that directory to
everybody would be the shorter way, and is not ours to take.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from schemakit.embedded.flocks import exclusive
from schemakit.embedded.places import base_directory

if TYPE_CHECKING:
    from schemakit.embedded.account import Account
    from schemakit.embedded.binaries import Binaries
    from schemakit.embedded.patience import Patience

INSTALLATION = ("bin", "lib", "lib64", "share")
READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
ENTERABLE = READABLE | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def reachable_binaries(binaries: Binaries, account: Account | None, patience: Patience) -> Binaries:
    """``binaries``, or a copy of them that ``account`` can run."""
    directory = binaries.directory.resolve()
    if account is None or account.can_enter(directory):
        return replace(binaries, directory=directory)
    base = base_directory(account)
    copy = base / f"bin-{_fingerprint(directory)}"
    with exclusive(base / f"{copy.name}.lock", patience):
        if not copy.exists():
            _copy_installation(directory.parent, copy)
    return replace(binaries, directory=_inside(copy, directory.parent) / directory.name)


def _fingerprint(directory: Path) -> str:
    """Changes with the path and with an upgrade of what lies there."""
    found = (directory / "postgres").stat()
    identity = f"{directory}\0{found.st_size}\0{found.st_mtime_ns}"
    return hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:12]


def _inside(copy: Path, prefix: Path) -> Path:
    """The copy keeps two levels of directories: libraries are found relative to the binaries."""
    return copy / prefix.parent.name / prefix.name


def _copy_installation(prefix: Path, copy: Path) -> None:
    """Copy what PostgreSQL consists of, and nothing else that shares its prefix."""
    unfinished = Path(tempfile.mkdtemp(prefix="copying-", dir=copy.parent))
    try:
        for part in INSTALLATION:
            if (prefix / part).is_dir():
                shutil.copytree(prefix / part, _inside(unfinished, prefix) / part, symlinks=True)
        # auditwheel puts the libraries of a wheel's binaries beside the package.
        libraries = Path(f"{prefix.parent}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        _open_to_all(unfinished)
        unfinished.rename(copy)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _open_to_all(copy: Path) -> None:
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            runnable = path.is_dir() or mode & stat.S_IXUSR
            path.chmod(stat.S_IMODE(mode) | (ENTERABLE if runnable else READABLE))
