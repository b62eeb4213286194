"""The log of a run: on stderr if it is asked for, else nowhere."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .output import Output

#: Not the root: what SQLAlchemy logs has the parameters of the statements in it.
_LOGGERS = ("schemakit", "alembic.runtime.migration")


class _Formatter(logging.Formatter):
    def __init__(self, output: Output) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._output = output

    def format(self, record: logging.LogRecord) -> str:
        return str(self._output.redacted(super().format(record)))


@contextmanager
def logged(output: Output) -> Iterator[None]:
    """Let the log be written as *output* wants it, and be afterwards as it was."""
    # With no handler at all Python itself would print warnings, which are shown as events already.
    handler = logging.StreamHandler(sys.stderr) if output.verbose else logging.NullHandler()
    handler.setFormatter(_Formatter(output))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        if output.verbose:
            logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
