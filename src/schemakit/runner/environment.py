"""One execution of env.py on a session, observed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemakit.errors import EnvironmentFailed
from schemakit.sql import Name
from schemakit.sql import parser as sql_parser

from . import failure
from .declared import declares_table
from .heal import may_build_concurrently
from .results import Command
from .revisions import Applied

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ._alembic.journal import Journal
    from .directory import Directory
    from .reporter import Reporter
    from .target import Session


class Observation:
    """Who decides the steps of a run, and hears of every statement in it."""

    def __init__(
        self,
        steps: Callable[[Sequence[str]], list[Any]],
        before_index: Callable[[Connection, Name, str], str] | None = None,
        *,
        metadata: Any = None,
        compare: bool = False,
    ) -> None:
        self.decide = steps
        self.metadata = metadata
        self.compare = compare
        self.differences: list[str] = []
        self.journal: Journal | None = None
        self._before_index = before_index
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
        """*sql* is about to be sent."""
        if not self._busy and self.journal is not None:
            self.journal.sent(sql)

    def before(self, connection: Connection, sql: str) -> str:
        """Clear the way for an index that is built concurrently; return what to send."""
        if self._busy or self._before_index is None or not may_build_concurrently(sql):
            return sql
        index = sql_parser.concurrent_index(sql)
        if (
            index is None
            or connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT"
        ):
            return sql
        self._busy = True
        try:
            return self._before_index(connection, index, sql)
        finally:
            self._busy = False


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

    record = watch.journal = journal.Journal(command, reporter)
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
