"""How a call behaves: frozen values, read from the environment when the call starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from schemakit.errors import ConfigurationError
from schemakit.sql.name import quote

if TYPE_CHECKING:
    from sqlalchemy import MetaData

OnAhead = Literal["warn", "error", "ignore"]
LockMethod = Literal["auto", "session", "transaction", "lease"]

_PREFIX = "SCHEMAKIT_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a call behaves. Without one, `Settings.from_environment` is used.

    Attributes:
        lock_wait: seconds to wait for another process that is migrating (SCHEMAKIT_LOCK_WAIT).
        lock_name: what else the lock's key is made of. Runs on one database exclude each other;
            give independent applications in one database names of their own (SCHEMAKIT_LOCK_NAME).
        lock: how the lock is held: ``session`` (an advisory lock of the migrating session),
            ``transaction`` (of an idle transaction on a second connection, for poolers),
            ``lease`` (a row that is renewed, for poolers that end idle transactions), or
            ``auto``: ``transaction`` where a pooler shows itself, else ``session``
            (SCHEMAKIT_LOCK).
        lock_timeout: seconds that a statement of a migration may wait for a lock of a table,
            and with it every query that queues behind it; 0 for ever (SCHEMAKIT_LOCK_TIMEOUT).
            A revision says otherwise for itself with ``lock_timeout = 10`` at its top level.
        statement_timeout: seconds that a statement of a migration may run; 0 for as long as it
            takes, whatever the server, the role or the engine's ``command_timeout`` say
            (SCHEMAKIT_STATEMENT_TIMEOUT). Never applies to what is built CONCURRENTLY.
        retry_for: seconds for which a revision that met a lock or a deadlock is tried again;
            0 tries once (SCHEMAKIT_RETRY_FOR).
        server_timeout: seconds without a sign of life of the server after which the connection
            counts as lost (SCHEMAKIT_SERVER_TIMEOUT).
        role: the role to migrate as, by SET ROLE (SCHEMAKIT_ROLE).
        record: keep a durable history in ``schemakit.history``: what ran, when, by whom, from
            which file (SCHEMAKIT_RECORD).
        on_ahead: what `upgrade` does where the database stands at a revision that this code does
            not know: ``warn``, ``error`` or ``ignore`` (SCHEMAKIT_ON_AHEAD).
        index: where the fingerprint of a migrations directory is kept between processes:
            ``auto`` (in ``__pycache__`` beside env.py if Python may write there, else in
            ``~/.cache/schemakit``), ``off``, or a directory (SCHEMAKIT_INDEX).
        allow_destructive: the reason for which calls may destroy rows: it is their permission, and
            is recorded (SCHEMAKIT_ALLOW_DESTRUCTIVE). See `schemakit.safety`.
        backup_schema: where backups and their registry are kept (SCHEMAKIT_BACKUP_SCHEMA).
        cleanup_backups: have `upgrade` remove the backups that have expired, when it has ended
            well; what goes wrong with that is reported, and fails nothing
            (SCHEMAKIT_CLEANUP_BACKUPS).

    Raises:
        ConfigurationError: a value makes no sense.
    """

    lock_wait: float = 300.0
    lock_name: str = ""
    lock: LockMethod = "auto"
    lock_timeout: float = 3.0
    statement_timeout: float = 0.0
    retry_for: float = 120.0
    server_timeout: float = 30.0
    role: str = ""
    record: bool = False
    on_ahead: OnAhead = "warn"
    index: str | Path = "auto"
    allow_destructive: str = ""
    backup_schema: str = "schemakit_backups"
    cleanup_backups: bool = False

    def __post_init__(self) -> None:
        for name in _SECONDS:
            seconds = getattr(self, name)
            if not 0 <= seconds <= _LONGEST.get(name, inf):
                detail = f"{name}={seconds!r} is not a number of seconds."
                raise ConfigurationError(detail, remedy="give 0 or more.")
        if not self.server_timeout:
            detail = "server_timeout=0 would give up at once."
            raise ConfigurationError(detail, remedy="give a number of seconds, e.g. 30.")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                detail = f"{name}={getattr(self, name)!r} is unknown."
                raise ConfigurationError(detail, remedy=f"choose {', '.join(allowed)}.")
        _refuse_no_reason(self.allow_destructive)
        quote(self.backup_schema)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the defaults, overridden by the SCHEMAKIT_* variables in *environ*."""
        environ = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        for known in fields(cls):
            raw = environ.get(_PREFIX + known.name.upper())
            if raw is not None:
                found[known.name] = _parsed(known.name, raw)
        return replace(cls(), **found)


_SECONDS = ("lock_wait", "lock_timeout", "statement_timeout", "retry_for", "server_timeout")
#: What the server's own time-outs can hold: milliseconds in 31 bits.
_LONGEST = {"lock_timeout": 2_147_483, "statement_timeout": 2_147_483}
_CHOICES = {"on_ahead": get_args(OnAhead), "lock": get_args(LockMethod)}
_WORDS = {"1": True, "true": True, "on": True, "yes": True}
_WORDS |= {"0": False, "false": False, "off": False, "no": False, "": False}


def _refuse_no_reason(reason: object) -> None:
    """Refuse what says nothing of why rows may go; ``""`` gives no permission, and says so."""
    if isinstance(reason, str) and (
        not reason or (reason.strip() and reason.strip().lower() not in _WORDS)
    ):
        return
    detail = f"allow_destructive={reason!r} is no reason."
    remedy = 'give a reason, a str that says why, e.g. "ticket 4711: chunks are moved".'
    raise ConfigurationError(detail, remedy=remedy)


def _parsed(name: str, raw: str) -> float | bool | str:
    variable = f"{_PREFIX}{name.upper()}={raw!r}"
    if name in ("record", "cleanup_backups"):
        if raw.lower() not in _WORDS:
            raise ConfigurationError(f"{variable} is neither on nor off.", remedy="give 1 or 0.")
        return _WORDS[raw.lower()]
    if name not in _SECONDS:
        return raw
    try:
        return float(raw)
    except ValueError:
        detail = f"{variable} is not a number of seconds."
        raise ConfigurationError(detail, remedy="give a number, e.g. 300.") from None


@dataclass(frozen=True, slots=True)
class Migrations:
    """Which migrations directory, and the options that a path alone cannot say.

    Attributes:
        location: a folder or ``package:folder``; None searches, see `docs/migrations.md`.
        version_locations: where revisions lie, if not in ``versions`` and not said by the ini.
        ini_section: the section of alembic.ini to read (``alembic -n``).
        x: what ``alembic -x`` would pass, e.g. ``("tenant=acme",)``.
        attributes: further entries for ``config.attributes``.
        target_metadata: for a folder without env.py: its naming conventions name constraints.
        configure: for a folder without env.py: further arguments of ``context.configure``.
        percent_escapes: un-double ``%%`` in ``exec_driver_sql``, as psycopg2 does.
    """

    location: str | Path | None = None
    version_locations: Sequence[str | Path] = ()
    ini_section: str = "alembic"
    x: Sequence[str] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)
    target_metadata: MetaData | Sequence[MetaData] | None = None
    configure: Mapping[str, Any] = field(default_factory=dict)
    percent_escapes: bool = False
