"""What a rehearsal has done so far to what was there before: decided from what the server shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemakit.sql import Name
from schemakit.sql.effects.model import TableLock, strongest_of
from schemakit.sql.locks import LockMode

from .model import Measured

if TYPE_CHECKING:
    from schemakit.catalog.model import OwnLock, Relation

_TABLES, _INDEXES, _SEQUENCE = "rpm", "iI", "S"
_MOVED = LockMode.ROW_EXCLUSIVE  # what nextval() and setval() take on a sequence (sequence.c)


@dataclass(slots=True)
class Ledger:
    """The relations that were there before, and what has been seen of them since.

    Attributes:
        there: those relations, by oid.
        aside: the oid of the version table, which is no part of what revisions do.
    """

    there: dict[int, Relation]
    aside: int | None = None
    _held: dict[int, LockMode] = field(default_factory=dict)
    _files: dict[int, int] = field(default_factory=dict)
    _scans: dict[int, int] = field(default_factory=dict)
    _moved: set[int] = field(default_factory=set)

    def opened(self, locks: Iterable[OwnLock]) -> None:
        """The transaction holds *locks* already: they are none of the rehearsal's."""
        self.measured(0.0, locks)

    def measured(self, seconds: float, locks: Iterable[OwnLock]) -> Measured:
        """Return what has come since the last call, now that the transaction holds *locks*."""
        strongest: dict[int, OwnLock] = {}
        for lock in locks:
            known = strongest.get(lock.oid)
            if lock.oid in self.there and (known is None or _mode(known) < _mode(lock)):
                strongest[lock.oid] = lock
        found = list(strongest.values())
        return Measured(
            seconds,
            locks=self._new_locks(found),
            rewritten=self._rewritten(found),
            scanned=self._scanned(found),
            moved=self._newly_moved(found),
        )

    def _new_locks(self, found: Iterable[OwnLock]) -> tuple[TableLock, ...]:
        new = [lock for lock in found if self._held.get(lock.oid, 0) < _mode(lock)]
        new.sort(key=lambda lock: self._name(lock.oid))
        self._held |= {lock.oid: _mode(lock) for lock in new}
        taken = {lock.oid: _mode(lock) for lock in new}
        return strongest_of(
            TableLock(mode, self._name(oid))
            for oid, mode in taken.items()
            if self._tells(oid, mode)
        )

    def _tells(self, oid: int, mode: LockMode) -> bool:
        relation = self.there[oid]
        if oid == self.aside:
            return False
        if relation.kind not in _INDEXES or relation.table is None:
            return True
        # A lock on an index tells something only where its table is locked less.
        return mode >= LockMode.SHARE_UPDATE_EXCLUSIVE and self._held.get(relation.table, 0) < mode

    def _rewritten(self, found: Iterable[OwnLock]) -> tuple[Name, ...]:
        changed = []
        for lock in found:
            known = self._files.get(lock.oid, self.there[lock.oid].file)
            if lock.file not in (0, known) and self.there[lock.oid].kind in _TABLES:
                changed.append(lock.oid)
            if lock.file:
                self._files[lock.oid] = lock.file
        return self._names(changed)

    def _scanned(self, found: Iterable[OwnLock]) -> tuple[Name, ...]:
        read = []
        for lock in found:
            before = self._scans.get(lock.oid, self.there[lock.oid].scans)
            if lock.scans > before and self.there[lock.oid].kind in _TABLES:
                read.append(lock.oid)
            self._scans[lock.oid] = max(lock.scans, before)
        return self._names(read)

    def _newly_moved(self, found: Iterable[OwnLock]) -> tuple[Name, ...]:
        moved = [
            lock.oid
            for lock in found
            if self.there[lock.oid].kind == _SEQUENCE
            and _mode(lock) == _MOVED
            and lock.file == self.there[lock.oid].file  # else its position goes with the new file
            and lock.oid not in self._moved
        ]
        self._moved.update(moved)
        return self._names(moved)

    def _names(self, oids: Iterable[int]) -> tuple[Name, ...]:
        return tuple(sorted(self._name(oid) for oid in oids if oid != self.aside))

    def _name(self, oid: int) -> Name:
        relation = self.there[oid]
        return Name(relation.name, relation.schema)


def _mode(lock: OwnLock) -> LockMode:
    return LockMode.of_server(lock.mode)
