"""How long a piece of blocking work may wait, and how a cancelled task ends it early."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class WaitCancelledError(Exception):
    """The task that waits was cancelled. Never leaves this package: asyncio's own error does."""


class Patience:
    """A deadline that another thread can bring forward.

    Args:
        seconds: how long the work may take, counted from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._cancelled = threading.Event()

    @property
    def remaining(self) -> float:
        """Seconds left, 0.0 when there are none."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def exhausted(self) -> bool:
        """Whether the deadline has passed."""
        return self.remaining == 0.0

    def cancel(self) -> None:
        """End the current pause, and every later one, with `WaitCancelledError`."""
        self._cancelled.set()

    def pause(self, seconds: float) -> None:
        """Sleep for ``seconds`` or until the deadline, whichever is first.

        Raises:
            WaitCancelledError: `cancel` was called.
        """
        if self._cancelled.wait(min(seconds, self.remaining)):
            raise WaitCancelledError


async def to_completion(
    work: Callable[[], T],
    *,
    hurry: Callable[[], None] = lambda: None,
    undo: Callable[[T], None] = lambda _: None,
) -> T:
    """Run ``work`` in a thread and never walk away from it.

    A task that is cancelled meanwhile calls ``hurry``, waits for the thread, takes back what it
    achieved with ``undo``, and only then lets the cancellation through. ``anyio.to_thread`` alone
    would abandon the thread on a plain ``Task.cancel()``, and with it a server nobody stops.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        hurry()
        await _outlast(running)
        if not running.cancelled() and running.exception() is None:
            await _outlast(asyncio.ensure_future(asyncio.to_thread(undo, running.result())))
        raise


async def _outlast(running: asyncio.Future[T]) -> None:
    """Wait until ``running`` is done, however often the waiting task is cancelled."""
    with anyio.CancelScope(shield=True):
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                continue
