"""A file on its way into a table: looked through whole first, then read again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, TypeVar

import anyio
from anyio import to_thread

from schemakit.errors import BackupFileDamaged
from schemakit.safety.container import Frame, frames, zstd
from schemakit.safety.exported import Exported

from .progress import Progress
from .streams import named

_T = TypeVar("_T")
_Opened = tuple[Frame | None, bytes | None]

#: Blocks that are decompressed before anybody asks for them.
_AHEAD = 3

#: Frames that are looked through between two turns of the event loop.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a file that is whole.

    Attributes:
        about: what it says of itself.
        rows: how many each part has.
        bytes: how many there are, before compression.
    """

    about: Exported
    rows: tuple[int, ...]
    bytes: int


async def looked_through(file: BinaryIO) -> Contents:
    """Return what is in *file*, of which every byte was seen.

    Raises:
        BackupFileUnknown: it is no backup.
        BackupFileDamaged: it was cut or changed.
        BackupFileFailed: it cannot be read.
    """
    seen = _Seen()
    steps = seen.through(file)
    while await _off_the_loop(_several, steps):
        pass
    return seen.contents()


@asynccontextmanager
async def unpacking(file: BinaryIO, progress: Progress) -> AsyncIterator[Unpacker]:
    """Yield what unpacks *file*; its thread has ended when the block has."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="schemakit-import")
    unpacker = Unpacker(file, progress, pool)
    try:
        yield unpacker
    finally:
        unpacker.give_up()
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(pool.shutdown)


class Unpacker:
    """Decompresses the rows of a file ahead of who takes them, in a thread of its own."""

    def __init__(self, file: BinaryIO, progress: Progress, pool: ThreadPoolExecutor) -> None:
        self._frames = frames(file.read)
        self._progress, self._pool = progress, pool
        self._ahead: deque[asyncio.Future[_Opened]] = deque()
        self._left_over: Frame | None = None
        file.seek(0)

    async def parts(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the rows of each part; take all of them before the next."""
        while True:
            frame = self._left_over or (await self._next())[0]
            self._left_over = None
            if frame is None:
                return
            if frame.kind == b"P":
                yield self._rows()

    async def _rows(self) -> AsyncIterator[bytes]:
        while True:
            frame, rows = await self._next()
            if rows is None:
                self._left_over = frame
                return
            yield rows
            await self._progress.add(len(rows))

    async def _next(self) -> _Opened:
        loop = asyncio.get_running_loop()
        while len(self._ahead) < _AHEAD:
            self._ahead.append(loop.run_in_executor(self._pool, _opened, self._frames))
        with named("The file"):
            return await self._ahead.popleft()

    def give_up(self) -> None:
        """Let what was prepared go."""
        for each in self._ahead:
            each.cancel()


def _opened(found: Iterator[Frame]) -> _Opened:
    frame = next(found, None)
    return frame, frame.rows if frame is not None and frame.has_rows else None


class _Seen:
    """What was seen of a file."""

    def __init__(self) -> None:
        self._about: Exported | None = None
        self._parts = self._bytes = 0
        self._end: dict[str, object] = {}

    def through(self, file: BinaryIO) -> Iterator[None]:
        file.seek(0)
        for frame in frames(file.read):
            if frame.kind == b"H":
                self._about = Exported.from_json(frame.values)
            elif frame.kind == b"P":
                self._parts += 1
            elif frame.kind == b"E":
                self._end = frame.values
            elif self._parts:
                if frame.kind == b"Z":
                    zstd()  # said before the database is touched
                self._bytes += frame.raw
            else:
                raise BackupFileDamaged("It has rows of no table.")
            yield

    def contents(self) -> Contents:
        rows = self._end.get("rows")
        whole = isinstance(rows, list) and all(isinstance(each, int) for each in rows)
        if self._about is None or not whole or len(rows) != self._parts:  # type: ignore[arg-type]  # a list, as *whole* says
            raise BackupFileDamaged("Its end does not fit what is before it.")
        return Contents(self._about, tuple(rows), self._bytes)  # type: ignore[arg-type]  # the same


def _several(steps: Iterator[None]) -> bool:
    return len(list(islice(steps, _AT_ONCE))) == _AT_ONCE


async def _off_the_loop(work: Callable[..., _T], *arguments: Any) -> _T:
    with named("The file"):
        return await to_thread.run_sync(work, *arguments)
