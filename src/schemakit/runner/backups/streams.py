"""Where an exported backup goes to and comes from: a file, or a stream of bytes.

Whatever blocks is done in a thread. A file appears under its name when it is whole and on the disk;
a stream that is read is kept in a temporary file first, since nothing of it is believed before all
of it was seen.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast, runtime_checkable

import anyio
from anyio import to_thread

from schemakit.errors import BackupFileFailed, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


@runtime_checkable
class ByteSink(Protocol):
    """What bytes can be sent to: anyio's ``ByteSendStream``, or anything with its ``send``."""

    async def send(self, item: bytes, /) -> None:
        """Take *item*, and return when more may come."""


Destination = str | os.PathLike[str] | ByteSink
Source = str | os.PathLike[str] | AsyncIterable[bytes]
Write = Callable[[bytes], Awaitable[None]]

_STREAM_ERRORS = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)
_NO_SUCH_PLACE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
#: Bytes that a file is read by at least.
_BUFFER = 1 << 20


@asynccontextmanager
async def writing(destination: Destination) -> AsyncIterator[Write]:
    """Yield what writes to *destination*.

    Raises:
        ConfigurationError: it is none, or a file that is there.
        BackupFileFailed: it cannot be written.
    """
    if isinstance(destination, str | os.PathLike):
        async with _new_file(Path(destination)) as write:
            yield write
    elif isinstance(destination, ByteSink):
        yield partial(_sent, destination)
    else:
        detail = f"{type(destination).__name__} is no place to export to."
        raise ConfigurationError(detail, remedy="give a path, or an object with an async send().")


@asynccontextmanager
async def reading(source: Source) -> AsyncIterator[BinaryIO]:
    """Yield *source* as a file that can be read twice.

    Raises:
        ConfigurationError: it is none, or there is no such file.
        BackupFileFailed: it cannot be read, or not be kept for as long as that takes.
    """
    if isinstance(source, str | os.PathLike):
        with named(source):
            file = await to_thread.run_sync(_opened, Path(source))
    elif isinstance(source, AsyncIterable):
        file = await _spooled(source)
    else:
        detail = f"{type(source).__name__} is nothing to import from."
        raise ConfigurationError(detail, remedy="give a path, or an async iterable of bytes.")
    try:
        yield file
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(file.close)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb", buffering=_BUFFER)


def _temporary() -> BinaryIO:
    return cast("BinaryIO", tempfile.TemporaryFile(buffering=_BUFFER, prefix="schemakit-"))


@contextmanager
def named(what: object = "The stream") -> Iterator[None]:
    """Give what the operating system refuses a name of ours.

    Raises:
        ConfigurationError: there is no such file or directory.
        BackupFileFailed: it has refused.
    """
    try:
        yield
    except _NO_SUCH_PLACE as error:
        raise ConfigurationError(f"{what}: {error.strerror}.", remedy="mend the path.") from error
    except _STREAM_ERRORS as error:
        said = getattr(error, "strerror", None) or type(error).__name__
        raise BackupFileFailed(f"{what}: {said}.") from error


async def _sent(sink: ByteSink, content: bytes) -> None:
    with named():
        await sink.send(content)


@asynccontextmanager
async def _new_file(path: Path) -> AsyncIterator[Write]:
    """Yield what writes to a file that is called *path* when the block has ended well."""
    if await to_thread.run_sync(path.exists):
        detail = f"{path} is there already."
        raise ConfigurationError(detail, remedy="give a name that is free, or remove it.")
    half = path.with_name(f".schemakit-{token_hex(8)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with named(path):
        file = await to_thread.run_sync(os.open, half, flags, 0o600)
    try:
        try:
            yield partial(_written, path, file)
            with named(path):
                await to_thread.run_sync(os.fsync, file)
        finally:
            os.close(file)
        with named(path):
            await to_thread.run_sync(_put, half, path)
    except BaseException:
        with suppress(OSError):
            half.unlink()
        raise


async def _written(path: Path, file: int, content: bytes) -> None:
    with named(path):
        await to_thread.run_sync(_write_all, file, content)


def _write_all(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _put(half: Path, path: Path) -> None:
    half.replace(path)
    with suppress(OSError, AttributeError):  # Windows opens no directories
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


async def _spooled(source: AsyncIterable[bytes]) -> BinaryIO:
    place = f"A temporary file in {tempfile.gettempdir()}"
    with named(place):
        file = await to_thread.run_sync(_temporary)
    try:
        async for content in _received(source):
            with named(place):
                await to_thread.run_sync(file.write, content)
        with named(place):
            await to_thread.run_sync(file.seek, 0)
    except BaseException:
        with suppress(OSError):  # what it could not hold, it cannot flush either
            file.close()
        raise
    return file


async def _received(source: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    with named():
        async for content in source:
            yield content
