"""Who is in the way, and is the server still there: asked on a second connection.

While a statement waits, its own connection can ask nothing. What it waits for is known to the
server only as long as it waits, and a connection that was lost without a word looks the same as
a statement that takes long; both are told apart from beside. Where the engine has no second
connection to give, nobody is named, and a lost server is noticed by TCP keepalives.

Who is named is also given way to: a statement that waits for a long transaction holds up all that
come after it, and does better to come back when that is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from asyncpg import InterfaceError, PostgresError  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from schemakit.catalog import read

from . import wire
from .results import Event, in_the_way

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from schemakit.catalog.model import LockHolder

    from .limits import Limits
    from .reporter import Reporter
    from .settings import Settings
    from .target import Session

_SHORTEST, _FIRST, _LONGEST = 0.05, 0.1, 2.0
#: Seconds that a statement waits before somebody is told, and until it is told again.
_TELL_AFTER = 5.0
#: Seconds; a transaction older than that will not end in as many more, says experience.
_MOMENT = 1.0


class Watched(Protocol):
    """Work whose statements are watched, and which is told what was seen.

    Attributes:
        sends: how many statements it has sent.
        limits: what they run under.
        yielded: whether its last one was cancelled, to give way.
        blockers: who was in the way of the last one that had to wait.
        silent: whether the server no longer answered.
    """

    sends: int
    limits: Limits | None
    yielded: bool
    blockers: tuple[LockHolder, ...]
    silent: bool

    def may_yield(self, adapted: object, /) -> bool:
        """Whether the statement that waits now may be cancelled."""


class Watchdog:
    """Watches the statement that is under way.

    Attributes:
        silent: whether it has given the connection up, because the server does not answer.
    """

    def __init__(self, session: Session, settings: Settings, watch: Watched) -> None:
        self.silent = False
        self._session = session
        self._settings = settings
        self._watch = watch
        self._second: AsyncConnection | None = None
        self._alive = monotonic()

    async def watch(self, command: str, reporter: Reporter) -> None:
        """Look now and then whether a statement is under way for long, and ask why."""
        adapted = wire.adapted(self._session.sync)
        first = min(max(self._settings.lock_timeout / 4, _SHORTEST), _FIRST)
        pause, known, told = first, -1, 0.0
        began = monotonic()
        try:
            while not self.silent:
                await asyncio.sleep(pause)
                if not wire.busy(adapted) or self._watch.sends != known:
                    known, pause, told = self._watch.sends, first, 0.0
                    began = self._alive = monotonic()
                    self._watch.blockers = ()
                    await self._let_go()
                    continue
                await self._ask(adapted)
                pause = min(pause * 1.3, _LONGEST)
                waited = monotonic() - began
                if self._watch.blockers and waited - told >= _TELL_AFTER:
                    told = waited
                    await reporter.tell(blocked(command, waited, self._watch.blockers))
        finally:
            await self._let_go()

    async def _ask(self, adapted: object) -> None:
        limit = self._settings.server_timeout
        try:
            async with asyncio.timeout(limit):
                second = await self._other()
                if second is None:
                    return
                pid = await self._pid(second)
                if not pid:  # behind a pooler, outside a transaction: nothing can be said
                    self._alive = monotonic()
                    return
                state = await second.run_sync(read.backend, pid)
                if _under_way(state, limit):
                    self._alive = monotonic()
                    found = await second.run_sync(read.blockers, pid)
                    self._watch.blockers = found or self._watch.blockers
                    if self._watch.may_yield(adapted) and _here_to_stay(found):
                        self._watch.yielded = True  # the error may come before the answer
                        self._watch.yielded = await second.run_sync(read.give_way, pid)
        except (PostgresError, SQLAlchemyError, OSError, InterfaceError) as error:
            if isinstance(error, PostgresError | PoolTimeout):
                self._alive = monotonic()  # there is a server: it refused
            await self._let_go()
        if monotonic() - self._alive >= limit:
            self.silent = True
            wire.terminate(adapted)

    async def _pid(self, second: AsyncConnection) -> int:
        limits = self._watch.limits
        if limits is not None and limits.name:  # what the pooler gave is no process of the server
            return await second.run_sync(read.backend_named, limits.name)
        return self._session.backend or wire.backend_pid(wire.adapted(self._session.sync))

    async def _other(self) -> AsyncConnection | None:
        if self._second is None:
            engine = self._session.connection.engine
            if not wire.has_room(engine.sync_engine.pool):
                self._alive = monotonic()  # nothing can be said
                return None
            second = engine.connect()
            await second.start()
            self._second = await second.execution_options(isolation_level="AUTOCOMMIT")
        return self._second

    async def _let_go(self) -> None:
        second, self._second = self._second, None
        if second is None:
            return
        closing = asyncio.ensure_future(second.close())
        try:
            await asyncio.wait((closing,), timeout=self._settings.server_timeout)
        except asyncio.CancelledError:  # cut off in mid-close, SQLAlchemy would log an error
            await asyncio.wait((closing,), timeout=self._settings.server_timeout)
            raise
        finally:
            closing.cancel()  # only if it took too long
            closing.add_done_callback(_heard)


def _heard(closing: asyncio.Future[None]) -> None:
    """Take note of how it ended: else asyncio would log that nobody did."""
    if not closing.cancelled():
        closing.exception()


def blocked(command: str, seconds: float, blockers: tuple[LockHolder, ...]) -> Event:
    """Return the event that tells who is in the way."""
    message = f"A statement has waited {seconds:.0f} s for {in_the_way(blockers)}"
    return Event("blocked", command, None, 0, 0, seconds, blockers, message)


def _here_to_stay(blockers: tuple[LockHolder, ...]) -> bool:
    """Whether one of *blockers* will hardly be gone in a moment.

    The server itself sends an autovacuum away, if it is waited for a second.
    """
    return any(
        holder.seconds > _MOMENT or holder.state.startswith("idle") or not holder.pid
        for holder in blockers
        if holder.state != "autovacuum worker"
    )


def _under_way(state: tuple[str, float] | None, limit: float) -> bool:
    """Whether the server is still at the statement whose answer is awaited."""
    if state is None:
        return False  # the session is gone, and nobody has told its client
    what, seconds = state
    return not what.startswith("idle") or seconds < limit


@asynccontextmanager
async def watching(
    session: Session,
    settings: Settings,
    watch: Watched,
    command: str,
    reporter: Reporter,
) -> AsyncIterator[None]:
    """Have a `Watchdog` watch *session* inside the block, and tell *watch* what it has seen.

    Args:
        session: where migrations run.
        settings: its ``server_timeout`` and ``lock_timeout``.
        watch: counts the statements that are sent.
        command: for the events.
        reporter: gets the events.
    """
    watchdog = Watchdog(session, settings, watch)
    if session.owned:
        wire.keep_alive(wire.adapted(session.sync))
    task = asyncio.create_task(watchdog.watch(command, reporter))
    try:
        yield
    finally:
        watch.silent = watchdog.silent
        task.cancel()
        await asyncio.wait((task,))  # not `await task`: a cancellation of ours must come through
        if not task.cancelled() and task.exception() is not None:
            reporter.warn(f"The watch over the statements ended early: {task.exception()!r}")
