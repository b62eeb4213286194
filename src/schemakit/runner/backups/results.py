"""What a restore returns."""

from __future__ import annotations

from dataclasses import dataclass

from schemakit.catalog.backup import Backup, shown
from schemakit.sql.name import Name
from schemakit.sql.words import counted


@dataclass(frozen=True, slots=True)
class Restored:
    """What `restore_backup` did.

    Attributes:
        table: where the rows are now.
        backup: what was restored.
        rows: how many there are: of a move counted now, if that takes no time.
        overwritten: the backup of what was there before, if something was.
        unproven: foreign keys that rows do not keep any more: NOT VALID, or missing where one
            cannot be.
        left: what could not be put back, in words.
        exact: whether *rows* was counted, and not estimated.
        damaged: with ``to=…``, what of the backup is not as it was put away, in words; else empty.
    """

    table: Name
    backup: Backup
    rows: int
    overwritten: Backup | None = None
    unproven: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    exact: bool = True
    damaged: str = ""

    def __str__(self) -> str:
        """A line, and one for each thing that is not as it was."""
        rows = f"{'' if self.exact else 'about '}{counted(self.rows, 'row')}"
        lines = [f"restored {shown(self.table)} from {self.backup.name}: {rows}"]
        if self.overwritten is not None:
            lines.append(f"what was there is kept as {self.overwritten.name}")
        if self.damaged:
            lines.append(f"DAMAGED: {self.damaged}")
        lines += [f"not valid: {each}" for each in self.unproven]
        lines += [f"not put back: {each}" for each in self.left]
        return "\n".join(lines)
