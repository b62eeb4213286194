"""Work as a generator: it yields what to do next and is sent what came of it. No I/O here.

A flow holds no connection and no event loop, so it is tested from a table of answers, and the
same flow serves the coroutines and code inside a migration (`driver` runs it in both). What fails
is raised where it was asked for, so that a flow tidies up after itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Run:
    """Execute *sql*, whose rows nobody wants, by the simple protocol; sends its status tag.

    What is *long* may wait for others, as dropping an index CONCURRENTLY does.
    """

    sql: str
    long: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """Call *read* with the connection; sends what it returns. *read* is a SELECT of `catalog`."""

    read: Callable[[Connection], Any]


@dataclass(frozen=True, slots=True)
class Stream:
    """Await *copy* with asyncpg's connection; sends what it returns.

    For COPY, whose rows come or go while it runs. Takes as long as it takes.
    """

    copy: Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Inside:
    """Ask whether what is sent now runs in a transaction that somebody else ends; sends a bool."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait *seconds* without holding the event loop; sends None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Notify:
    """Hand *event* to whoever listens; sends None."""

    event: Any


Request = Run | Fetch | Stream | Inside | Sleep | Notify
_T = TypeVar("_T")
Flow = Generator[Request, Any, _T]
