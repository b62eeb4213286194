"""What a backup is called: the table, the time, and a number where that is taken."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import UTC, datetime
from itertools import count

from schemakit.sql.name import MAX_IDENTIFIER_BYTES

#: How the name of a backup ends, the reference's as well as ours.
_ENDS = re.compile(r"_backup_\d{8}_\d{6}(_n\d+)?\Z", re.ASCII)


def backup_name(table: str, now: datetime, taken: Container[str] = ()) -> str:
    """Return ``{table}_backup_{YYYYMMDD_HHMMSS}``, or that with ``_n2``, ``_n3`` … behind it.

    A table's name is cut, between characters, so that the whole keeps to 63 bytes: the server would
    cut the time off instead.

    Args:
        table: the table's name.
        now: with a time zone; written in UTC.
        taken: the names that are not to be had.
    """
    time = f"_backup_{now.astimezone(UTC):%Y%m%d_%H%M%S}"
    names = (_fitted(table, time + (f"_n{number}" if number > 1 else "")) for number in count(1))
    return next(name for name in names if name not in taken)


def is_backup_name(name: str) -> bool:
    """Whether *name* is one that a backup may have."""
    return _ENDS.search(name) is not None


def _fitted(table: str, suffix: str) -> str:
    room = MAX_IDENTIFIER_BYTES - len(suffix)
    return table.encode()[:room].decode(errors="ignore") + suffix
