"""Cancelled at every point: what comes out is the cancellation, and the server is left at rest."""

import asyncio
import signal
import sys
import types
from asyncio.subprocess import PIPE
from pathlib import Path

import anyio
import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.fix_postgres import disposing
from tests.runner.watching import INVALID, LOCKS, TABLES, at_rest, blocked, until, versions

import schemakit
from schemakit import Settings
from schemakit.runner.locks import lock_key

BOUNDARIES = (None, [], ["r1"], ["r2"], ["r3"])
SLEEPING = 'op.execute("SELECT pg_sleep(60)")'
KEY = lock_key()


class Cancellation:
    """Strikes when the work of `upgrade` suspends for the n-th time.

    Every await of the work is a suspension: each statement, the lock, the threads, the callbacks,
    and what a revision awaits itself.
    """

    def __init__(self, at, strike):
        self.at, self.strike, self.count = at, strike, 0

    def __enter__(self):
        self.loop = asyncio.get_running_loop()
        self.loop.set_task_factory(self._task)
        return self

    def __exit__(self, *_):
        self.loop.set_task_factory(None)

    def _task(self, loop, work, **options):
        if work.__qualname__ == "_outcome":
            work = self._counted(work)
        return asyncio.Task(work, loop=loop, **options)

    async def _counted(self, work):
        return await self._watched(work)

    @types.coroutine
    def _watched(self, work):
        step, value = work.send, None
        while True:
            try:
                waiting = step(value)
            except StopIteration as done:
                return done.value
            self.count += 1
            if self.count == self.at:
                self.loop.call_soon(self.strike)
            try:
                step, value = work.send, (yield waiting)
            except BaseException as error:  # noqa: BLE001 - handed on
                step, value = work.throw, error


async def by_cancel(work, at):
    """Cancel as ``task.cancel()`` does; return whether it struck before the end."""
    task = None
    with Cancellation(at, lambda: task.cancel()):  # noqa: PLW0108 - the task comes later
        task = asyncio.ensure_future(work)
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task.cancelled()


async def by_timeout(work, at):
    """Cancel as ``asyncio.timeout`` does."""
    try:
        async with asyncio.timeout(None) as timeout:
            with Cancellation(at, lambda: timeout.reschedule(0)):
                await work
    except TimeoutError:
        assert asyncio.current_task().cancelling() == 0
        return True
    return False


async def by_anyio(work, at):
    """Cancel as ``anyio.fail_after`` does: at every await, until the scope is left."""
    try:
        with anyio.fail_after(600) as scope:

            def strike():
                scope.deadline = asyncio.get_running_loop().time()
                scope.cancel()

            with Cancellation(at, strike):
                await work
    except TimeoutError:
        assert asyncio.current_task().cancelling() == 0
        return True
    return False


@pytest.fixture
def revisions(directory):
    """Three revisions: a table, an index built concurrently, and one that waits by itself."""
    directory.env(
        """
        from alembic import context

        context.configure(
            connection=context.config.attributes["connection"], transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()
        """
    )
    directory.revision("r1", 'op.create_table("t1", sa.Column("id", sa.Integer))')
    directory.revision(
        "r2",
        """
        with op.get_context().autocommit_block():
            op.create_index("i1", "t1", ["id"], postgresql_concurrently=True)
        """,
    )
    directory.revision(
        "r3",
        """
        import asyncio

        async def wait(connection):
            await asyncio.sleep(0.01)

        op.create_table("t3", sa.Column("id", sa.Integer))
        op.run_async(wait)
        """,
    )
    return directory.settle()


async def on_event(event):
    await asyncio.sleep(0)


async def left_clean(oracle, engine, directory):
    """At rest, at a boundary; and the next run goes on to head."""
    await at_rest(oracle)
    assert await versions(oracle) in BOUNDARIES
    await schemakit.upgrade(engine, migrations=directory)
    assert await versions(oracle) == ["r3"]
    assert await oracle.fetchval(INVALID) is None
    assert await oracle.fetchval(TABLES) == ["alembic_version", "t1", "t3"]
    await oracle.execute("DROP TABLE alembic_version, t1, t3")


@pytest.mark.parametrize("cancelled", [by_cancel, by_timeout, by_anyio])
async def test_cancelled_at_every_await(cancelled, database_url, oracle, revisions):
    point, struck = 1, True
    settings = Settings(index="off")
    async with disposing(create_async_engine(database_url, pool_size=1, max_overflow=0)) as engine:
        while struck:
            work = schemakit.upgrade(
                engine, migrations=revisions, settings=settings, on_event=on_event
            )
            struck = await cancelled(work, point)
            await left_clean(oracle, engine, revisions)
            point += 1
    assert point > 40


