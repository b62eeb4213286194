"""A client in a process of its own: ``client.py [DATA [forget]]``.

Prints the data directory, waits for a line on stdin, leaves. With ``forget`` it exits without
stopping. Without DATA its server is a throw-away one.
"""

import asyncio
import sys

from schemakit.embedded import EmbeddedServer


async def use(data):
    async with EmbeddedServer(data) as server:
        print(server.data_directory, flush=True)  # noqa: T201  how the test hears of it
        loop = asyncio.get_running_loop()
        spoken = asyncio.Event()
        loop.add_reader(sys.stdin, spoken.set)
        await spoken.wait()


async def forget(data):
    server = await EmbeddedServer(data).start()
    print(server.data_directory, flush=True)  # noqa: T201


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv[1:]))
    asyncio.run((forget if 1 in arguments else use)(arguments.get(0)))
