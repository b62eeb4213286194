"""A rehearsal: the revisions run for real, in one transaction that is always rolled back."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from schemakit.errors import ConfigurationError, TransactionRefused
from schemakit.runner import failure, wire
from schemakit.runner.environment import run
from schemakit.runner.limits import Limits
from schemakit.runner.reporter import Reporter
from schemakit.runner.roles import assumed
from schemakit.runner.target import Session

from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncTransaction

    from schemakit.catalog.model import Server
    from schemakit.runner.directory import Directory
    from schemakit.runner.results import Event
    from schemakit.runner.settings import Settings

    from .model import Plan, PlannedRevision

#: What the server says where a rehearsal differs from a run that commits on its way.
_DIFFERS = {
    "55P04": "a run commits the new enum value first, which a rehearsal cannot",
    "55006": "it is in one transaction with earlier revisions here; a run that commits between "
    "them may pass",
}
_LOCK_TIMEOUT = "55P03"


class _Silent(Reporter):
    """Nothing happens in a rehearsal that a log should take for a migration."""

    def __init__(self) -> None:
        super().__init__(None)

    def __call__(self, event: Event) -> None:
        """Tell nobody."""


async def rehearsed(
    session: Session, directory: Directory, plan: Plan, settings: Settings, server: Server
) -> Plan:
    """Return *plan* with what its revisions did when they ran on *session*.

    Raises:
        ConfigurationError: the server is a standby.
        TransactionRefused: a revision has ended the transaction behind the rehearsal's back.
    """
    if server.in_recovery:
        raise ConfigurationError(
            f"{server.database!r} is on a standby, which runs nothing.",
            remedy="rehearse on a copy that can be written.",
        )
    scripts = await directory.load()
    choose = scripts.upgrade_steps if plan.direction == "upgrade" else scripts.downgrade_steps

    def steps(heads: Sequence[str]) -> list[Any]:
        return list(choose(plan.target, heads))

    limits = Limits(settings, local=True)
    watch = Watch(steps, limits, session.sync)
    rehearsal = _Rehearsal(session, directory, plan, watch, settings)
    began = monotonic()
    transaction = await rehearsal.begun(limits)
    try:
        failed = await rehearsal.run()
    finally:
        await session.tidied(transaction.rollback)
        if session.alive:
            wire.forget_statements(wire.adapted(session.sync))
    return rehearsal.told(failed, monotonic() - began)


class _Rehearsal:
    """One rehearsal, between BEGIN and ROLLBACK."""

    def __init__(
        self, session: Session, directory: Directory, plan: Plan, watch: Watch, settings: Settings
    ) -> None:
        self.session, self.directory, self.plan = session, directory, plan
        self.watch, self.settings = watch, settings

    async def begun(self, limits: Limits) -> AsyncTransaction:
        """Begin the transaction, or a savepoint of the caller's, under its time-outs."""
        session = self.session
        session.spent = True  # it may keep what no rollback takes back, such as a session's lock
        await session.migrating()
        begin = session.connection.begin_nested if session.external else session.connection.begin
        transaction = await begin()
        try:
            await assumed(session, self.settings.role, limits.opening())
        except BaseException:
            await session.tidied(transaction.rollback)
            raise
        return transaction

    async def run(self) -> str:
        """Run the revisions; return why they did not get to their end, or ``""``."""
        session = self.session
        # To env.py and the revisions the transaction is the caller's: none of them can end it.
        lent = Session(session.connection, owned=False, external=True, level=session.level)
        try:
            await session.connection.run_sync(self._attend)
            await run(lent, self.directory, self.plan.direction, _Silent(), self.watch)
        except Exception as error:
            if not session.alive:
                raise
            return self._why(error)
        finally:
            self.watch.leave()
        if not self.watch.still_in_transaction():
            raise _escaped()
        return ""

    def _attend(self, _: Connection) -> None:
        self.watch.attend()

    def _why(self, error: Exception) -> str:
        if not self.watch.still_in_transaction():
            raise _escaped() from failure.cause_of(error)
        said = failure.brief(error)
        state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
        parts = [f"{type(error).__name__}: {said}"]
        if state == _LOCK_TIMEOUT:
            own = self.watch.lock_timeout
            seconds = self.settings.lock_timeout if own is None else own
            parts = [f"it did not get its lock in {seconds:g} s"]
        if state in _DIFFERS:
            parts.append(_DIFFERS[state])
        elif isinstance(error, TransactionRefused):
            parts = [f"it would end the transaction, which a rehearsal must not: {error.detail}"]
        if self.watch.left_out and state != _LOCK_TIMEOUT:
            count = self.watch.left_out
            parts.append(f"{count} before it not rehearsed, of which it may need one")
        return "; ".join(parts)

    def told(self, failed: str, seconds: float) -> Plan:
        """Return the plan with what has been seen."""
        watch, journal = self.watch, self.watch.journal
        done = {step.revision.id for step in watch.steps}
        at = journal.blamed.id if failed and journal and journal.blamed else ""
        in_statement = bool(failed) and watch.failed(failed)
        revisions = []
        for planned in self.plan.revisions:
            told = planned
            page = watch.pages.get(planned.revision.id)
            if planned.revision.id in done or page is not None or planned.revision.id == at:
                told = _told(planned, watch, finished=planned.revision.id in done)
            if planned.revision.id == at and not in_statement:
                told = replace(told, failed=failed)
            revisions.append(told)
        notes = _notes(revisions)
        if failed and not at:
            notes = (*notes, f"the rehearsal did not get to the revisions: {failed}")
        return replace(self.plan, revisions=tuple(revisions), rehearsed=seconds, notes=notes)


def _told(planned: PlannedRevision, watch: Watch, *, finished: bool) -> PlannedRevision:
    page = watch.pages.get(planned.revision.id)
    statements = tuple(page.statements) if page is not None else ()
    unknown = "" if finished else "what comes after the failure was not reached"
    return replace(planned, statements=statements, unknown=unknown, rehearsed=finished)


def _notes(revisions: list[PlannedRevision]) -> tuple[str, ...]:
    moved = sorted(
        {
            str(name)
            for planned in revisions
            for statement in planned.statements
            if statement.measured is not None
            for name in statement.measured.moved
        }
    )
    return tuple(f"the rehearsal has moved {name}; no rollback takes that back" for name in moved)


def _escaped() -> TransactionRefused:
    return TransactionRefused(
        "A revision has ended the rehearsal's transaction, past SQLAlchemy.",
        remedy="look at what it has committed; such a revision cannot be rehearsed.",
    )
