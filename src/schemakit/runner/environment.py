"""One execution of env.py on a session, observed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from schemakit.errors import EnvironmentFailed, SchemakitError, StatementRefused
from schemakit.sql import Name, pooled, without_literals
from schemakit.sql.resumable import Resumable, resumable

from . import failure, wire
from .declared import declares_table
from .driver import drive, run_simple
from .results import Command
from .revisions import Applied
from .roles import assume
from .target import isolation_level

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from schemakit.catalog.model import LockHolder
    from schemakit.errors import RoutingFailed

    from ._alembic.journal import Journal
    from .directory import Directory
    from .ledger import Ledger
    from .limits import Limits
    from .reporter import Reporter
    from .session_state import SessionState
    from .target import Session


class Observation:
    """Who decides the steps of a run, and hears of every statement in it."""

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        steps: Callable[[Sequence[str]], list[Any]],
        resume: Callable[[Connection, Resumable, str], str] | None = None,
        *,
        limits: Limits | None = None,
        state: SessionState | None = None,
        lock_check: Callable[[], None] | None = None,
        done: int = 0,
        metadata: Any = None,
        compare: bool = False,
    ) -> None:
        self.decide = steps
        self.limits = limits
        self.done = done  # revisions that earlier attempts have applied
        self.sends = 0
        self.blockers: tuple[LockHolder, ...] = ()
        self.routing: RoutingFailed | None = None  # why a row found no partition, if that failed
        self.silent = False
        self.ledger: Ledger | None = None
        self.yields = False  # whether a revision that waits may be cancelled, to come back later
        self.yielded = False
        self._state = state
        self._lock_check = lock_check
        self.metadata = metadata
        self.compare = compare
        self.differences: list[str] = []
        self.journal: Journal | None = None
        self.outside = False  # the last statement of the revision ran outside a transaction
        self._resumable: dict[str, int] = {}
        self._resume = resume
        self._busy = False

    @property
    def failure(self) -> BaseException | None:
        """What a revision raised, even if env.py hid it."""
        return self.journal.failure if self.journal else None

    @property
    def steps(self) -> Sequence[Any]:
        """The revisions that have run."""
        return self.journal.steps if self.journal else ()

    @property
    def version_table(self) -> Name | None:
        """The version table, if env.py got as far as naming it, and named one only."""
        configured = self.journal.configured if self.journal else []
        return configured[0].table if len(configured) == 1 else None

    def statement(self, sql: str) -> None:
        """*sql* is about to be sent.

        Raises:
            StatementRefused: a transaction pooler stands between, which cannot honour it.
        """
        self.sends += 1
        if self.limits is not None and self.limits.name:
            _refuse_session_only(sql)
        if not self._busy and self.journal is not None:
            self.journal.sent(sql)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Have nothing be seen but what `own` is told: a flow of ours runs in a revision."""
        before, self._busy = self._busy, True
        try:
            yield
        except SchemakitError:
            if self.journal is not None:
                self.journal.statement = None  # it refuses the call, not what it asked last
            raise
        finally:
            self._busy = before

    def own(self, sql: str) -> None:
        """A flow of ours is about to send *sql* for the revision."""
        self.sends += 1
        if self.journal is not None:
            self.journal.sent(sql)

    def may_yield(self, adapted: object, /) -> bool:
        """Whether what waits now may be cancelled: it is rolled back whole, and has a limit."""
        journal = self.journal
        return (
            self.yields
            and journal is not None
            and journal.revision is not None
            and not journal.partial
            and self.limits is not None
            and self.limits.bounded
            and wire.in_transaction(adapted)
        )

    def applied(self, connection: Connection, table: Name, revision: str, path: str) -> None:
        """*revision* has run from the file *path*, and *table* says so."""
        if self.ledger is not None and self.journal is not None:
            command, seconds = self.journal.command, self.journal.running_for
            self._set(connection, self.ledger.row(table, revision, command, seconds, path))

    def transaction(self, connection: Connection) -> None:
        """A transaction begins, which may need limits of its own."""
        if self.limits is not None and self.limits.each and not _autocommits(connection):
            assume(connection, self.limits.settings.role, self.limits.opening())

    @contextmanager
    def elsewhere(self, connection: Connection) -> Iterator[None]:
        """Have the limits hold in each transaction of *connection*, which env.py has opened."""
        limits = self.limits
        if limits is None:
            yield
            return
        self.limits = replace(limits, local=True, each=True)
        try:
            if connection.in_transaction():
                self.transaction(connection)
            yield
        finally:
            self.limits = limits

    def revision(self, connection: Connection, lock_timeout: float | None) -> None:
        """A revision begins, which asks for a *lock_timeout* of its own, or does not."""
        if self._lock_check is not None:
            self._lock_check()
        self._set(connection, self.limits.revision(lock_timeout) if self.limits else "")

    def autocommit_block(self) -> AbstractContextManager[None] | None:
        """Return what takes the place of an ``autocommit_block()``; None: nothing does."""
        return None

    def before(self, connection: Connection, sql: str) -> str:
        """Clear the way for *sql*; return what to send."""
        if self._busy:
            return sql
        step = self._noted(connection, sql)
        self._prepare(connection, sql)
        if step is None or self._resume is None:
            return sql
        self._busy = True
        try:
            return self._resume(connection, step, sql)
        finally:
            self._busy = False

    def _noted(self, connection: Connection, sql: str) -> Resumable | None:
        """Remember whether *sql* runs outside a transaction; return it if it can be resumed."""
        self.outside = _autocommits(connection)
        step = resumable(sql) if self.outside else None
        journal = self.journal
        if step is not None and journal is not None and journal.revision is not None:
            count = self._resumable.get(journal.revision.id, 0)
            if count == journal.sends - 1:  # all that it has sent so far
                self._resumable[journal.revision.id] = count + 1
        return step

    def can_resume(self, parts: dict[str, int]) -> bool:
        """Whether the next run can go on by itself from *parts*: of revisions, so many statements.

        Of each these were its first ones, and they are kept.
        """
        return all(self._resumable.get(revision, 0) >= sends for revision, sends in parts.items())

    def _prepare(self, connection: Connection, sql: str) -> None:
        if self._state is not None:
            drive(connection, self._state.statement(sql), lambda _: None)
        if self.limits is not None and self.journal is not None and self.journal.revision:
            self._set(connection, self.limits.statement(sql, lambda: _autocommits(connection)))

    def _set(self, connection: Connection, sql: str) -> None:
        if sql:
            run_simple(connection, sql)


