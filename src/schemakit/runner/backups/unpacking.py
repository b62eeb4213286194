"""A file on its way into a table: looked through whole first, then read again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, TypeVar

from anyio import to_thread

from schemakit.errors import BackupFileDamaged
from schemakit.safety.container import Frame, frames, zstd
from schemakit.safety.exported import Exported

from .progress import Progress
from .streams import named

_T = TypeVar("_T")

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


async def parts(file: BinaryIO, progress: Progress) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yield the rows of each part of *file*; take all of them before the next."""
    found = frames(file.read)
    frame: Frame | None = await _next(found)
    while frame is not None:
        if frame.kind == b"P":
            part = _Part(found, progress)
            yield part.rows()
            frame = part.behind
        else:
            frame = await _next(found)


class _Part:
    """The rows of a part, and the frame behind them."""

    def __init__(self, found: Iterator[Frame], progress: Progress) -> None:
        self.behind: Frame | None = None
        self._found, self._progress = found, progress

    async def rows(self) -> AsyncIterator[bytes]:
        while True:
            frame, rows = await _off_the_loop(_opened, self._found)
            if rows is None:
                self.behind = frame
                return
            yield rows
            await self._progress.add(len(rows))


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


def _opened(found: Iterator[Frame]) -> tuple[Frame | None, bytes | None]:
    frame = next(found, None)
    return frame, frame.rows if frame is not None and frame.has_rows else None


async def _next(found: Iterator[Frame]) -> Frame | None:
    return await _off_the_loop(next, found, None)


async def _off_the_loop(work: Callable[..., _T], *arguments: Any) -> _T:
    with named("The file"):
        return await to_thread.run_sync(work, *arguments)