async def test_a_cancellation_that_comes_at_the_very_end_is_still_one(engine, revisions):
    async def cancel_at_the_end(event):
        if event.kind == "finished":
            task.cancel()

    task = asyncio.ensure_future(
        schemakit.upgrade(engine, migrations=revisions, on_event=cancel_at_the_end)
    )
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("times", [1, 3])
async def test_the_statement_that_runs_is_stopped_on_the_server(
    times, engine, oracle, connect, directory
):
    directory.revision("r1", SLEEPING).settle()
    task = asyncio.ensure_future(schemakit.upgrade(engine, migrations=directory))
    await blocked(oracle)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.001)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await oracle.fetchval(LOCKS) == 0


async def test_the_statement_that_runs_is_stopped_by_an_anyio_scope_too(engine, oracle, directory):
    directory.revision("r1", SLEEPING).settle()
    with pytest.raises(TimeoutError):
        with anyio.fail_after(1):
            await schemakit.upgrade(engine, migrations=directory)
    await at_rest(oracle)


async def test_wait_for_gets_its_timeout(engine, oracle, directory):
    directory.revision("r1", SLEEPING).settle()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(schemakit.upgrade(engine, migrations=directory), 1)
    await at_rest(oracle)


async def test_an_index_that_is_being_built_is_left_invalid_and_built_by_the_next_run(
    engine, oracle, connect, revisions
):
    await schemakit.upgrade(engine, "r1", migrations=revisions)
    blocker = await connect()
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("INSERT INTO t1 VALUES (1)")  # CREATE INDEX CONCURRENTLY waits for it
    task = asyncio.ensure_future(schemakit.upgrade(engine, migrations=revisions))

    async def building():
        return await oracle.fetchval("SELECT count(*) FROM pg_stat_progress_create_index")

    await until(building)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await oracle.fetchval(INVALID) == ["i1"]
    await transaction.rollback()
    await schemakit.upgrade(engine, migrations=revisions)
    assert await oracle.fetchval(INVALID) is None
    assert await oracle.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i1'::regclass"
    )


@pytest.mark.parametrize("cancelled", ["task", "anyio"])
async def test_waiting_for_the_lock_can_be_cancelled(cancelled, engine, oracle, connect, revisions):
    holder = await connect()
    await holder.execute(f"SELECT pg_advisory_lock({KEY})")
    waiting = asyncio.Event()

    def on_event(event):
        if event.kind == "waiting_for_lock":
            waiting.set()

    work = schemakit.upgrade(engine, migrations=revisions, on_event=on_event)
    if cancelled == "task":
        task = asyncio.ensure_future(work)
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with anyio.move_on_after(0.5) as scope:
            await work
        assert scope.cancelled_caught
    assert await oracle.fetchval(LOCKS) == 1
    assert await versions(oracle) is None


async def test_the_connection_of_a_cancelled_caller_can_be_used_again(engine, oracle, directory):
    directory.revision("r1", SLEEPING).settle()
    async with engine.connect() as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await schemakit.upgrade(connection, migrations=directory)
        assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
    await at_rest(oracle)


async def test_a_cancelled_caller_rolls_back_its_own_transaction(engine, oracle, directory):
    directory.revision("r1", f'op.execute("CREATE TABLE t1 (id int)"); {SLEEPING}').settle()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), engine.begin() as connection:
            await schemakit.upgrade(connection, migrations=directory)
    await at_rest(oracle)
    assert await oracle.fetchval(TABLES) == []


async def test_a_timeout_inside_a_revision_is_a_failure_of_the_revision(engine, directory):
    directory.revision(
        "r1",
        """
        import asyncio

        async def wait(connection):
            await asyncio.wait_for(asyncio.sleep(60), 0.01)

        op.run_async(wait)
        """,
    ).settle()
    with pytest.raises(schemakit.errors.RevisionFailed, match="TimeoutError"):
        await schemakit.upgrade(engine, migrations=directory)
    assert asyncio.current_task().cancelling() == 0


async def test_a_revision_that_swallows_the_cancellation_cannot_keep_it(engine, oracle, directory):
    directory.revision(
        "r1",
        """
        import asyncio

        async def wait(connection):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

        op.run_async(wait)
        """,
    ).settle()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await schemakit.upgrade(engine, migrations=directory)
    await at_rest(oracle)


async def test_control_c_leaves_nothing_behind(database_url, oracle, directory):
    directory.revision("r1", SLEEPING).settle()
    worker = Path(__file__).with_name("worker.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(worker), database_url, str(directory.path), stdin=PIPE, stderr=PIPE
    )
    process.stdin.write(b"go\n")
    await blocked(oracle)
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    assert said.endswith(b"KeyboardInterrupt\n")
    await at_rest(oracle)


async def test_an_event_loop_that_ends_leaves_nothing_behind(database_url, oracle, directory):
    directory.revision("r1", SLEEPING).settle()

    async def main():
        engine = create_async_engine(database_url)
        task = asyncio.ensure_future(schemakit.upgrade(engine, migrations=directory))
        watcher = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        await blocked(watcher)
        await watcher.close()
        del task  # asyncio.run cancels what still runs

    await asyncio.to_thread(asyncio.run, main())
    await at_rest(oracle)