def _refuse_session_only(sql: str) -> None:
    what = pooled.session_only(sql)
    if what is not None:
        detail = f"{what} needs a session, and a transaction pooler gives none: "
        raise StatementRefused(detail + without_literals(sql), remedy=pooled.way_out(what))


def _autocommits(connection: Connection) -> bool:
    return isolation_level(connection) == "AUTOCOMMIT"


@dataclass(frozen=True, slots=True)
class EnvironmentRun:
    """What a run of env.py showed.

    Attributes:
        version_table: the version table of its first ``configure``.
        table: the same, if env.py need not run again to tell it.
        heads: what it held before.
        single: whether there was one ``configure`` only.
        applied: the revisions that ran.
        expected: the heads that the last of them left; None if none ran.
    """

    version_table: Name
    table: Name | None
    heads: tuple[str, ...]
    single: bool
    applied: tuple[Applied, ...]
    expected: frozenset[str] | None


async def run(  # noqa: PLR0913 - the parts of a run
    session: Session,
    directory: Directory,
    command: Command,
    reporter: Reporter,
    watch: Observation,
    *,
    probing: bool = False,
    purge: bool = False,
) -> EnvironmentRun:
    """Execute env.py, or do what it would do, on *session*.

    Args:
        session: where.
        directory: of which migrations directory.
        command: for the events.
        reporter: gets the events.
        watch: decides the steps and sees the statements.
        probing: nothing is to be written, and what env.py writes is rolled back.
        purge: empty the version table first.
    """
    work = await asyncio.to_thread(_prepared, directory, session, command, reporter, watch)
    context = {"dont_mutate": True} if probing else {"purge": purge}
    await session.migrating()
    try:
        await session.connection.run_sync(work, context, keep=not probing)
    except Exception as error:
        hidden = failure.unmasked(error)
        if hidden is error:
            raise
        raise hidden from None
    if probing:
        await session.resting()
    journal = watch.journal
    if journal is None or not journal.configured:
        raise EnvironmentFailed("It never called context.run_migrations().")
    if journal.failure is not None:  # env.py caught it and went on
        raise journal.failure
    return _shown(directory, journal)


def _prepared(
    directory: Directory,
    session: Session,
    command: Command,
    reporter: Reporter,
    watch: Observation,
) -> Callable[..., None]:
    """Import Alembic and read the configuration: the part that need not run on the loop."""
    from ._alembic import config, environment, journal, scripts  # noqa: PLC0415 - in a thread

    record = watch.journal = journal.Journal(command, reporter, watch.done, reporter.unheard)
    built = config.build_config(directory.located, session.connection.engine.url)
    bare = scripts.environment_directory(built)

    def work(connection: Connection, context: dict[str, Any], *, keep: bool) -> None:
        errand = environment.Errand(
            steps=lambda heads, _: watch.decide(heads),
            journal=record,
            observe=watch,
            options=directory.located.options,
            external=session.external,
            context=context,
            metadata=watch.metadata,
            differences=watch.differences if watch.compare else None,
        )
        environment.run_environment(connection, built, bare, errand, keep=keep)

    return work


def _shown(directory: Directory, journal: Journal) -> EnvironmentRun:
    first, single = journal.configured[0], len(journal.configured) == 1
    plain = single and first.plain and journal.strays == 0
    return EnvironmentRun(
        version_table=first.table,
        table=first.table if plain and _declared(directory, first.table) else None,
        heads=tuple(sorted(first.heads)),
        single=single,
        applied=tuple(step.applied for step in journal.steps),
        expected=journal.steps[-1].heads if journal.steps and single else None,
    )


def _declared(directory: Directory, table: Name) -> bool:
    env_py = directory.located.env_py
    if not env_py.exists():
        return True
    try:
        source = env_py.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return declares_table(source, table)
