"""How long a backup is kept, from plain values."""

from __future__ import annotations

import os
from collections.abc import Mapping

from schemakit.errors import ConfigurationError

VARIABLE = "MIGRATION_BACKUP_RETENTION_DAYS"
DEFAULT_DAYS = 7
#: A hundred years: more is a mistake, and would leave the calendar.
_MOST_DAYS = 36_525


def days_to_keep(days: int | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Return for how many days a backup is kept.

    Args:
        days: what the caller asks for; None for the variable, and without that 7.
        environ: read now and not at import; by default the process's.

    Raises:
        ConfigurationError: that is no whole number of days from 1 on.
    """
    if days is None:
        raw = (os.environ if environ is None else environ).get(VARIABLE)
        return DEFAULT_DAYS if raw is None else _checked(f"{VARIABLE}={raw!r}", _number(raw))
    return _checked(f"{days!r}", days)


def _number(raw: str) -> int | None:
    text = raw.strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def _checked(shown: str, days: object) -> int:
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= _MOST_DAYS:
        detail = f"{shown} is no number of days to keep a backup."
        raise ConfigurationError(detail, remedy=f"give 1 to {_MOST_DAYS}, e.g. {DEFAULT_DAYS}.")
    return days
