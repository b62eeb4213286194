"""What is remembered of a migrations directory: in memory, and on disk where that is allowed.

At head `upgrade` needs three things that only change with the files: the heads, where the
revisions lie, and which version table env.py configures. They are kept under the fingerprint of
those files. On disk they lie in ``__pycache__`` beside env.py's own bytecode, trusted as much and
ignored by git already; where Python may not write there, in the account's cache directory.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from schemakit._version import __version__
from schemakit.sql import Name

from .fingerprint import Fingerprint, fingerprint
from .locate import Located

_FORMAT = 1


class Recorded(NamedTuple):
    """What a full load of a directory found.

    Attributes:
        heads: its heads, sorted.
        effective: the heads as they stand in the version table: without those that another
            branch depends on.
        folders: its version locations.
        recursive: whether revisions may lie in sub-folders of these.
        table: the version table; None if env.py must run each time to tell.
    """

    heads: tuple[str, ...]
    effective: tuple[str, ...]
    folders: tuple[Path, ...]
    recursive: bool
    table: Name | None


_memory: dict[str, tuple[str, Recorded]] = {}
_guard = threading.Lock()


def look(located: Located, where: str | Path) -> Recorded | None:
    """Return what is known of *located*, if its files are still those it was learnt from.

    Args:
        located: the directory.
        where: `Settings.index`.

    Reads the disk: call it in a thread.
    """
    key = _key(located)
    with _guard:
        in_memory = _memory.get(key)
    seen = None
    remembered = (in_memory,) if in_memory is not None else ()
    for known in chain(remembered, _read(located, key, where, in_memory)):
        digest, recorded = known
        seen = _fingerprint(located, recorded.folders, recursive=recorded.recursive)
        if seen.digest == digest:
            with _guard:
                _memory[key] = known
            return recorded
    return None


def before_load(located: Located, folders: tuple[Path, ...], *, recursive: bool) -> Fingerprint:
    """Look at the files before they are loaded: only what is seen before can be vouched for."""
    return _fingerprint(located, folders, recursive=recursive)


def remember(located: Located, seen: Fingerprint, recorded: Recorded, where: str | Path) -> None:
    """Keep *recorded* under the fingerprint taken before the load; too young a one is not kept."""
    if not seen.settled:
        return
    key = _key(located)
    with _guard:
        _memory[key] = (seen.digest, recorded)
    for path in _paths(located, key, where, writing=True):
        with contextlib.suppress(OSError):  # a read-only image: then the next place, or none
            _write(path, seen.digest, recorded)
            return


def forget() -> None:
    """Empty the memory of this process (for tests and measurements)."""
    with _guard:
        _memory.clear()


def _fingerprint(located: Located, folders: tuple[Path, ...], *, recursive: bool) -> Fingerprint:
    files = (located.env_py, *(file for file in (located.ini, located.toml) if file))
    return fingerprint(files, folders, recursive=recursive, salt=f"{_FORMAT}/{__version__}")


def _key(located: Located) -> str:
    options = located.options
    parts = (
        str(located.folder),
        str(located.ini),
        str(located.toml),
        located.section,
        *map(str, options.version_locations),
        repr(sorted((k, v) for k, v in options.configure.items() if k.startswith("version_table"))),
    )
    return blake2b("\0".join(parts).encode(), digest_size=10).hexdigest()


def _paths(located: Located, key: str, where: str | Path, *, writing: bool) -> Iterator[Path]:
    if where == "off":
        return
    name = f"schemakit-{key}.json"
    if where != "auto":
        yield Path(where) / name
        return
    if not (writing and sys.dont_write_bytecode):
        yield Path(importlib.util.cache_from_source(str(located.env_py))).with_name(name)
    # Images are often built with PYTHONDONTWRITEBYTECODE, and often read-only.
    with contextlib.suppress(RuntimeError):  # an account without a home directory
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(cache) / "schemakit" / name


def _read(
    located: Located, key: str, where: str | Path, known: tuple[str, Recorded] | None
) -> Iterator[tuple[str, Recorded]]:
    """Yield what is on disk, as long as nobody has found what fits; not what is *known* already."""
    for path in _paths(located, key, where, writing=False):
        try:
            stored = json.loads(path.read_bytes())
            found = stored["digest"], _recorded(stored["recorded"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # absent, cut off or of another release: the directory is loaded instead
        if found != known:
            yield found


def _recorded(stored: dict[str, Any]) -> Recorded:
    table = stored["table"]
    return Recorded(
        heads=tuple(map(str, stored["heads"])),
        effective=tuple(map(str, stored["effective"])),
        folders=tuple(map(Path, stored["folders"])),
        recursive=bool(stored["recursive"]),
        table=Name(**table) if table else None,
    )


def _stored(recorded: Recorded) -> dict[str, Any]:
    table = recorded.table
    named = {"name": table.name, "schema": table.schema} if table else None
    return recorded._asdict() | {"table": named}


def _write(path: Path, digest: str, recorded: Recorded) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: a reader sees the old one or the new one.
    beside = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    beside.write_text(json.dumps({"digest": digest, "recorded": _stored(recorded)}, default=str))
    beside.replace(path)
