"""Words in messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return *number* and *noun*: ``1 row``, ``1,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
