"""What stands around a partitioned table, and is locked with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemakit.sql.effects.model import TableLock, strongest_of
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The relations that a change of the tree locks beside its own.

    Attributes:
        default: the default leaf, if there is one.
        referenced: tables that the tree's foreign keys point at.
        referencing: tables whose foreign keys point at the tree.
        version: the server's major release.
    """

    default: Name | None = None
    referenced: tuple[Name, ...] = ()
    referencing: tuple[Name, ...] = ()
    version: int = 18

    def locked(self) -> Iterator[TableLock]:
        """Yield the locks that come with a new leaf, beside those on parent and leaf."""
        if self.default is not None:
            yield TableLock(LockMode.ACCESS_EXCLUSIVE, self.default)
        for table in self.referenced:
            yield TableLock(LockMode.SHARE_ROW_EXCLUSIVE, table)
        stronger = self.version >= 15  # noqa: PLR2004 - since then the trigger of the key is cloned
        mode = LockMode.SHARE_ROW_EXCLUSIVE if stronger else LockMode.ACCESS_SHARE
        for table in self.referencing:
            yield TableLock(mode, table)


ALONE = Neighbours()


def locking(*locks: TableLock) -> tuple[TableLock, ...]:
    """Return *locks*, the strongest first, one for each relation."""
    return strongest_of(locks)
