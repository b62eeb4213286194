"""What a look at a database finds: frozen values that print well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .results import heads_text
from .revisions import Revision

if TYPE_CHECKING:
    from schemakit.catalog.model import IndexName, KeyTrigger


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands.

    Attributes:
        database: its name.
        server: the server's version, e.g. ``18.6``.
        current: what its version table holds.
        heads: the heads of the migrations directory.
        pending: the revisions that ``upgrade`` to heads would apply, in that order.
        unknown: revisions in the database that this code does not know.
        invalid_indexes: what a broken CREATE INDEX CONCURRENTLY left behind.
        changed: applied revisions whose file has changed since, where a history is kept.
        key_triggers: of each table PARTITION BY LIST of a hash, what computes the key of a row
            that comes without.
    """

    database: str
    server: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[Revision, ...]
    unknown: tuple[str, ...] = ()
    invalid_indexes: tuple[IndexName, ...] = ()
    changed: tuple[Revision, ...] = ()
    key_triggers: tuple[KeyTrigger, ...] = ()

    @property
    def at_head(self) -> bool:
        """Whether nothing is pending and nothing unknown."""
        return not self.pending and not self.unknown

    def __str__(self) -> str:
        """A few lines, the verdict last."""
        lines = [
            f"database  {self.database} (PostgreSQL {self.server})",
            f"current   {heads_text(self.current)}",
            f"heads     {heads_text(self.heads)}",
        ]
        lines += [f"pending   {revision}" for revision in self.pending]
        lines += [f"unknown   {revision}" for revision in self.unknown]
        lines += [f"changed   {revision} (since it was applied)" for revision in self.changed]
        lines += [f"invalid   index {index}" for index in self.invalid_indexes]
        lines += [f"routing   {each.schema}.{each.table}: {each}" for each in self.key_triggers]
        lines.append(f"status    {self._verdict()}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        if self.unknown:
            return "ahead of this code"
        return f"{len(self.pending)} pending" if self.pending else "at head"


@dataclass(frozen=True, slots=True)
class Drift:
    """What `check` found: how the database differs from the metadata.

    Attributes:
        differences: one line of Alembic operations (Python source) for each difference.
        pending: revisions not yet applied; they are differences of their own.
    """

    differences: tuple[str, ...] = ()
    pending: tuple[Revision, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.differences or self.pending)

    def __str__(self) -> str:
        """A line each."""
        lines = [f"pending   {revision}" for revision in self.pending]
        lines += [f"differs   {difference}" for difference in self.differences]
        return "\n".join(lines) or "no difference"
