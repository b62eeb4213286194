"""A network between client and server: a TCP proxy, in a process of its own, that adds latency.

It forwards to the server's Unix socket, delays what goes either way by half of the latency, and
counts what the client sends. ``asyncio`` rounds the sleeps of its usual selector up to whole
milliseconds; ``select`` does not.
"""

import asyncio
import json
import selectors
import statistics
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg

PORT = 5432  # of the socket file
READ_SIZE = 1 << 20
STARTUP = (196608, 196610)  # protocol 3.0 and 3.2
ROUND_TRIPS, STATEMENTS = "round trips", "statements"


class Frames:
    """Counts the messages of a client (manual, "Message Formats")."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._buffer = bytearray()
        self._typed = False

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while True:
            skip = 1 if self._typed else 0  # the first message of a connection has no type
            if len(self._buffer) < (5 if self._typed else 8):
                return
            length = skip + int.from_bytes(self._buffer[skip : skip + 4], "big")
            if len(self._buffer) < length:
                return
            if not self._typed:
                self._typed = int.from_bytes(self._buffer[4:8], "big") in STARTUP
            elif self._buffer[0] in b"QE":  # simple query, execute
                self._counts[STATEMENTS] += 1
            del self._buffer[:length]


class Side(asyncio.Protocol):
    """One end of a connection: what it receives is written to the other end, later."""

    def __init__(self, network: "Network", *, client: bool) -> None:
        self.network, self.client = network, client
        self.frames = Frames(network.counts) if client else None
        self.other: Side | None = None
        self.transport: asyncio.Transport | None = None
        self.waiting: deque[bytes] = deque()
        self.turn = False  # of a client: whether it has spoken since the server last did

    def connection_made(self, transport) -> None:
        self.transport = transport
        if self.client:
            self.network.dial(self)

    def data_received(self, data: bytes) -> None:
        if self.frames is not None:
            self.frames.feed(data)
            self.network.counts[ROUND_TRIPS] += not self.turn
            self.turn = True
        else:
            self.other.turn = False
        self.waiting.append(data)
        if self.other is not None:
            asyncio.get_running_loop().call_later(self.network.latency / 2, self.deliver)

    def deliver(self) -> None:
        data = self.waiting.popleft()
        if data:
            self.other.transport.write(data)
        else:
            self.other.transport.close()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.other is not None:
            self.waiting.append(b"")
            asyncio.get_running_loop().call_later(self.network.latency / 2, self.deliver)


class Network:
    """Every connection through the proxy."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.latency = 0.0
        self.counts: Counter[str] = Counter()
        self.dialling: set[asyncio.Task[None]] = set()

    def accept(self) -> Side:
        return Side(self, client=True)

    def dial(self, client: Side) -> None:
        task = asyncio.get_running_loop().create_task(self._dial(client))
        self.dialling.add(task)
        task.add_done_callback(self.dialling.discard)

    async def _dial(self, client: Side) -> None:
        loop = asyncio.get_running_loop()
        _, server = await loop.create_unix_connection(lambda: Side(self, client=False), self.socket)
        client.other, server.other = server, client
        for _ in range(len(client.waiting)):  # what came before there was a server
            client.deliver()


async def serve(socket: str) -> None:
    """Do as the lines of standard input say: a number is the latency, anything else asks."""
    loop = asyncio.get_running_loop()
    network = Network(socket)
    listening = await loop.create_server(network.accept, "127.0.0.1", 0)
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print(listening.sockets[0].getsockname()[1], flush=True)
    while order := (await orders.readline()).decode().strip():
        if order == "counts":
            print(json.dumps(network.counts), flush=True)
            network.counts.clear()
        else:
            network.latency = float(order)


class Proxy:
    """The proxy, as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process, self.port = process, port

    def url_for(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    async def delay(self, seconds: float) -> None:
        """Add *seconds* to every round trip."""
        await self._say(repr(seconds))

    async def counts(self) -> dict[str, int]:
        """Return what the clients have sent since the last call."""
        await self._say("counts")
        return json.loads(await self._process.stdout.readline())

    async def _say(self, order: str) -> None:
        self._process.stdin.write(f"{order}\n".encode())
        await self._process.stdin.drain()


@asynccontextmanager
async def proxied(running) -> AsyncIterator[Proxy]:
    """Run a proxy to the server *running*."""
    pipe = asyncio.subprocess.PIPE
    socket = Path(running.socket_dir) / f".s.PGSQL.{PORT}"
    command = (sys.executable, "-m", "benchmarks.latency", str(socket))
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield Proxy(process, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


async def calibrated(proxy: Proxy, running, seconds: float) -> None:
    """Set the latency so that SELECT 1 takes *seconds* longer: the proxy's own work counts."""
    given = seconds
    for _ in range(6):
        await proxy.delay(given)
        missing = seconds - await added(proxy, running)
        if abs(missing) < seconds / 50:
            break
        given += missing


async def added(proxy: Proxy, running) -> float:
    """Return how many seconds longer SELECT 1 takes through the proxy."""
    through = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
    return await _round_trip(through) - await _round_trip(running.dsn)


async def _round_trip(dsn: str) -> float:
    connection = await asyncpg.connect(dsn)
    times = []
    for _ in range(400):
        began = time.perf_counter()
        await connection.execute("SELECT 1")
        times.append(time.perf_counter() - began)
    await connection.close()
    return statistics.quantiles(times, n=4)[0]  # other people's work on the machine is above


if __name__ == "__main__":
    with closing(asyncio.SelectorEventLoop(selectors.SelectSelector())) as own:
        own.run_until_complete(serve(sys.argv[1]))
