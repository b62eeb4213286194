"""The file that a backup is exported to: its bytes, read and written without touching a disk.

::

    file   = MAGIC, version u16, header, part*, end, digest
    header = frame "H"   JSON: what the backup is, its columns with their types, its manifest
    part   = frame "P"   JSON: the table or leaf whose rows follow
             frame "D"*  rows, as COPY … (FORMAT binary) gives them, compressed by zlib, or
             frame "Z"*  by zstd
    end    = frame "E"   JSON: rows of each part, bytes before compression
    digest = SHA-256 of everything before it, 32 bytes
    frame  = kind u8, length u32, length before compression u32, CRC-32 u32, content

Integers are big-endian. A frame's checksum is of its number in the file, its kind, its lengths and
its content, so that frames are neither swapped nor left out unseen. COPY's binary format of
built-in types has been the same since PostgreSQL 14 and before (manual, COPY, "Binary Format").
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from schemakit.errors import BackupFileDamaged, BackupFileUnknown, ConfigurationError

#: As PNG's: a transfer that mends line ends or drops the eighth bit shows in the first bytes.
MAGIC = b"\x89SKB\r\n\x1a\n"
VERSION = 1
#: Bytes of rows in a frame, before compression.
BLOCK = 1 << 20
#: Of both: zlib's level 6 takes a sixth less of space, and three times as long (measured).
_LEVEL = 1

_FRAME = struct.Struct(">cIII")
_OPENING = struct.Struct(">8sH")
_DIGEST = hashlib.sha256().digest_size
#: No frame is longer: what a damaged length asks for is not read into memory.
_LONGEST = {b"D": 2 * BLOCK, b"Z": 2 * BLOCK, b"H": 1 << 28, b"P": 1 << 20, b"E": 1 << 28}

Kind = Literal[b"H", b"P", b"E"]
Compression = Literal["zlib", "zstd"]
#: Returns at most so many bytes, and less only at the end.
Read = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a file.

    Attributes:
        kind: ``H`` header, ``P`` part, ``D`` or ``Z`` rows, ``E`` end.
        content: as it stands there.
        raw: bytes before compression.
    """

    kind: bytes
    content: bytes
    raw: int

    @property
    def values(self) -> dict[str, Any]:
        """What a header, a part or an end says.

        Raises:
            BackupFileDamaged: nothing that can be understood.
        """
        try:
            found = json.loads(self.content)
        except ValueError as error:
            raise BackupFileDamaged("What it says of itself is no JSON.") from error
        if not isinstance(found, dict):
            raise BackupFileDamaged("What it says of itself is no JSON object.")
        return found

    @property
    def has_rows(self) -> bool:
        """Whether it is some."""
        return self.kind in (b"D", b"Z")

    @property
    def rows(self) -> bytes:
        """The rows, as COPY takes them.

        Raises:
            BackupFileDamaged: they do not come out as long as they went in.
            ConfigurationError: there is no zstd.
        """
        opened = zlib.decompressobj() if self.kind == b"D" else zstd().ZstdDecompressor()
        try:
            found: bytes = opened.decompress(self.content, self.raw + 1)
        except _errors(self.kind) as error:
            raise BackupFileDamaged("A block cannot be decompressed.") from error
        if len(found) != self.raw or not opened.eof:
            raise BackupFileDamaged("A block is not as long as it says.")
        return found


def compressed(rows: bytes, by: Compression = "zlib") -> Frame:
    """Return the frame for *rows*; takes a while, and lets other threads run."""
    if by == "zlib":
        return Frame(b"D", zlib.compress(rows, _LEVEL), len(rows))
    return Frame(b"Z", zstd().compress(rows, _LEVEL), len(rows))


@cache
def zstd() -> ModuleType:
    """Return the module that does zstd.

    Raises:
        ConfigurationError: there is none.
    """
    for name in ("compression.zstd", "backports.zstd"):  # Python's own since 3.14
        with suppress(ImportError):
            return import_module(name)
    detail = "zstd takes Python 3.14, or a package."
    raise ConfigurationError(detail, remedy="pip install 'schemakit[zstd]'.")


def _errors(kind: bytes) -> type[Exception]:
    found: type[Exception] = zlib.error if kind == b"D" else zstd().ZstdError
    return found


def said(kind: Kind, values: dict[str, Any]) -> Frame:
    """Return the frame that says *values*."""
    content = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    return Frame(kind, content, len(content))


@dataclass(slots=True)
class Writer:
    """Turns frames into the bytes of a file."""

    _number: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def opening(self) -> bytes:
        """Return how a file begins."""
        return self._passed(_OPENING.pack(MAGIC, VERSION))

    def frame(self, frame: Frame) -> bytes:
        """Return *frame* as the next in the file."""
        head = _head(frame, self._number)
        self._number += 1
        return self._passed(head + frame.content)

    def closing(self) -> bytes:
        """Return how it ends."""
        digest: bytes = self._digest.digest()
        return digest

    def _passed(self, content: bytes) -> bytes:
        self._digest.update(content)
        return content


def frames(read: Read) -> Iterator[Frame]:
    """Yield the frames of the file that *read* reads, each as it was written.

    Whoever takes all of them knows that the file is whole: the last thing that is done is to
    compare the digest, and that nothing comes after it.

    Raises:
        BackupFileUnknown: it is no such file, or one of a newer schemakit.
        BackupFileDamaged: it was cut, or changed.
    """
    digest = hashlib.sha256()
    opening = read(_OPENING.size)
    _known(opening)
    digest.update(opening)
    number, kind = 0, b""
    while kind != b"E":
        head = _whole(read, _FRAME.size)
        kind, length, raw, _ = _FRAME.unpack(head)
        if (
            length > _LONGEST.get(kind, -1)
            or raw > _LONGEST[kind]
            or (kind == b"H") == bool(number)
        ):
            raise BackupFileDamaged(f"Frame {number} is none.")
        frame = Frame(kind, _whole(read, length), raw)
        if head != _head(frame, number):
            raise BackupFileDamaged(f"The checksum of frame {number} is another.")
        digest.update(head)
        digest.update(frame.content)
        number += 1
        yield frame
    if _whole(read, _DIGEST) != digest.digest():
        raise BackupFileDamaged("The checksum of the whole is another.")
    if read(1):
        raise BackupFileDamaged("There is more behind its end.")


def _known(opening: bytes) -> None:
    if not MAGIC.startswith(opening[: len(MAGIC)]) or not opening:
        raise BackupFileUnknown("It does not begin as one.")
    if len(opening) < _OPENING.size:
        raise BackupFileDamaged("It ends before it has begun.")
    version = _OPENING.unpack(opening)[1]
    if version != VERSION:
        detail = f"It is of version {version}; this schemakit reads {VERSION}."
        raise BackupFileUnknown(detail, remedy="use the schemakit that wrote it, or a newer one.")


def _whole(read: Read, length: int) -> bytes:
    found = read(length)
    if len(found) < length:
        raise BackupFileDamaged("It ends too early.")
    return found


def _head(frame: Frame, number: int) -> bytes:
    plain = struct.pack(">QcII", number, frame.kind, len(frame.content), frame.raw)
    check = zlib.crc32(frame.content, zlib.crc32(plain))
    return _FRAME.pack(frame.kind, len(frame.content), frame.raw, check)
