"""Transactions of flows: begun with the limits they run under, tried again whole, rolled back.

Inside a transaction that somebody else ends, a migration's or the caller's, a flow gets a savepoint
instead, and is not tried again: the locks that were in its way would stay.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from schemakit.errors import PlanFailed, TransactionRefused
from schemakit.sql.resumable import resumable
from schemakit.sql.text import is_concurrent

from . import broken, failure
from .flow import Flow, Inside, Notify, Run, Sleep
from .heal import resumed
from .limits import LIFTED
from .results import in_the_way
from .retry import Met, Patience

if TYPE_CHECKING:
    from schemakit.catalog.model import LockHolder
    from schemakit.sql.plan import Plan, Step

_T = TypeVar("_T")
_SAVEPOINT = "schemakit"


@dataclass(slots=True, eq=False)
class Attempt:
    """What is known of the attempt under way; `perform` has a watchdog fill it in.

    Attributes:
        blockers: who was in the way.
        yields: whether what waits for a lock may be cancelled, to be tried again.
        yielded: whether it was.
        changed: whether something may have been SET for the session, and not for a transaction.
    """

    blockers: tuple[LockHolder, ...] = ()
    yields: bool = False
    yielded: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Transactions:
    """How the flows of one call begin, end and repeat their transactions.

    Attributes:
        command: the call's name, for events.
        opening: what each transaction begins with: its time-outs and role.
        session: whether the session is ours, and may be SET to run what is CONCURRENTLY.
        retry_for: seconds for which a transaction that met a lock or a deadlock is tried again.
        attempt: what is known of the one under way.
    """

    command: str = ""
    opening: str = ""
    session: bool = False
    retry_for: float = 0.0
    attempt: Attempt = field(default_factory=Attempt)

    def atomically(self, work: Callable[[], Flow[_T]], *, mode: str = "") -> Flow[_T]:
        """A flow that does *work* in one transaction.

        Args:
            work: makes the flow; called again for each attempt.
            mode: for BEGIN, e.g. ``ISOLATION LEVEL REPEATABLE READ``. Somebody else's transaction
                keeps its own.
        """
        inside: bool = yield Inside()
        if inside:
            return (yield from _between(f"SAVEPOINT {_SAVEPOINT}", work(), *_SAVEPOINT_ENDS))
        begin = "; ".join(part for part in (f"BEGIN {mode}".rstrip(), self.opening) if part)
        return (yield from self._patiently(lambda: _between(begin, work(), "COMMIT", "ROLLBACK")))

    def applied(self, plan: Plan) -> Flow[None]:
        """A flow that runs *plan*, with a COMMIT after each step.

        Raises:
            TransactionRefused: it needs more than one, inside somebody else's transaction.
            PlanFailed: a step failed; those before it are done.
        """
        inside: bool = yield Inside()
        if inside and (len(plan.steps) > 1 or not plan.transactional):
            raise TransactionRefused(_needs(plan))
        for number, step in enumerate(plan.steps):
            try:
                yield from self._step(step, inside=inside)
            except DBAPIError as error:
                if broken.is_lost(error):
                    raise
                raise plan_failed(error, plan, number, self.attempt.blockers) from (
                    failure.cause_of(error)
                )

    def _step(self, step: Step, *, inside: bool) -> Flow[None]:
        if inside:
            yield Run(step.sql, long=True)
        elif step.transactional:
            # In one message, and so in one transaction: an error rolls all of it back.
            text = ";\n".join(part for part in (self.opening, step.sql) if part)
            yield from self._patiently(lambda: _run(text))
        else:
            yield from self._alone(step.sql)

    def _alone(self, sql: str) -> Flow[None]:
        if self.session and is_concurrent(sql):
            self.attempt.changed = True
            yield Run(LIFTED)
        found = resumable(sql)
        if found is not None:
            sql = yield from resumed(found, sql, self.command)
        if sql:
            yield Run(sql, long=True)

    def _patiently(self, work: Callable[[], Flow[_T]]) -> Flow[_T]:
        patience = Patience(self.retry_for)
        while True:
            self.attempt.yields, self.attempt.yielded = patience.left > _LEFT_FOR_YIELDING, False
            try:
                return (yield from work())
            except DBAPIError as error:
                state = getattr(broken.origin(error), "sqlstate", None)
                known = self.attempt
                met = Met(state, self.command, known.blockers, yielded=known.yielded)
                again = patience.after(met, self.command)
                if again is None:
                    raise
            finally:
                self.attempt.yields = False
            yield Notify(again)
            yield Sleep(again.seconds)


#: Seconds that must be left for another attempt or two, if this one is to give way.
_LEFT_FOR_YIELDING = 10.0
_SAVEPOINT_ENDS = (
    f"RELEASE SAVEPOINT {_SAVEPOINT}",
    f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}",
)


def _run(sql: str) -> Flow[None]:
    yield Run(sql, long=True)


def _between(begin: str, work: Flow[_T], done: str, undone: str) -> Flow[_T]:
    yield Run(begin)
    try:
        result = yield from work
    except GeneratorExit:
        raise
    except BaseException:
        with suppress(SQLAlchemyError, OSError):  # it must not hide what is being tidied up after
            yield Run(undone)
        raise
    yield Run(done, long=True)
    return result


def _needs(plan: Plan) -> str:
    if not plan.transactional:
        alone = next(step for step in plan.steps if not step.transactional)
        return f"This one runs in none: {alone.sql}"
    return f"The plan has {len(plan.steps)} steps, with a COMMIT after each."


def plan_failed(
    error: Any, plan: Plan, number: int, blockers: tuple[LockHolder, ...] = ()
) -> PlanFailed:
    """Return the typed error for *error*, which step *number* (from 0) of *plan* met."""
    statement = failure.statement_of(error, plan.steps[number])
    lines = [
        f"step {number + 1} of {len(plan.steps)}: {statement}",
        f"{type(error).__name__}: {failure.brief(error)}",
        f"in the way: {in_the_way(blockers)}" if blockers else "",
        f"Done: {number} of {len(plan.steps)} steps; this one left nothing.",
    ]
    return PlanFailed(
        "\n".join(line for line in lines if line),
        done=number,
        blockers=blockers,
        remedy=failure.hint(error),
    )
