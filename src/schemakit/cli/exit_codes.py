"""What the exit code of ``schemakit`` says. Scripts rely on it: codes are added, never changed."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from schemakit.errors import (
    ConfigurationError,
    DatabaseAhead,
    LockTimeout,
    NotCurrent,
)


class ExitCode(IntEnum):
    """The codes, each with its meaning, which ``schemakit --help`` shows."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """Make a member of its code and its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # An upgrade that finds nothing to do has succeeded; --json tells the two apart ("changed").
    DONE = 0, "done, or nothing to do"
    FAILED = 1, "failed"
    MISUSE = 2, "asked for something that makes no sense; nothing was tried"
    PENDING = 3, "revisions are pending, or the database differs from the models"
    BLOCKED = 4, "the database is ahead of this code, or another process has yet to migrate it"
    INTERRUPTED = 130, "interrupted (Ctrl-C); what was not committed is rolled back"
    TERMINATED = 143, "ended from outside (SIGTERM); the same"


_OF_ERRORS = (
    (ConfigurationError, ExitCode.MISUSE),
    ((DatabaseAhead, LockTimeout, NotCurrent), ExitCode.BLOCKED),
)


def exit_code(error: BaseException) -> ExitCode:
    """Return the code that *error* ends the program with."""
    for kinds, code in _OF_ERRORS:
        if isinstance(error, kinds):
            return code
    return ExitCode.FAILED
