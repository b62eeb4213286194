"""Who watches a rehearsal: leaves out what must not run in it, and measures the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from schemakit.catalog import read
from schemakit.errors import StatementRefused
from schemakit.runner import wire
from schemakit.runner.driver import run_simple
from schemakit.runner.environment import Observation
from schemakit.sql import leading_keyword, parser
from schemakit.sql.delivery import statements_of
from schemakit.sql.effects.sequences import Movement, movement
from schemakit.sql.lexer import tokens
from schemakit.sql.locks import LockMode

from .ledger import Ledger
from .plan import planned_statement

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.runner.limits import Limits
    from schemakit.sql import Name

    from .model import PlannedStatement

_NOTHING = "-- not rehearsed"  # what is sent instead: the driver sees that there is no statement
_LOOKS = frozenset(("select", "show", "with", "values", "table"))
_SAVEPOINTS = frozenset(("savepoint", "release", "rollback"))


@dataclass(slots=True)
class Page:
    """What a revision has sent so far; the last one is still running if *began* is set."""

    statements: list[PlannedStatement] = field(default_factory=list)
    began: float | None = None

    def amend(self, **changes: Any) -> None:
        """Change the last statement, and end it."""
        self.statements[-1] = replace(self.statements[-1], **changes)
        self.began = None


class Watch(Observation):
    """Decides the steps of a rehearsal, and what of it is sent.

    Attributes:
        pages: what each revision has sent, by its id.
        left_out: how many statements were not sent.
        lock_timeout: what the revision that is running asks for, in seconds; None if nothing.
    """

    def __init__(
        self,
        steps: Callable[[Sequence[str]], list[Any]],
        limits: Limits,
        connection: Connection,
    ) -> None:
        super().__init__(steps, limits=limits)
        self.pages: dict[str, Page] = {}
        self.left_out = 0
        self.lock_timeout: float | None = None
        self._connection = connection
        self._made: set[Name] = set()
        self._autocommit = False
        self._announced = self._attends = False
        self._ledger = Ledger({})

    def attend(self) -> None:
        """See every statement on the connection from now on."""
        self._ledger = Ledger(read.relations(self._connection))
        self._ledger.opened(read.own_locks(self._connection))
        event.listen(self._connection, "before_cursor_execute", self._before, retval=True)
        event.listen(self._connection, "after_cursor_execute", self._after)
        self._attends = True

    def leave(self) -> None:
        """See no further statement."""
        if self._attends:
            event.remove(self._connection, "after_cursor_execute", self._after)
            event.remove(self._connection, "before_cursor_execute", self._before)
            self._attends = False

    def autocommit_block(self) -> AbstractContextManager[None]:
        """Stay in the transaction: what cannot run there is left out one by one."""
        return self._staying()

    @contextmanager
    def _staying(self) -> Iterator[None]:
        self._autocommit = True
        try:
            yield
        finally:
            self._autocommit = False

    def revision(self, connection: Connection, lock_timeout: float | None) -> None:
        """A revision begins, which asks for a *lock_timeout* of its own, or does not."""
        self.lock_timeout = lock_timeout
        super().revision(connection, lock_timeout)

    def statement(self, sql: str) -> None:
        """*sql* is about to be sent; it may come from a raw cursor, past SQLAlchemy."""
        if self._busy:
            return
        super().statement(sql)
        announced, self._announced = self._announced, False
        if announced or not self._in_revision:
            return
        why = self._write_down(sql)
        if why:
            raise StatementRefused(why, remedy="a raw cursor's statement cannot be left out.")
        self._page.amend(reason="by a raw cursor: not measured")

    def own(self, sql: str) -> None:
        """A flow of ours is about to send *sql*; it is written down, and not left out."""
        super().own(sql)
        self._settle()
        for part in statements_of(sql, parser.split) if self._in_revision else ():
            planned = planned_statement(part, self._made, autocommit=self._autocommit)
            if leading_keyword(part) != "select" and not _is_aside(planned):
                own = replace(planned, reason="schemakit's own: not measured")
                self._page.statements.append(own)
                self._page.began = None

    def failed(self, why: str) -> bool:
        """Whether a statement was running, which is noted to have failed since *why*."""
        page = self._page if self.journal and self.journal.blamed else Page()
        if page.began is None:
            return False
        page.amend(failed=why)
        return True

    @property
    def _page(self) -> Page:
        journal = self.journal
        blamed = journal.blamed if journal else None
        return self.pages.setdefault(blamed.id if blamed else "", Page())

    @property
    def _in_revision(self) -> bool:
        return bool(self._connection.__dict__.get("_schemakit_in_revision"))

    def _before(  # noqa: PLR0913, PLR0917 - SQLAlchemy's signature
        self,
        connection: Connection,
        cursor: Any,  # noqa: ARG002 - the same
        statement: str,
        parameters: Any,
        context: Any,  # noqa: ARG002 - the same
        executemany: bool,  # noqa: ARG002, FBT001 - the same
    ) -> tuple[str, Any]:
        if self._busy or not self._in_revision:
            return statement, parameters
        self._settle()
        parts = statements_of(statement, parser.split)
        if len(parts) > 1 and not any(map(_takes_parameters, parts)):
            # One by one, so that each is measured; the last one goes its own way.
            for part in parts[:-1]:
                self._sent(connection, part)
            statement = parts[-1]
        self._announced = True
        if self._write_down(statement):
            return _NOTHING, ()
        return statement, parameters

    def _sent(self, connection: Connection, part: str) -> None:
        if not self._write_down(part):
            run_simple(connection, part)
            self._after()

    def _after(self, *_: Any) -> None:
        if self._busy or not self._in_revision or self._page.began is None:
            return
        seconds = monotonic() - self._page.began
        if self._ledger.aside is None and self.version_table is not None:
            self._ledger.aside = self._asked(read.relation_oid, str(self.version_table))
        self._page.amend(measured=self._ledger.measured(seconds, self._asked(read.own_locks)))

    def _settle(self) -> None:
        if self._page.began is not None:  # it raised, and the revision went on
            self._page.amend(failed="it failed, and the revision went on")

    def _write_down(self, sql: str) -> str:
        """Write *sql* down; return why it is to be left out, or ``""``."""
        planned = planned_statement(sql, self._made, autocommit=self._autocommit)
        if _is_aside(planned):
            return ""
        why = self._obstacle(planned)
        self._page.statements.append(replace(planned, skipped=why))
        self.left_out += bool(why)
        self._page.began = None if why else monotonic()
        return why

    def _obstacle(self, planned: PlannedStatement) -> str:
        if planned.in_transaction == "no":
            return "it cannot run in a transaction"
        moved = self._would_move(movement(planned.sql))
        return f"it would move {moved}, which no rollback takes back" if moved else ""

    def _would_move(self, moves: Movement) -> str:
        """Return the sequence that is there before and would be moved, in words."""
        if moves.hidden:
            return "a sequence"
        for named in moves.named:
            oid = self._asked(read.relation_oid, named)
            if oid is None or oid in self._ledger.there:
                return f"the sequence {named}"
        for table in moves.of_tables:
            oid = self._asked(read.relation_oid, table)
            if oid is None or oid in self._ledger.there:
                return f"a sequence of {table}"
        for insertion in moves.insertions:
            into = self._ledger.there.get(self._asked(read.relation_oid, str(insertion.table)))
            if into is not None and into.kind == "v":
                return f"a sequence behind the view {into.name}"
            for column in self._asked(read.sequences_of, insertion.table):
                there = self._ledger.there.get(column.sequence)
                if there is not None and not insertion.gives(column.column, column.number):
                    return f"the sequence {there.name} of column {column.column}"
        return ""

    def _asked(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """Ask the catalog, unseen by everybody who watches the statements."""
        before, self._busy = self._busy, True
        try:
            return question(self._connection, *arguments)
        finally:
            self._busy = before

    def still_in_transaction(self) -> bool:
        """Whether the rehearsal's transaction is still open on the server."""
        driver = wire.adapted(self._connection).driver_connection
        return bool(driver.is_in_transaction())


def _takes_parameters(sql: str) -> bool:
    return any(kind == "parameter" for kind, _ in tokens(sql))


def _is_aside(planned: PlannedStatement) -> bool:
    """Whether it is a savepoint, or reads the catalog only, as SQLAlchemy's inspector does."""
    keyword = leading_keyword(planned.sql)
    if keyword in _SAVEPOINTS:
        return planned.in_transaction == "yes"
    return (
        planned.known
        and keyword in _LOOKS
        and all(lock.mode == LockMode.ACCESS_SHARE for lock in planned.locks)
        and all(_of_catalog(lock.relation) for lock in planned.locks if lock.relation)
        and movement(planned.sql) == Movement()
    )


def _of_catalog(name: Name) -> bool:
    if name.schema is None:
        return name.name.startswith("pg_")
    return name.schema in ("pg_catalog", "information_schema")
