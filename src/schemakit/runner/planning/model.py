"""What `plan` returns: frozen values that print well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from textwrap import indent
from typing import Literal

from schemakit.runner.results import duration_text, heads_text
from schemakit.runner.revisions import Revision
from schemakit.sql import Name, without_literals
from schemakit.sql.effects.model import Answer, TableLock, locks_text
from schemakit.sql.locks import LockMode

Direction = Literal["upgrade", "downgrade"]

#: So many statements that differ in their values only are printed; the others are counted.
_ALIKE = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """What a statement really did in a rehearsal, read from the server after it.

    Attributes:
        seconds: how long it took, the way to the server and back included.
        locks: that it took on what was there before; those held already are not repeated.
        rewritten: relations of these that got a new file.
        scanned: tables of these that were read from end to end.
        moved: sequences of these that it has moved; no rollback takes that back.
    """

    seconds: float
    locks: tuple[TableLock, ...] = ()
    rewritten: tuple[Name, ...] = ()
    scanned: tuple[Name, ...] = ()
    moved: tuple[Name, ...] = ()

    def __str__(self) -> str:
        """``12 ms · SHARE on "public"."t" · scanned "public"."t"``."""
        done = (("rewrote", self.rewritten), ("scanned", self.scanned), ("moved", self.moved))
        told = [f"{word} {', '.join(map(str, names))}" for word, names in done if names]
        locks = locks_text(self.locks) or "no further lock"
        return " · ".join([duration_text(self.seconds), locks, *told])


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """A statement that would run.

    Attributes:
        sql: its text.
        locks: what it locks, the strongest first, as far as the text tells.
        in_transaction: whether the server runs it inside a transaction block.
        rewrites: whether it writes a table and its indexes anew.
        scans: whether it reads a whole table.
        reason: why, or what to know about it; may be empty.
        known: False where nothing can be said before it runs.
        autocommit: whether the revision runs it outside its transaction.
        measured: what it did in the rehearsal, if it ran there.
        skipped: why the rehearsal left it out; empty if it did not.
        failed: why it failed in the rehearsal; empty if it did not.
    """

    sql: str
    locks: tuple[TableLock, ...] = ()
    in_transaction: Answer = "yes"
    rewrites: Answer = "no"
    scans: Answer = "no"
    reason: str = ""
    known: bool = True
    autocommit: bool = False
    measured: Measured | None = None
    skipped: str = ""
    failed: str = ""

    @property
    def brief(self) -> bool:
        """Whether it takes no longer on a large table than on an empty one."""
        return self.known and self.rewrites == "no" and self.scans == "no"

    @property
    def refused(self) -> bool:
        """Whether the server will refuse it, since the revision runs it in a transaction."""
        return self.in_transaction == "no" and not self.autocommit

    def __str__(self) -> str:
        """What it does, in a line; and what it did in the rehearsal, in another."""
        lines = [" · ".join(part for part in (*self._effects(), self.reason) if part)]
        if self.measured is not None:
            lines.append(f"rehearsed: {self.measured}")
        if self.skipped:
            lines.append(f"not rehearsed: {self.skipped}")
        if self.failed:
            lines.append(f"failed: {self.failed}")
        return "\n".join(lines)

    def _effects(self) -> Iterator[str]:
        if self.known or self.locks:
            yield locks_text(self.locks) or "no lock"
        if self.known:
            yield self._duration()
        if self.refused:
            yield "refused in a transaction: needs an autocommit_block()"
        elif self.autocommit or self.known:
            yield "outside the transaction" if self.autocommit else "in transaction"

    def _duration(self) -> str:
        for answer, words in ((self.rewrites, "rewrite"), (self.scans, "scan")):
            if answer == "yes":
                return f"{words}s"
            if answer == "maybe":
                return f"may {words}"
        return "brief"


@dataclass(frozen=True, slots=True)
class PlannedRevision:
    """A revision that would run.

    Attributes:
        revision: which.
        statements: what it would send, in that order.
        unknown: why its further statements cannot be known; empty if all are.
        failed: what ended the rehearsal in it, if no statement did; empty if nothing.
        rehearsed: whether the rehearsal got to its end.
    """

    revision: Revision
    statements: tuple[PlannedStatement, ...] = ()
    unknown: str = ""
    failed: str = ""
    rehearsed: bool = False

    @property
    def held(self) -> tuple[TableLock, ...]:
        """What it locks against writers or readers, and keeps while further statements run."""
        inside = [each for each in self.statements if each.in_transaction != "no"]
        inside = [each for each in inside if not (each.autocommit or each.refused)]
        strongest: dict[str, TableLock] = {}
        for lock in (lock for each in inside[:-1] for lock in each.locks if not lock.new):
            known = strongest.get(lock.where)
            if lock.mode >= LockMode.SHARE and (known is None or lock.mode > known.mode):
                strongest[lock.where] = lock
        return tuple(sorted(strongest.values(), key=lambda lock: lock.mode, reverse=True))

    def __str__(self) -> str:
        """Its id and what it is for, its statements, each with what it does."""
        lines = [f"{self.revision.id}, {self.revision.doc}".removesuffix(", ")]
        for _, alike in groupby(self.statements, _shape):
            lines += _few(list(alike))
        if not self.statements and not self.unknown:
            lines.append("  no statement")
        if self.held:
            lines.append(f"  held to the end of the revision: {locks_text(self.held)}")
        if self.unknown:
            lines.append(f"  unknown: {self.unknown}")
        if self.failed:
            lines.append(f"  failed: {self.failed}")
        return "\n".join(lines)


def _shape(statement: PlannedStatement) -> tuple[str, str]:
    return without_literals(statement.sql), f"{statement.skipped}{statement.failed}"


def _few(alike: list[PlannedStatement]) -> Iterator[str]:
    for statement in alike[:_ALIKE]:
        yield indent(statement.sql, "  ")
        yield indent(str(statement), "    ")
    if len(alike) > _ALIKE:
        yield f"  … and {len(alike) - _ALIKE} more like it"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would run on a database, from where it stands now.

    Attributes:
        database: its name.
        server: the server's version, e.g. ``18.6``.
        direction: ``upgrade`` or ``downgrade``.
        target: the revision that was asked for.
        current: what its version table holds.
        revisions: what would run, in that order.
        ahead: revisions in the database that this code does not know (then nothing would run).
        rehearsed: seconds that the rehearsal took; None if there was none.
        notes: what else is to be known; lines.
    """

    database: str
    server: str
    direction: Direction
    target: str
    current: tuple[str, ...] = ()
    revisions: tuple[PlannedRevision, ...] = ()
    ahead: tuple[str, ...] = ()
    rehearsed: float | None = None
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.revisions)

    @property
    def statements(self) -> tuple[PlannedStatement, ...]:
        """The statements of all revisions."""
        return tuple(each for planned in self.revisions for each in planned.statements)

    @property
    def complete(self) -> bool:
        """Whether every statement is known that would run."""
        return not any(planned.unknown for planned in self.revisions)

    @property
    def failed(self) -> str:
        """Why the rehearsal ended before its end; empty if it did not."""
        for planned in self.revisions:
            for statement in planned.statements:
                if statement.failed and not planned.rehearsed:
                    return f"{planned.revision.id}: {statement.failed}"
            if planned.failed:
                return f"{planned.revision.id}: {planned.failed}"
        return ""

    def __str__(self) -> str:
        """A line that sums up, then each revision with its statements."""
        parts = [self._summary(), *map(str, self.revisions)]
        if self.notes:
            parts.append("\n".join(f"note: {note}" for note in self.notes))
        if self.rehearsed is not None:
            parts.append(self._rehearsal())
        return "\n\n".join(parts)

    def _summary(self) -> str:
        if self.ahead:
            unknown = ", ".join(self.ahead)
            return f"nothing to {self.direction}: the database is ahead of this code ({unknown})"
        if not self:
            return f"nothing to {self.direction}: already at {heads_text(self.current)}"
        counted = f"{_count(len(self.revisions), 'revision')}, "
        counted += _count(len(self.statements), "statement")
        more = "" if self.complete else " and more"
        return f"{self.direction} from {heads_text(self.current)} to {self.target}: {counted}{more}"

    def _rehearsal(self) -> str:
        took = duration_text(self.rehearsed or 0)
        skipped = sum(bool(each.skipped) for each in self.statements)
        left_out = f"; {_count(skipped, 'statement')} not rehearsed" if skipped else ""
        if self.failed:
            return f"rehearsal failed after {took} and was rolled back{left_out}\n{self.failed}"
        return f"rehearsed in {took} and rolled back{left_out}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
