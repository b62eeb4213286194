"""A TCP proxy before a PostgreSQL server that understands its messages, and breaks on demand.

It counts the messages of each connection in both directions (manual, 55.7: a type byte and a
length; what opens a connection has no type), and lets one of them never arrive: instead of it the
connection is reset, closed, or falls silent. It also adds latency.

::

    fault = Fault("reset", "backend", 17)
    async with FaultProxy(Server(socket="/tmp/s/.s.PGSQL.5432"), fault) as proxy:
        await asyncpg.connect(host="127.0.0.1", port=proxy.port, ssl=False)
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

Direction = Literal["frontend", "backend"]
Kind = Literal["reset", "close", "half-open"]

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_OPENINGS = {_SSL: "SSLRequest", _GSS: "GSSENCRequest", _CANCEL: "CancelRequest"}


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server listens: on a socket's path, or on a host's port."""

    socket: str | None = None
    host: str = "127.0.0.1"
    port: int = 5432


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of a message.

    Attributes:
        kind: ``reset`` (RST), ``close`` (FIN), or ``half-open``: nothing passes any more, either
            way, and nobody is told.
        direction: whose message: ``frontend`` is the client's.
        number: the how manyeth of them on its connection, from 1.
        connection: on the how manyeth connection, from 1.
        everywhere: whether it then befalls all connections, new ones included.
    """

    kind: Kind
    direction: Direction
    number: int
    connection: int = 1
    everywhere: bool = False

    def __str__(self) -> str:
        scope = ", on all connections" if self.everywhere else ""
        return f"{self.kind} at {self.direction} message {self.number}{scope}"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that came by: ``kind`` is its type byte, or the name of what opens a connection."""

    connection: int
    direction: Direction
    number: int
    kind: str
    size: int


class Framing:
    """Cuts one direction's stream into messages.

    Attributes:
        opening: whether the next one is without a type byte.
        answer: whether the next one is the single byte that answers an SSLRequest.
        opaque: whether the stream is encrypted, so that it cannot be cut.
    """

    def __init__(self, *, opening: bool) -> None:
        self.opening = opening
        self.answer = self.opaque = False
        self._rest = b""

    def messages(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield kind and bytes of each message that *data* completes."""
        if self.opaque:
            yield "encrypted", data
            return
        self._rest += data
        while size := self._size():
            message, self._rest = self._rest[:size], self._rest[size:]
            yield self._kind(message), message

    def _size(self) -> int:
        """Return the size of the message at hand; 0 if it is not complete."""
        if self.answer:
            size = 1
        else:
            head = 0 if self.opening else 1
            if len(self._rest) < head + 4:
                return 0
            size = head + struct.unpack_from("!i", self._rest, head)[0]
        return size if len(self._rest) >= size else 0

    def _kind(self, message: bytes) -> str:
        if self.answer:
            self.answer = False
            return f"SSL {chr(message[0])}"
        if not self.opening:
            return chr(message[0])
        code = struct.unpack_from("!i", message, 4)[0]
        self.opening = code in (_SSL, _GSS)
        return _OPENINGS.get(code, "StartupMessage")


class FaultProxy:
    """The proxy; listens on 127.0.0.1 while it is entered.

    Attributes:
        port: where.
        log: the messages that came by; of one that a fault took the place of, it is the last.
        struck: whether the fault has happened.
        latency: seconds that each direction takes longer; a round trip takes twice that.
    """

    def __init__(self, server: Server, fault: Fault | None = None, *, latency: float = 0.0) -> None:
        self.server = server
        self.fault = fault
        self.latency = latency
        self.log: list[Message] = []
        self.port = 0
        self.struck = False
        self.connections: list[_Connection] = []
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accepted, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Reset every connection; with them the server's end of those that fell silent."""
        for connection in self.connections:
            connection.end("reset")

    def count(self, direction: Direction, connection: int = 1) -> int:
        """Return how many messages of *direction* have come by on *connection*."""
        return sum(
            (each.direction, each.connection) == (direction, connection) for each in self.log
        )

    def _accepted(self) -> _Side:
        connection = _Connection(self, len(self.connections) + 1)
        self.connections.append(connection)
        return connection.client


class _Connection:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, proxy: FaultProxy, number: int) -> None:
        self.proxy, self.number = proxy, number
        self.client = _Side(self, "frontend")
        self.upstream = _Side(self, "backend")
        self.client.other, self.upstream.other = self.upstream, self.client
        self.silent = self.ended = False

    def opened(self) -> None:
        """A client is there: connect it, unless the fault is everywhere by now."""
        fault = self.proxy.fault
        if fault is not None and fault.everywhere and self.proxy.struck:
            self._befall(fault)
            return
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        loop, server = asyncio.get_running_loop(), self.proxy.server
        try:
            if server.socket:
                await loop.create_unix_connection(lambda: self.upstream, server.socket)
            else:
                await loop.create_connection(lambda: self.upstream, server.host, server.port)
        except OSError:
            self.end("reset")

    def received(self, side: _Side, data: bytes) -> None:
        """*side* sent *data*: hand it on, message by message, up to the fault."""
        if self.silent:
            return
        for kind, message in side.framing.messages(data):
            side.number += 1
            note = Message(self.number, side.direction, side.number, kind, len(message))
            self.proxy.log.append(note)
            self._heed(kind)
            if self._is_due(note):
                self._strike()
                return
            side.hand_on(message)

    def _heed(self, kind: str) -> None:
        if kind in ("SSLRequest", "GSSENCRequest"):
            self.upstream.framing.answer = True
        elif kind == "SSL S":
            self.client.framing.opaque = self.upstream.framing.opaque = True

    def _is_due(self, note: Message) -> bool:
        fault = self.proxy.fault
        return fault is not None and (fault.connection, fault.direction, fault.number) == (
            note.connection,
            note.direction,
            note.number,
        )

    def _strike(self) -> None:
        fault = self.proxy.fault
        assert fault is not None  # noqa: S101 - it is due
        self.proxy.struck = True
        for connection in self.proxy.connections if fault.everywhere else [self]:
            connection._befall(fault)  # noqa: SLF001 - its own kind

    def _befall(self, fault: Fault) -> None:
        if fault.kind == "half-open":
            self.silent = True
        else:
            self.end(fault.kind)

    def end(self, kind: Kind) -> None:
        """End both sides: *kind* is ``reset`` or ``close``."""
        self.ended = True
        for side in (self.client, self.upstream):
            side.end(kind)


