"""The server goes away at every protocol message of a run of ten revisions.

What comes out is a typed error within a bounded time; the database is at a revision boundary, or
the error says which revision has kept a part; the lock is free; the next run goes on to head.
"""

import asyncio
import os
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic

import asyncpg
import pytest
from sqlalchemy import make_url
from tests.fix_postgres import disposing, pool_free
from tests.runner.ten_revisions import OUTSIDE, REVISIONS, shown, written
from tests.runner.watching import LONG, at_rest, versions
from tools.fault_proxy import Fault, FaultProxy, Server

import schemakit
from schemakit import SchemakitError, Settings
from schemakit.errors import ConnectionFailed, ConnectionLost, RevisionInterrupted

SEED = int(os.environ.get("SCHEMAKIT_TEST_SEED", "20261123"))
SETTINGS = Settings(index="off")
#: For a server that falls silent: it is given up soon.
IMPATIENT = replace(SETTINGS, server_timeout=0.5)
#: Seconds: what is not over by then hangs.
BOUND = 20.0
#: How many faults at the same time.
WIDTH = 4


def server_of(url):
    """Where the server of *url* listens."""
    url = make_url(url)
    host = url.host or url.query.get("host", "127.0.0.1")
    port = int(url.port or url.query.get("port", 5432))
    return Server(f"{host}/.s.PGSQL.{port}") if host.startswith("/") else Server(None, host, port)


def through(proxy, url):
    """An engine on the database of *url*, by way of *proxy*."""
    query = {k: v for k, v in make_url(url).query.items() if k not in ("host", "port")}
    url = make_url(url).set(host="127.0.0.1", port=proxy.port, query=query)
    return pool_free(url, connect_args={"ssl": False, "timeout": 5})


class Place:
    """A database that is made anew for each fault."""

    def __init__(self, admin, turn, url, dsn):
        self.admin, self.turn, self.url, self.dsn = admin, turn, url, dsn
        self.name = make_url(url).database

    @asynccontextmanager
    async def fresh(self):
        """Empty it, and yield the oracle's connection to it."""
        async with self.turn:
            await self.admin.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
            await self.admin.execute(f'CREATE DATABASE "{self.name}"')
        oracle = await asyncpg.connect(self.dsn)
        try:
            yield oracle
        finally:
            await oracle.close(timeout=5)


@pytest.fixture
async def places(server_url, dsn_of, new_database):
    """Databases to break, side by side: a fault takes its time by waiting."""
    admin = await asyncpg.connect(dsn_of(make_url(server_url).database))
    urls = [await new_database() for _ in range(WIDTH)]
    turn = asyncio.Lock()
    yield [Place(admin, turn, url, dsn_of(make_url(url).database)) for url in urls]
    await admin.close()


@pytest.fixture
def place(places):
    return places[0]


async def state(oracle):
    """What the version table holds, and what the catalog shows."""
    found = await versions(oracle)
    return (found[0] if found else None), await shown(oracle)


async def upgraded(url, directory, revision="head", **settings):
    async with disposing(pool_free(url)) as engine:
        return await schemakit.upgrade(
            engine, revision, migrations=directory, settings=replace(SETTINGS, **settings)
        )


async def reference(place, directory):
    """What the catalog shows at each revision, as the server tells."""
    async with place.fresh() as oracle:
        found = {None: await shown(oracle)}
        for revision in REVISIONS:
            await upgraded(place.url, directory, revision)
            version, found[revision] = await state(oracle)
            assert version == revision
    return found


async def messages(place, directory):
    """How many messages a run takes in each direction."""
    async with place.fresh(), FaultProxy(server_of(place.url)) as proxy:
        async with disposing(through(proxy, place.url)) as engine:
            await schemakit.upgrade(engine, migrations=directory, settings=SETTINGS)
        return {way: proxy.count(way) for way in ("frontend", "backend")}


async def struck(place, directory, fault):
    """Run with *fault*; return what was raised, if anything, and how many seconds it took."""
    async with FaultProxy(server_of(place.url), fault) as proxy:
        async with disposing(through(proxy, place.url)) as engine:
            settings = IMPATIENT if fault.kind == "half-open" else SETTINGS
            began, error = monotonic(), None
            try:
                async with asyncio.timeout(BOUND):
                    await schemakit.upgrade(engine, migrations=directory, settings=settings)
            except SchemakitError as raised:
                error = raised
            took = monotonic() - began
        assert proxy.struck or fault.kind == "half-open"  # else a busy machine was given up
    return error, took


