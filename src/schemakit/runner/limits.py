"""What the statements of migrations run under: time-outs and role, as SET on their session.

A statement that waits for a lock makes every later one on that table wait behind it, so it may
wait a moment only. What is built CONCURRENTLY waits without holding anybody up, and cut off it
leaves an INVALID index: it may take as long as it needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from schemakit.errors import ConfigurationError
from schemakit.sql.literal import literal
from schemakit.sql.text import is_concurrent

if TYPE_CHECKING:
    from .settings import Settings
    from .target import Session

#: A text after which the session may no longer have what was set.
_MAY_CHANGE = re.compile(
    r"timeout|set_config|\b(?:reset|discard|role|authorization)\b", re.IGNORECASE
)
_LONGEST = 2_147_483  # seconds: the server counts milliseconds in 31 bits


@dataclass(slots=True)
class Limits:
    """The limits of one run; they decide what to SET, and send nothing themselves.

    Attributes:
        settings: what was asked for.
        local: for the transaction only, since the session is the caller's or a pooler's.
        each: to be sent anew in each transaction.
        name: the ``application_name`` by which a session behind a pooler is found.
    """

    settings: Settings
    local: bool = False
    each: bool = False
    name: str = ""
    _lock_timeout: float | None = None
    _stale: bool = False
    _lifted: bool = False

    def __post_init__(self) -> None:
        self._lock_timeout = self.settings.lock_timeout

    @classmethod
    def of(cls, session: Session, settings: Settings) -> Limits:
        """Return the limits of a run on *session*."""
        pooled = session.pooled
        name = f"schemakit {token_hex(4)}" if pooled else ""
        return cls(settings, local=pooled or session.external, each=pooled, name=name)

    @property
    def bounded(self) -> bool:
        """Whether what runs now may wait for a lock for a while only."""
        return bool(self._lock_timeout) and not self._lifted

    def opening(self) -> str:
        """Return what to send before the first statement, or in each transaction if `local`."""
        values = {
            "lock_timeout": _milliseconds(self._lock_timeout or 0),
            "statement_timeout": _milliseconds(self.settings.statement_timeout),
        }
        if self.name:
            values["application_name"] = self.name
        if self.settings.role:
            values["role"] = self.settings.role
        newer = _set({"transaction_timeout": "0"}, local=self.local)  # since PostgreSQL 17
        since = "pg_catalog.current_setting('server_version_num')::int >= 170000"
        return f"{_set(values, local=self.local)}; {newer} WHERE {since}"

    def revision(self, own: float | None) -> str:
        """Return what to send as a revision begins, ``""`` if all is as it should be.

        Args:
            own: the ``lock_timeout`` that the revision asks for.
        """
        wanted = self.settings.lock_timeout if own is None else own
        if wanted == self._lock_timeout and not (self._stale or self._lifted):
            return ""
        self._lock_timeout, self._stale, self._lifted = wanted, False, False
        return self.opening()

    def statement(self, sql: str, autocommits: Callable[[], bool]) -> str:
        """Return what to send before *sql*, ``""`` if nothing.

        Args:
            sql: what is about to be sent.
            autocommits: whether it runs outside a transaction.
        """
        if self.local:
            return ""
        if is_concurrent(sql) and autocommits():
            lift = "" if self._lifted else LIFTED
            self._lifted = True
            return lift
        back = self.opening() if self._lifted else ""
        self._lifted = False
        self._stale = self._stale or _MAY_CHANGE.search(sql) is not None
        return back


def own_lock_timeout(module: object, path: str) -> float | None:
    """Return the ``lock_timeout`` that a revision's *module* asks for, in seconds; None if none.

    Raises:
        ConfigurationError: it is no number of seconds.
    """
    own = getattr(module, "lock_timeout", None)
    if own is None:
        return None
    if isinstance(own, bool) or not isinstance(own, int | float) or not 0 <= own <= _LONGEST:
        detail = f"lock_timeout = {own!r} in {path} is not a number of seconds."
        raise ConfigurationError(detail, remedy="give a number, e.g. 10; 0 waits for ever.")
    return float(own)


def assume_role(role: str) -> str:
    """Return the SQL that makes a transaction run as *role*."""
    return _set({"role": role}, local=True)


def _milliseconds(seconds: float) -> str:
    # Not rounded to 0, which would mean for ever.
    return str(max(1, round(seconds * 1000))) if seconds else "0"


def _set(values: dict[str, str], *, local: bool) -> str:
    calls = (
        f"pg_catalog.set_config({literal(name)}, {literal(value)}, {str(local).lower()})"
        for name, value in values.items()
    )
    return "SELECT " + ", ".join(calls)


#: What lifts the limits from what is built CONCURRENTLY, for as long as the session lasts.
LIFTED = _set({"lock_timeout": "0", "statement_timeout": "0"}, local=False)