class _Side(asyncio.Protocol):
    """One end of a connection."""

    other: _Side

    def __init__(self, connection: _Connection, direction: Direction) -> None:
        self.connection, self.direction = connection, direction
        self.framing = Framing(opening=direction == "frontend")
        self.number = 0
        self.transport: asyncio.Transport | None = None
        self._waiting: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There it is; what came for it meanwhile goes out."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's is
        self.transport = transport
        if self.direction == "frontend":
            self.connection.opened()
        elif self.connection.ended:
            self.end("reset")
        while self._waiting:
            self.send(self._waiting.popleft())

    def data_received(self, data: bytes) -> None:
        """It sent something."""
        self.connection.received(self, data)

    def hand_on(self, message: bytes) -> None:
        """Send *message* to the other side, after the latency."""
        latency = self.connection.proxy.latency
        if not latency:
            self.other.send(message)
            return
        self.other._waiting.append(message)  # noqa: SLF001 - its other half
        asyncio.get_running_loop().call_later(latency, self.other.send_next)

    def send_next(self) -> None:
        """Send what has waited longest."""
        if self._waiting and self.transport is not None:
            self.send(self._waiting.popleft())

    def send(self, message: bytes) -> None:
        """Send *message*, or keep it until there is a connection."""
        if self.transport is None:
            self._waiting.append(message)
        elif not self.transport.is_closing():
            self.transport.write(message)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone; the other side is told, unless nothing passes any more."""
        self.connection.ended = True
        if not self.connection.silent:
            self.other.end("reset" if error else "close")

    def end(self, kind: Kind) -> None:
        """Close it: at once and with an RST, or after what is still to be sent."""
        if self.transport is None or self.transport.is_closing():
            return
        if kind == "close":
            self.transport.close()
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