def check_error(error, version, found, expected):
    """The error, or that there is none, is the truth about the database."""
    if error is None:
        assert version == "r10"
    else:
        assert isinstance(error, ConnectionFailed | ConnectionLost), repr(error)
    if isinstance(error, RevisionInterrupted):
        assert error.heads in ((version,) if version else (), ())
        names = list(REVISIONS)
        assert [step.revision for step in error.applied] == names[: len(error.applied)]
    if found != expected[version]:
        assert isinstance(error, RevisionInterrupted), repr(error)
        if not error.heads:
            assert "What the database has kept of this run is not known." in str(error)
        else:
            kept = [name for name in OUTSIDE if name > version]
            assert [name for name in kept if name in str(error)]
            assert "The next run sees in the catalog how far that got" in str(error)


async def withstood(place, directory, fault, expected):
    """Strike once, look at everything, and go on."""
    async with place.fresh() as oracle:
        error, took = await struck(place, directory, fault)
        await at_rest(oracle)
        check_error(error, *await state(oracle), expected)
        await upgraded(place.url, directory)
        assert await state(oracle) == ("r10", expected["r10"])
        return took


#: What strikes, and whether all connections (then nobody can tell what was kept): how many of the
#: messages, and with SCHEMAKIT_TEST_LONG=1 every how manyeth.
STRIKES = {
    ("reset", False): (4, 1),
    ("reset", True): (2, 3),
    ("close", False): (2, 3),
    ("half-open", False): (2, 3),
    ("half-open", True): (1, 16),
}


def chosen(count, each):
    """The faults to try, in an order that the seed decides."""
    dice = random.Random(f"{SEED} {each}")  # noqa: S311 - a seed is the point
    faults = []
    for (kind, everywhere), (sample, stride) in STRIKES.items():
        every = [
            Fault(kind, way, number, everywhere=everywhere)
            for way in count
            for number in range(1, count[way] + 1)
        ]
        faults += every[::stride] if LONG else dice.sample(every, sample)
    dice.shuffle(faults)
    return faults


@pytest.mark.parametrize("each", [True, False], ids=["each", "one"])
async def test_at_any_message(each, places, directory):
    written(directory, each=each)
    expected = await reference(places[0], directory)
    count = await messages(places[0], directory)
    assert await messages(places[0], directory) == count
    faults, took, failures = chosen(count, each), {}, []

    async def work(place):
        while faults:
            fault = faults.pop()
            try:
                took[str(fault)] = await withstood(place, directory, fault, expected)
            except Exception as error:  # noqa: BLE001 - all of them are to be seen
                error.add_note(f"{fault}, of {count}; SCHEMAKIT_TEST_SEED={SEED}")
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for place in places:
            group.create_task(work(place))
    if failures:
        raise ExceptionGroup("some faults were not withstood", failures)
    for kind in ("reset", "close", "half-open"):
        seconds, worst = max((took[each], each) for each in took if each.startswith(kind))
        print(f"\n{worst} took {seconds:.2f} s")  # noqa: T201 - measured, not asserted


@pytest.mark.parametrize("each", [True, False], ids=["each", "one"])
async def test_a_lost_session_is_ended_on_the_server_and_holds_up_nobody(each, place, directory):
    written(directory, each=each)
    count = await messages(place, directory)
    fault = Fault("half-open", "frontend", count["frontend"] - 30)
    async with place.fresh() as oracle, FaultProxy(server_of(place.url), fault) as proxy:
        async with disposing(through(proxy, place.url)) as engine:
            with pytest.raises(RevisionInterrupted) as caught:
                await schemakit.upgrade(engine, migrations=directory, settings=IMPATIENT)
        # The proxy still holds the server's end open, as a network that lost its client does.
        version, _ = await state(oracle)
        assert caught.value.heads == (version,)
        await upgraded(place.url, directory, lock_wait=0.0)
        assert (await state(oracle))[0] == "r10"
