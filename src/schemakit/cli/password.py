"""Passwords that stand in a file."""

from __future__ import annotations

from pathlib import Path

from schemakit.errors import ConfigurationError


def read(path: str) -> str:
    """Return the password that *path* holds: the whole of it, but for the end of the line.

    Raises:
        ConfigurationError: it cannot be read, or holds nothing or several lines.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _unusable(path, f"cannot be read: {why}") from None
    lines = text.splitlines()
    if len(lines) != 1 or not lines[0]:
        raise _unusable(path, "does not hold one line")
    return lines[0]


def known(path: str | None) -> str:
    """Return the password in *path*, to be kept out of what is said; nothing if there is none."""
    try:
        return "" if path is None else read(path)
    except ConfigurationError:
        return ""


def _unusable(path: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The password file {path} {why}.",
        remedy="let it hold the password and nothing else; a file of libpq's form is for "
        "PGPASSFILE.",
    )
