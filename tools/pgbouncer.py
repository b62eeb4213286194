"""pgbouncer for the tests: Debian's package, fetched without installing it if need be.

    python tools/pgbouncer.py      prints its path, having fetched it if need be

It is looked for on the PATH and in /usr/sbin. Else the package and the libraries that it needs are
unpacked beside the tests' other downloads, which takes no root; where they do not run, root lets
apt install it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: As Debian 12 and 13 and Ubuntu call them; what the machine has is not asked for.
_LIBRARIES = {
    "libevent-2.1.so.7": ("libevent-2.1-7", "libevent-2.1-7t64"),
    "libcares.so.2": ("libc-ares2", "libcares2"),
}
_CACHE = Path(os.environ.get("SCHEMAKIT_PG_CACHE", "/var/tmp/schemakit-matrix")) / "pgbouncer"  # noqa: S108 - binaries every account may read
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")


class NotToBeHadError(Exception):
    """There is no pgbouncer on this machine, and none could be fetched."""


@dataclass(frozen=True)
class Program:
    """How to start it: the path, and what its environment needs."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def program() -> Program:
    """Return a pgbouncer that runs.

    Raises:
        NotToBeHadError: there is none.
    """
    problem = "it is neither on the PATH nor is there an apt-get to fetch it"
    for find in (_installed, _unpacked, _fetched, _installed_by_apt):
        try:
            found = find()
        except NotToBeHadError as error:
            problem = str(error)
            continue
        if found is not None:
            problem = _complaint(found)
            if not problem:
                return found
    raise NotToBeHadError(problem)


def _complaint(found: Program) -> str:
    answer = subprocess.run(
        [found.path, "--version"],
        env={**os.environ, **found.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{found.path} does not run: {answer.stderr.strip()}" if answer.returncode else ""


def _installed() -> Program | None:
    path = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=os.pathsep.join(_PLACES))
    return Program(Path(path)) if path else None


def _unpacked() -> Program | None:
    path = _CACHE / "usr" / "sbin" / "pgbouncer"
    libraries = sorted({str(each.parent) for each in _CACHE.glob("usr/lib/*/*.so*")})
    return Program(path, {"LD_LIBRARY_PATH": ":".join(libraries)}) if path.exists() else None


def _fetched() -> Program | None:
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        _run("apt-get", "update", "--quiet")
    _unpack()
    return _unpacked()


def _installed_by_apt() -> Program | None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return None
    _run(
        *("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "pgbouncer"),
        environment={"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"},  # starts no service
    )
    return _installed()


def _unpack() -> None:
    _CACHE.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE.parent) as side:
        root = Path(side, "root")
        _package("pgbouncer", root)
        for library, names in _LIBRARIES.items():
            if not _has(library):
                _package(names, root)
        root.chmod(0o755)
        try:
            root.rename(_CACHE)
        except OSError:
            if not _CACHE.exists():  # else another process was faster
                raise


def _package(names: str | tuple[str, ...], root: Path) -> None:
    problem: Exception | None = None
    for name in (names,) if isinstance(names, str) else names:
        with tempfile.TemporaryDirectory() as side:
            try:
                _run("apt-get", "download", "--quiet", name, directory=side)
            except NotToBeHadError as error:
                problem = error
                continue
            _run("dpkg", "-x", str(next(Path(side).glob("*.deb"))), str(root))
            return
    raise NotToBeHadError(f"{names} could not be fetched") from problem


def _has(library: str) -> bool:
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False)
    return library in listed.stdout


def _run(
    *command: str, directory: str | None = None, environment: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotToBeHadError(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")


if __name__ == "__main__":
    try:
        print(program().path)
    except NotToBeHadError as error:
        sys.exit(f"pgbouncer is not to be had: {error}")
