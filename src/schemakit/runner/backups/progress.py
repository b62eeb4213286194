"""How far an export or import is, for whoever listens."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from schemakit.runner.reporter import Reporter
from schemakit.runner.results import Event
from schemakit.sql.words import counted

#: Seconds between two events.
_EVERY = 0.2


@dataclass(slots=True)
class Progress:
    """Tells how many bytes and rows have come through.

    Attributes:
        reporter: who is told.
        command: the call's name.
        rows: how many rows there are; 0 if nobody knows.
        of_bytes: how many bytes there will be, by an estimate; 0 if there is none.
    """

    reporter: Reporter
    command: str
    rows: int = 0
    of_bytes: int = 0
    _bytes: int = 0
    _told: float = field(default_factory=monotonic)

    async def add(self, size: int) -> None:
        """*size* bytes more have come through."""
        self._bytes += size
        if monotonic() - self._told >= _EVERY:
            self._told = monotonic()
            await self._tell(self._share())

    async def done(self, rows: int) -> None:
        """All has come through: *rows*."""
        self.of_bytes = self._bytes
        await self._tell(rows)

    def _share(self) -> int:
        if not self.of_bytes:
            return 0
        return min(self.rows, self.rows * self._bytes // self.of_bytes)

    async def _tell(self, rows: int) -> None:
        of = f" of {bytes_text(self.of_bytes)}" if self.of_bytes > self._bytes else ""
        message = f"{self.command}: {counted(rows, 'row')}, {bytes_text(self._bytes)}{of}"
        size, of_bytes = self._bytes, self.of_bytes
        event = Event(
            "progress", self.command, message=message, rows=rows, bytes=size, of_bytes=of_bytes
        )
        await self.reporter.tell(event)


def bytes_text(size: int) -> str:
    """Return *size* for a message: ``12.3 MB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} bytes"
