"""A table that was moved away comes back: the same objects, tied to the living again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.exc import DBAPIError

from schemakit.catalog import archive
from schemakit.catalog.backup import Backup, Source, shown
from schemakit.errors import BackupMissing, RestoreRefused
from schemakit.runner import broken
from schemakit.runner.flow import Fetch, Flow, Run
from schemakit.safety.foreign_keys import Proof
from schemakit.safety.manifest import Manifest
from schemakit.safety.moves import move
from schemakit.sql.plan import Statement

from .counting import rows_of
from .elsewhere import parents_there
from .moving import SPOKEN, Drop
from .pins import under
from .registry import Registry
from .results import Restored
from .sending import sent
from .verifying import content, same_content, same_facets, same_number

#: NOT NULL, foreign key, unique, check and exclusion violations.
_VIOLATIONS = frozenset({"23502", "23503", "23505", "23514", "23P01"})
_SAVEPOINT = "schemakit_proof"


@dataclass(frozen=True, slots=True)
class Return:
    """A move that is to be undone.

    Attributes:
        backup: the move.
        registry: which has it.
        days: for how many days what is overwritten is kept.
        overwrite: whether what has its name now may be moved away.
        reason: why rows may be destroyed.
        unverified: whether it may come back as it is now, whatever that is.
    """

    backup: Backup
    registry: Registry
    days: int
    overwrite: bool = False
    reason: str = ""
    unverified: bool = False

    def flow(self) -> Flow[Restored]:
        """A flow that brings the table back, within one transaction."""
        return under(SPOKEN, self._returned())

    def _returned(self) -> Flow[Restored]:
        if not self.backup.there:
            raise BackupMissing(f"{shown(self.backup.relation)} is not there.")
        manifest = yield from self.registry.manifest(self.backup)
        yield from parents_there(manifest.portrait)
        if not (yield from self.registry.forgotten(self.backup)):
            raise BackupMissing(f"{self.backup.name} was restored or removed by another process.")
        rows, exact = yield from self._looked_at(manifest)
        overwritten = yield from self._out_of_the_way()
        way = move(manifest.portrait, self.backup.name)
        yield from sent(way.back)
        unproven = yield from proven(way.proofs)
        name = self.backup.original
        return Restored(name, self.backup, rows, overwritten, unproven, exact=exact)

    def _looked_at(self, manifest: Manifest) -> Flow[tuple[int, bool]]:
        """A flow that counts what comes back, and compares it with what is known of it.

        A digest is what somebody wanted to rely on: it is worth reading the table for. Without one
        nobody can tell an edit, and the return stays instantaneous.
        """
        backup = self.backup
        if backup.digest is not None and not self.unverified:
            yield Run(f"LOCK TABLE {backup.relation} IN ACCESS EXCLUSIVE MODE")
            yield from same_facets(backup, manifest)
            found = yield from content(backup.relation)
            same_content(backup, found)
            return found.rows, True
        source: Source | None
        place = backup.relation
        source = yield Fetch(partial(archive.source, name=place.name, schema=place.schema))
        rows = (backup.rows, False) if source is None else (yield from rows_of(source))
        if rows[1] and backup.exact and not self.unverified:
            same_number(backup, rows[0])
        return rows

    def _out_of_the_way(self) -> Flow[Backup | None]:
        name = self.backup.original
        found: Source | None
        found = yield Fetch(partial(archive.source, name=name.name, schema=name.schema))
        if found is None:
            return None
        if not self.overwrite:
            raise RestoreRefused(f"There is another {shown(name)} now.")
        drop = Drop(name, self.registry, self.days, reason=self.reason, action="restore_backup")
        return (yield from drop.flow())


def proven(proofs: Iterable[Proof]) -> Flow[tuple[str, ...]]:
    """A flow that proves foreign keys, each by itself; returns in words those that do not hold."""
    unproven: list[str] = []
    for proof in proofs:
        if not (yield from attempted(proof.statements)):
            missing = ", which is missing now" if proof.puts_back else ""
            unproven.append(f"foreign key {proof.constraint} of {shown(proof.table)}{missing}")
    return tuple(unproven)


def attempted(statements: Iterable[Statement]) -> Flow[bool]:
    """A flow that runs *statements*, unless rows break what they claim; says whether it did."""
    yield Run(f"SAVEPOINT {_SAVEPOINT}")
    try:
        yield Run(";\n".join(each.sql for each in statements), long=True)
    except DBAPIError as error:
        if getattr(broken.origin(error), "sqlstate", None) not in _VIOLATIONS:
            raise
        yield Run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")
        return False
    yield Run(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    return True
