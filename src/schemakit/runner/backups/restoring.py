"""A backup is restored: by whichever way it was made."""

from __future__ import annotations

from dataclasses import dataclass

from schemakit.catalog.backup import Backup
from schemakit.errors import ConfigurationError
from schemakit.runner.flow import Flow
from schemakit.sql.name import Name

from .registry import Registry
from .returning import Restored, Return


@dataclass(frozen=True, slots=True)
class Restore:
    """A backup that is to be restored.

    Attributes:
        backup: it, or its name.
        registry: which has it.
        days: for how many days what is overwritten is kept.
        to: another table to make of it.
        drop_backup: whether a copy is removed afterwards.
        overwrite: whether what is there may be replaced.
        reason: why rows may be destroyed.
    """

    backup: Backup | str
    registry: Registry
    days: int
    to: Name | None = None
    drop_backup: bool = False
    overwrite: bool = False
    reason: str = ""

    def flow(self) -> Flow[Restored]:
        """A flow that does it, within one transaction."""
        entry = yield from self.registry.entry(self.backup)
        if entry.kind == "move" and self.to is None:
            back = Return(
                entry, self.registry, self.days, overwrite=self.overwrite, reason=self.reason
            )
            return (yield from back.flow())
        raise ConfigurationError("not yet")
