"""Calls that are a flow: from the caller's engine or connection to the flow's result.

What `migrate` is for revisions: limits, role, retries, the watch from beside, and errors that say
what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from schemakit.errors import AccessDenied, OperationFailed, RoutingFailed, UnsupportedServer

from . import broken, failure, poolers, routing, wire
from .driver import drive
from .flow import Fetch, Flow, Request, Run, Stream
from .limits import Limits
from .migrate import refuse_read_only
from .reporter import OnEvent, Reporter
from .results import in_the_way
from .session_state import SessionState
from .settings import Settings
from .shelter import sheltered
from .target import Session, Target, opened
from .transactions import Attempt, Transactions
from .watchdog import watching

_T = TypeVar("_T")
_INSUFFICIENT_PRIVILEGE = "42501"


class Watched(Attempt):
    """The statements of a call, as the watchdog counts them."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits: Limits | None = limits
        self.sends = 0
        self.silent = False
        self.routing: RoutingFailed | None = None  # why a row found no partition, if that failed

    def may_yield(self, _: object, /) -> bool:
        """Whether what waits now may be cancelled: it is rolled back whole, and tried again."""
        return self.yields and self.limits is not None and self.limits.bounded

    def note(self, request: Request) -> None:
        """Count *request*, which is about to be met."""
        self.sends += isinstance(request, Run | Fetch | Stream)


async def perform(  # noqa: PLR0913 - what a call is made of
    target: Target,
    work: Callable[[Transactions], Flow[_T]],
    *,
    command: str,
    settings: Settings | None = None,
    on_event: OnEvent | None = None,
    writes: bool = True,
) -> _T:
    """Do *work* on *target*.

    Args:
        target: an engine or a connection; with a transaction open on it, inside that.
        work: makes the flow, which begins its transactions by what it is given.
        command: the call's name, for events and errors.
        settings: how the call behaves; by default as the SCHEMAKIT_* variables say.
        on_event: gets every `Event`.
        writes: whether it writes, so that a standby is refused.

    Returns:
        What the flow returns.

    Raises:
        OperationFailed: the server refused a statement; nothing of its transaction is left.
        AccessDenied: the role lacks a right.
        ConnectionLost: the connection broke.
        ReadOnlyDatabase: it is a standby, and the call writes.
        UnsupportedServer: PostgreSQL 13 or older.
        UnsupportedTarget: *target* is no asyncio engine or connection on asyncpg.
    """
    settings = settings or Settings.from_environment()
    reporter = Reporter(on_event)
    return await sheltered(
        partial(_perform, target, work, command, settings, reporter, writes=writes)
    )


async def _perform(  # noqa: PLR0913 - as above
    target: Target,
    work: Callable[[Transactions], Flow[_T]],
    command: str,
    settings: Settings,
    reporter: Reporter,
    *,
    writes: bool,
) -> _T:
    async with opened(target, settings.server_timeout) as session:
        with _named():
            await _check(session, writes=writes)
        session.spent = True  # if it ends well, it has SET nothing beyond its transactions
        watch = Watched(Limits.of(session, settings))
        state = None if session.owned or session.pooled else SessionState()
        flow = partial(_within, work, _transactions(session, settings, command, watch), state)
        with wire.unhurried(wire.adapted(session.sync)), _typed(watch):
            try:
                async with watching(session, settings, watch, command, reporter):
                    result = await session.connection.run_sync(drive, flow(), reporter, watch.note)
            except DBAPIError as error:
                watch.routing = await routing.asked_if_it_can(session, error)
                raise
            finally:
                if not session.connection.invalidated:
                    wire.forget_statements(wire.adapted(session.sync))
        session.spent = watch.changed
        return result


async def _check(session: Session, *, writes: bool) -> None:
    server = await poolers.met(session)
    if not server.supported:
        raise UnsupportedServer(f"{server.database!r} is on PostgreSQL {server.version}.")
    if writes:
        refuse_read_only(server)


def _transactions(
    session: Session, settings: Settings, command: str, watch: Watched
) -> Transactions:
    limits = Limits.of(session, settings)
    limits.local = True
    return Transactions(
        command,
        limits.opening(),
        session=not (session.external or session.pooled),
        retry_for=settings.retry_for,
        attempt=watch,
    )


def _within(
    work: Callable[[Transactions], Flow[_T]], means: Transactions, state: SessionState | None
) -> Flow[_T]:
    """The flow of *work*; a lent session gets its settings back."""
    if state is None:
        return (yield from work(means))
    yield from state.remember()
    if not means.session:
        yield Run(means.opening)  # in the caller's transaction, which begins for us only now
    try:
        return (yield from work(means))
    finally:
        with suppress(DBAPIError):  # a transaction that failed takes its settings with it
            yield from state.restore()


@contextmanager
def _named() -> Iterator[None]:
    """A first question that fails, as in a transaction that has failed before, has its name too."""
    try:
        yield
    except DBAPIError as error:
        if broken.is_lost(error):
            raise
        raise operation_failed(error) from failure.cause_of(error)


@contextmanager
def _typed(watch: Watched) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        hidden = failure.unmasked(error)
        if hidden is not error:
            raise hidden from None
        if broken.is_lost(error):
            raise  # `opened` gives it a name
        raise operation_failed(error, watch.blockers, watch.routing) from failure.cause_of(error)


def operation_failed(
    error: DBAPIError, blockers: tuple[Any, ...] = (), why: RoutingFailed | None = None
) -> Exception:
    """Return the typed error for *error*, whose transaction the server has rolled back."""
    said = failure.brief(error)
    if getattr(broken.origin(error), "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
        return AccessDenied(f"{said}.")
    way = f"\nin the way: {in_the_way(blockers)}" if blockers else ""
    routed = f"\nrouting: {why.detail}" if why else ""
    return OperationFailed(
        f"{said}\nstatement: {failure.shown(error)}{way}{routed}",
        blockers=blockers,
        remedy=why.remedy if why else failure.hint(error),
    )
