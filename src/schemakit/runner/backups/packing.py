"""Rows on their way into a file: compressed by threads, in order, and never many at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from schemakit.safety.container import BLOCK, Compression, Frame, Writer, compressed, said

from .progress import Progress
from .streams import Write

#: More threads than two compress faster than a server sends.
_THREADS = 2
#: Blocks that are being compressed or wait to be written.
_IN_HAND = 4


@dataclass(slots=True)
class Packer:
    """Writes a backup as `schemakit.safety.container` has it.

    Attributes:
        write: takes the bytes of the file.
        progress: is told of them.
        pool: compresses.
        compression: how.
    """

    write: Write
    progress: Progress
    pool: ThreadPoolExecutor
    compression: Compression = "zlib"
    _file: Writer = field(default_factory=Writer)
    _gathered: bytearray = field(default_factory=bytearray)
    _pending: deque[asyncio.Future[Frame]] = field(default_factory=deque)
    _bytes: int = 0

    async def begin(self, header: dict[str, Any]) -> None:
        """Write how the file begins."""
        await self.write(self._file.opening())
        await self._put(said(b"H", header))

    async def part(self, values: dict[str, Any]) -> None:
        """Begin the rows of a table."""
        await self._put(said(b"P", values))

    async def rows(self, content: bytes) -> None:
        """Take what COPY sends; returns when more may come."""
        self._gathered += content
        while len(self._gathered) >= BLOCK:
            await self._submit(BLOCK)

    async def part_ended(self) -> None:
        """Write what is left of the rows of a table."""
        if self._gathered:
            await self._submit(len(self._gathered))
        while self._pending:
            await self._written()

    async def end(self, rows: list[int]) -> None:
        """Write how the file ends: with how many *rows* each part has."""
        await self._put(said(b"E", {"rows": rows, "bytes": self._bytes}))
        await self.write(self._file.closing())
        await self.progress.done(sum(rows))

    async def _submit(self, size: int) -> None:
        block = bytes(memoryview(self._gathered)[:size])
        del self._gathered[:size]
        loop = asyncio.get_running_loop()
        self._pending.append(loop.run_in_executor(self.pool, compressed, block, self.compression))
        if len(self._pending) >= _IN_HAND:
            await self._written()

    async def _written(self) -> None:
        frame = await self._pending.popleft()
        self._bytes += frame.raw
        await self._put(frame)
        await self.progress.add(frame.raw)

    async def _put(self, frame: Frame) -> None:
        loop = asyncio.get_running_loop()
        await self.write(await loop.run_in_executor(self.pool, self._file.frame, frame))


@contextmanager
def packing(write: Write, progress: Progress, compression: Compression) -> Iterator[Packer]:
    """Yield what packs rows; its threads end with the block."""
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="schemakit-export")
    try:
        yield Packer(write, progress, pool, compression)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
