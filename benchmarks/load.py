"""The traffic on a database: a process of its own that reads, writes, and stands in the way.

Requests are due at a fixed rate, whatever became of those before; their latency counts from when
they were due. Long transactions come by a schedule that the seed decides.
"""

import asyncio
import json
import random
import selectors
import sys
import time
from contextlib import closing
from itertools import count
from typing import NamedTuple

import asyncpg

from .typical import COUNTRIES, CUSTOMERS, FIRST, HOT, ORDERS, PRODUCTS

CONNECTIONS = 16
RATE = 300  # requests a second
EVERY = 6.0  # seconds from one long transaction to the next
SHORTEST, LONGEST = 4.0, 10.0  # seconds that one takes
IN_THE_WAY = (  # what takes ACCESS SHARE, ROW SHARE, ROW EXCLUSIVE
    "SELECT id FROM {table} WHERE id = 1",
    "SELECT id FROM {table} WHERE id = 1 FOR SHARE",
    "UPDATE {table} SET id = id WHERE id = 1",
)

REQUESTS = (  # a weight, a statement, the highest of each of the ids it takes
    (30, "SELECT id, customer_id, amount FROM orders WHERE id = $1", (ORDERS,)),
    (20, "SELECT id, email, visits FROM customers WHERE id = $1", (CUSTOMERS,)),
    (15, "SELECT order_id, product_id, quantity FROM items WHERE id = $1", (ORDERS,)),
    (10, "SELECT id, stock FROM products WHERE id = $1", (PRODUCTS,)),
    (3, "SELECT name, vat FROM countries WHERE code = $1", (COUNTRIES,)),
    (7, "UPDATE orders SET amount = amount + 1 WHERE id = $1", (ORDERS,)),
    (5, "UPDATE customers SET visits = visits + 1 WHERE id = $1", (CUSTOMERS,)),
    (4, "UPDATE products SET stock = stock + 1 WHERE id = $1", (PRODUCTS,)),
    (3, "INSERT INTO orders (customer_id, amount) VALUES ($1, 10)", (CUSTOMERS,)),
    (
        3,
        "INSERT INTO items (order_id, product_id, quantity) VALUES ($1, $2, 1)",
        (ORDERS, PRODUCTS),
    ),
)
WEIGHTS = [weight for weight, _, _ in REQUESTS]


class Request(NamedTuple):
    due: float
    sql: str
    ids: tuple[int, ...]


class Traffic:
    """What goes on, and how long it took."""

    def __init__(self, dsn: str, seed: int) -> None:
        self.dsn = dsn
        self.dice = random.Random(seed)  # noqa: S311 - the same every time
        self.queue: asyncio.Queue[Request] = asyncio.Queue()
        self.latencies: list[tuple[float, float]] = []
        self.errors: list[tuple[float, str]] = []

    async def schedule(self) -> None:
        """Put requests in the queue when they are due."""
        began = time.perf_counter()
        for number in count():
            due = began + number / RATE
            await asyncio.sleep(due - time.perf_counter())
            _, sql, highest = self.dice.choices(REQUESTS, WEIGHTS)[0]
            ids = tuple(self.dice.randint(2, top) for top in highest)
            self.queue.put_nowait(Request(due, sql, ids))

    async def work(self, connection: asyncpg.Connection) -> None:
        """Do what is due, on one connection."""
        while True:
            request = await self.queue.get()
            try:
                await connection.fetch(request.sql, *request.ids)
            except asyncpg.PostgresError as error:
                self.errors.append((request.due, type(error).__name__))
            self.latencies.append((request.due, time.perf_counter() - request.due))
            self.queue.task_done()

    async def stand_in_the_way(self, seed: int) -> None:
        """Begin a long transaction every now and then."""
        dice = random.Random(seed)  # noqa: S311 - the same every time
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in count():
                due = began + EVERY * (number + (dice.uniform(-0.3, 0.3) if number else 0))
                table = dice.choice(HOT) if number else FIRST
                sql = dice.choice(IN_THE_WAY).format(table=table)
                seconds = dice.uniform(SHORTEST, LONGEST)
                await asyncio.sleep(due - time.perf_counter())
                group.create_task(self.long_transaction(sql, seconds))

    async def long_transaction(self, sql: str, seconds: float) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            async with connection.transaction():
                await connection.fetch(sql)
                await asyncio.sleep(seconds)
        except asyncpg.PostgresError as error:
            self.errors.append((time.perf_counter(), f"long {type(error).__name__}"))
        finally:
            connection.terminate()

    def found(self, began: float, ended: float) -> dict[str, object]:
        """Return what became of the requests due between two moments."""
        return {
            "latencies": [took for due, took in self.latencies if began <= due <= ended],
            "errors": [kind for due, kind in self.errors if began <= due <= ended],
        }


async def serve(dsn: str, seed: int) -> None:
    """Say "ready", and measure from the first line of standard input to the second."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    traffic = Traffic(dsn, seed)
    connections = [await asyncpg.connect(dsn) for _ in range(CONNECTIONS)]
    workers = [asyncio.create_task(traffic.work(each)) for each in connections]
    sources = [
        asyncio.create_task(traffic.schedule()),
        asyncio.create_task(traffic.stand_in_the_way(seed)),
    ]
    print("ready", flush=True)
    await orders.readline()
    began = time.perf_counter()
    await orders.readline()
    ended = time.perf_counter()
    sources[0].cancel()
    await traffic.queue.join()
    for task in (*sources, *workers):
        task.cancel()
    await asyncio.gather(*sources, *workers, return_exceptions=True)
    print(json.dumps(traffic.found(began, ended)), flush=True)


if __name__ == "__main__":
    with closing(asyncio.SelectorEventLoop(selectors.SelectSelector())) as own:
        own.run_until_complete(serve(sys.argv[1], int(sys.argv[2])))
