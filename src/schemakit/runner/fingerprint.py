"""Has anything changed that decides what `upgrade` would do? Names, sizes and times of files.

The rule is git's for its index: a file whose time stamp is as young as the look at it may change
again without showing it, so such a look is not remembered.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

#: A file system's time stamps may be this coarse (seconds; ext4 has 4 ms, FAT and NFS up to 2 s).
_RACY_SECONDS = 2.0
_SOURCE = (".py", ".pyc", ".pyo")


@dataclass(frozen=True, slots=True)
class Fingerprint:
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
        The fingerprint. Costs a `stat` a file, some 3 ms for a thousand.
    """
    seen: list[tuple[str, int, int]] = [_stat(path) for path in files]
    for folder in folders:
        seen.extend(sorted(_entries(str(folder), recursive=recursive)))
    newest = max((changed for _, changed, _ in seen), default=0)
    digest = blake2b(salt.encode(), digest_size=20)
    digest.update(repr(seen).encode())
    settled = abs(time.time_ns() - newest) > _RACY_SECONDS * 1e9
    return Fingerprint(digest.hexdigest(), settled)


def _stat(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (str(path), 0, -1)
    return (str(path), status.st_mtime_ns, status.st_size)


def _entries(folder: str, *, recursive: bool) -> Iterator[tuple[str, int, int]]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names alone: a Path each costs as much as stat
        handle = os.open(folder, os.O_RDONLY) if os.stat in os.supports_dir_fd else None
    except OSError:
        yield (folder, 0, -1)
        return
    try:
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - hot: a thousand files
            if name.endswith(_SOURCE):
                yield _stat_in(handle, path, name)
            elif recursive and name != "__pycache__" and os.path.isdir(path):  # noqa: PTH112
                yield from _entries(path, recursive=True)
    finally:
        if handle is not None:
            os.close(handle)


def _stat_in(handle: int | None, path: str, name: str) -> tuple[str, int, int]:
    # Relative to the open directory: the kernel need not walk the path again for every file.
    try:
        status = os.stat(path) if handle is None else os.stat(name, dir_fd=handle)  # noqa: PTH116
    except OSError:
        return (path, 0, -1)
    return (path, status.st_mtime_ns, status.st_size)
