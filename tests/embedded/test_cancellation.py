"""A task may be cancelled at any moment; no server stays behind, and nobody waits in vain."""

import asyncio
import fcntl
import time

import anyio
import pytest

from schemakit.embedded import EmbeddedServer
from schemakit.embedded.patience import to_completion
from schemakit.errors import EmbeddedError


@pytest.mark.parametrize("milestone", ["lock", "data.new-*/PG_VERSION", "data/postmaster.pid"])
async def test_cancelled_in_start(playground, milestone, query):
    home = playground / "pg"
    starting = asyncio.create_task(EmbeddedServer(home).start())
    while not any(home.glob(milestone)):  # noqa: ASYNC110  the server's progress
        await asyncio.sleep(0.001)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not (home / "data" / "postmaster.pid").exists()
    if milestone == "data.new-*/PG_VERSION":
        async with EmbeddedServer(home) as server:
            assert await query(server.dsn, "SELECT 1") == 1


async def test_cancelled_inside_the_block(home):
    async def work():
        async with EmbeddedServer(home):
            started.set()
            await asyncio.sleep(60)

    started = asyncio.Event()
    working = asyncio.create_task(work())
    await started.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert not (home / "data" / "postmaster.pid").exists()


async def test_an_anyio_scope_cancels_the_start_and_the_block(home):
    with anyio.move_on_after(0.05) as scope:
        async with EmbeddedServer(home):
            scope.cancel()
            await anyio.sleep(60)
    assert scope.cancelled_caught
    async with EmbeddedServer(home):
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with EmbeddedServer(home):
                await anyio.sleep(60)
        assert scope.cancelled_caught
    assert not (home / "data" / "postmaster.pid").exists()


@pytest.fixture
def held_lock(playground):
    home = playground / "pg"
    home.mkdir()
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield home / "lock"


async def test_a_lock_that_stays_taken_is_named(held_lock):
    with pytest.raises(EmbeddedError) as caught:
        await EmbeddedServer(held_lock.parent, timeout=0.2).start()
    assert str(held_lock) in str(caught.value)
    assert "Remedy: wait for that process" in str(caught.value)


async def test_the_wait_for_the_lock_ends_with_the_task(held_lock):
    waiting = asyncio.create_task(EmbeddedServer(held_lock.parent).start())
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(waiting), timeout=5)


async def test_work_is_outlasted_however_often_one_cancels():
    undone = []
    task = asyncio.create_task(to_completion(lambda: time.sleep(0.3) or "done", undo=undone.append))
    for _ in range(3):
        await asyncio.sleep(0.05)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone == ["done"]


async def test_the_event_loop_runs_on_meanwhile():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await to_completion(lambda: time.sleep(0.2))
    ticking.cancel()
    assert ticks >= 10
