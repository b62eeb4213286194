"""A cancellation arrives once, and what tidies up after it may wait for the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

_T = TypeVar("_T")

#: Seconds after which work that was cancelled and has not ended is cancelled again.
PATIENCE = 10.0


async def sheltered(work: Callable[[], Awaitable[_T]]) -> _T:
    """Await *work* in a task of its own, to which a cancellation is handed on once.

    anyio cancels again at every await, and an impatient caller may cancel twice. ROLLBACK, the
    request to stop the running statement and the release of the lock must get through: cut off,
    they leave the statement running on the server, and with it the lock.

    Raises:
        BaseException: what *work* raised; a cancellation only when *work* has ended.
    """
    task = asyncio.ensure_future(_outcome(work))
    cancelled: asyncio.CancelledError | None = None
    try:
        while not task.done():
            try:
                with _shield() if cancelled is not None else nullcontext():
                    await asyncio.wait((task,), timeout=PATIENCE if cancelled else None)
                if cancelled is not None:
                    task.cancel()
            except asyncio.CancelledError as error:
                cancelled = cancelled or error
                if not task.cancelling():  # else asyncio.run() is ending, and has cancelled both
                    task.cancel()
        if cancelled is not None:
            raise cancelled
        result, failure = task.result()
        if failure is not None:
            raise failure
        return result[0]
    finally:
        task.cancel()  # still running only if this coroutine was closed
        cancelled = failure = None  # or frame and exception keep each other, and a connection


def _shield() -> AbstractContextManager[object]:
    import anyio  # noqa: PLC0415 - a service at head needs none of it

    return anyio.CancelScope(shield=True)


async def _outcome(
    work: Callable[[], Awaitable[_T]],
) -> tuple[tuple[_T, ...], BaseException | None]:
    # As a value: SystemExit raised out of a task ends the event loop, past everybody's `except`.
    try:
        return (await work(),), None
    except BaseException as error:  # noqa: BLE001 - raised again by `sheltered`
        return (), error
