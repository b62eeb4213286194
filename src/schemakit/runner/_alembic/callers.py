"""Who has called: env.py itself, or something else that it uses."""

from __future__ import annotations

import sys

_OURS = ("alembic", "schemakit")


def outside() -> str:
    """Return the file of the innermost caller that is neither Alembic nor schemakit."""
    frame = sys._getframe(1)  # noqa: SLF001 - inspect.stack() reads every source file on the way
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return frame.f_code.co_filename


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in _OURS
