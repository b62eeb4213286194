"""Has anything changed that decides what `upgrade` would do? Names, sizes and times of files.

The rule is git's for its index: a file whose time stamp is as young as the look at it may change
again without showing it, so such a look is not remembered.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

#: A file system's time stamps may be this coarse (seconds; ext4 has 4 ms, FAT and NFS up to 2 s).
_RACY_SECONDS = 2.0
_SOURCE = (".py", ".pyc", ".pyo")


class Fingerprint(NamedTuple):
    """What was seen.

    Attributes:
        digest: hex; equal digests mean that nothing has changed.
        settled: False if a file was so young that it may change again unseen.
    """

    digest: str
    settled: bool


def fingerprint(
    files: Iterable[Path], folders: Iterable[Path], *, recursive: bool, salt: str
) -> Fingerprint:
    """Look at single *files* and at all Python files of *folders*; neither need exist.

    Args:
        files: env.py, alembic.ini, pyproject.toml.
        folders: the version locations.
        recursive: whether revisions may lie in sub-folders.
        salt: what else the remembered values depend on, e.g. versions and options.

    Returns:
        The fingerprint. Costs a `stat` a file, some 2 ms for a thousand.
    """
    digest = blake2b(salt.encode(), digest_size=20)
    newest = 0
    for folder, names in _groups(files, folders, recursive=recursive):
        numbers = _stat_all(folder, names)
        digest.update("\0".join((folder, *names, "")).encode(errors="surrogateescape"))
        digest.update(numbers.tobytes())
        newest = max(newest, max(numbers[::2], default=0))
    settled = abs(time.time_ns() - newest) > _RACY_SECONDS * 1e9
    return Fingerprint(digest.hexdigest(), settled)


def _groups(
    files: Iterable[Path], folders: Iterable[Path], *, recursive: bool
) -> Iterator[tuple[str, list[str]]]:
    for file in files:
        yield str(file.parent), [file.name]
    for folder in folders:
        for place in _tree(str(folder)) if recursive else (str(folder),):
            yield place, sorted(name for name in _names(place) if name.endswith(_SOURCE))


def _tree(folder: str) -> Iterator[str]:
    for place, below, _ in os.walk(folder):
        below[:] = sorted(name for name in below if name != "__pycache__")
        yield place


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - hot: a Path for each name costs as much as stat
    except OSError:
        return []


def _stat_all(folder: str, names: list[str]) -> array[int]:
    """Return time and size of every name, in one flat array; 0 and -1 for one that is not there."""
    # Relative to the open directory: the kernel need not walk the path again for every file.
    try:
        handle = os.open(folder, os.O_RDONLY) if os.stat in os.supports_dir_fd else None
    except OSError:
        return array("q", [0, -1] * len(names))
    try:
        return _quickly(names, handle) if handle is not None else _surely(folder, names, handle)
    except OSError:  # one of them is gone
        return _surely(folder, names, handle)
    finally:
        if handle is not None:
            os.close(handle)


def _quickly(names: list[str], handle: int) -> array[int]:
    numbers = array("q")
    add, stat = numbers.append, os.stat  # hot: a thousand files at every start
    for name in names:
        status = stat(name, dir_fd=handle)
        add(status.st_mtime_ns)
        add(status.st_size)
    return numbers


def _surely(folder: str, names: list[str], handle: int | None) -> array[int]:
    numbers = array("q")
    for name in names:
        path = name if handle is not None else f"{folder}{os.sep}{name}"
        try:
            status = os.stat(path, dir_fd=handle)
            numbers.extend((status.st_mtime_ns, status.st_size))
        except OSError:
            numbers.extend((0, -1))
    return numbers
