"""How a call behaves: frozen values, read from the environment when the call starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from schemakit.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import MetaData

OnAhead = Literal["warn", "error", "ignore"]

_PREFIX = "SCHEMAKIT_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a call behaves. Without one, `Settings.from_environment` is used.

    Attributes:
        lock_wait: seconds to wait for another process that is migrating (SCHEMAKIT_LOCK_WAIT).
        lock_name: what else the lock's key is made of. Runs on one database exclude each other;
            give independent applications in one database names of their own (SCHEMAKIT_LOCK_NAME).
        on_ahead: what `upgrade` does where the database stands at a revision that this code does
            not know: ``warn``, ``error`` or ``ignore`` (SCHEMAKIT_ON_AHEAD).
        index: where the fingerprint of a migrations directory is kept between processes:
            ``auto`` (in ``__pycache__`` beside env.py if Python may write there, else in
            ``~/.cache/schemakit``), ``off``, or a directory (SCHEMAKIT_INDEX).

    Raises:
        ConfigurationError: a value makes no sense.
    """

    lock_wait: float = 300.0
    lock_name: str = ""
    on_ahead: OnAhead = "warn"
    index: str | Path = "auto"

    def __post_init__(self) -> None:
        if not self.lock_wait >= 0:
            detail = f"lock_wait={self.lock_wait!r} is not a number of seconds."
            raise ConfigurationError(detail, remedy="give 0 (do not wait) or more.")
        if self.on_ahead not in get_args(OnAhead):
            detail = f"on_ahead={self.on_ahead!r} is unknown."
            raise ConfigurationError(detail, remedy='choose "warn", "error" or "ignore".')

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the defaults, overridden by the SCHEMAKIT_* variables in *environ*."""
        environ = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        for known in fields(cls):
            raw = environ.get(_PREFIX + known.name.upper())
            if raw is not None:
                found[known.name] = _seconds(known.name, raw) if known.name == "lock_wait" else raw
        return replace(cls(), **found)


def _seconds(name: str, raw: str) -> float:
    try:
        return float(raw)
    except ValueError:
        detail = f"{_PREFIX}{name.upper()}={raw!r} is not a number of seconds."
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
