"""What a run reports: events, log records and spans; and that it prints nothing."""

import asyncio
import dataclasses
import logging
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.runner.watching import LOCKS, at_rest, versions

import schemakit
from schemakit import Settings
from schemakit.errors import LockTimeout, RevisionFailed


@pytest.fixture
def two(directory):
    return directory.tables(2).settle()


@pytest.fixture
def bad(directory):
    return directory.tables(1).revision("bad", 'op.execute("SELECT nonsense")').settle()


def kinds(events):
    return [(event.kind, event.revision and event.revision.id) for event in events]


# -- the callback ----------------------------------------------------------------------------------


async def test_events_come_in_order(engine, two):
    events = []
    await schemakit.upgrade(engine, migrations=two, on_event=events.append)
    assert kinds(events) == [
        ("started", None),
        ("revision_started", "r1"),
        ("revision_finished", "r1"),
        ("revision_started", "r2"),
        ("revision_finished", "r2"),
        ("finished", None),
    ]


async def test_an_event_says_where_in_the_run_it_is(engine, two):
    events = []
    await schemakit.upgrade(engine, migrations=two, on_event=events.append)
    assert [(event.position, event.total) for event in events[1:5]] == [
        (1, 2),
        (1, 2),
        (2, 2),
        (2, 2),
    ]
    assert [event.command for event in events] == ["upgrade"] * 6


async def test_an_event_prints_well(engine, two):
    events = []
    await schemakit.upgrade(engine, migrations=two, on_event=events.append)
    lines = [str(event) for event in events]
    assert lines[:2] == ["upgrade to head", "upgrade r1, revision r1"]
    assert lines[2].startswith("upgrade   r1  revision r1 (")
    assert lines[5].splitlines()[2].startswith("upgrade: base -> r2 in ")


async def test_an_event_is_frozen(engine, two):
    events = []
    await schemakit.upgrade(engine, migrations=two, on_event=events.append)
    with pytest.raises(dataclasses.FrozenInstanceError):
        events[0].kind = "finished"


async def test_a_failure_is_an_event_and_nothing_finishes(engine, bad):
    events = []
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=bad, on_event=events.append)
    assert kinds(events) == [
        ("started", None),
        ("revision_started", "r1"),
        ("revision_finished", "r1"),
        ("revision_started", "bad"),
        ("revision_failed", "bad"),
    ]
    assert str(events[-1]) == "upgrade bad failed: ProgrammingError"


async def test_a_failing_commit_is_an_event_too(engine, directory):
    directory.revision(
        "fk",
        """
        op.execute("CREATE TABLE a (id int PRIMARY KEY)")
        op.execute("CREATE TABLE b (id int REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
        op.execute("INSERT INTO b VALUES (1)")
        """,
    ).settle()
    events = []
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=directory, on_event=events.append)
    assert kinds(events)[1:] == [
        ("revision_started", "fk"),
        ("revision_finished", "fk"),
        ("revision_failed", "fk"),
    ]


async def test_a_run_with_nothing_to_do_starts_and_finishes(engine, two):
    await schemakit.upgrade(engine, migrations=two)
    events = []
    await schemakit.upgrade(engine, migrations=two, on_event=events.append)
    assert kinds(events) == [("started", None), ("finished", None)]
    assert str(events[1]) == "nothing to upgrade: already at r2"


async def test_a_downgrade_reports_its_revisions(engine, two):
    await schemakit.upgrade(engine, migrations=two)
    events = []
    await schemakit.downgrade(engine, "base", migrations=two, on_event=events.append)
    assert kinds(events)[1:5:2] == [("revision_started", "r2"), ("revision_started", "r1")]
    assert {event.command for event in events} == {"downgrade"}


async def test_waiting_is_an_event_that_names_the_holder(engine, connect, two):
    holder = await connect()
    await holder.execute("SELECT pg_advisory_lock(3176914061155598535)")
    events = []
    settings = Settings(lock_wait=0.2)
    with pytest.raises(LockTimeout):
        await schemakit.upgrade(engine, migrations=two, settings=settings, on_event=events.append)
    assert kinds(events) == [("started", None), ("waiting_for_lock", None)]
    assert [found.pid for found in events[1].holders] == [holder.get_server_pid()]


async def test_a_callback_may_be_a_coroutine_function(engine, two):
    seen = []

    async def on_event(event):
        await asyncio.sleep(0)
        seen.append(event.kind)

    await schemakit.upgrade(engine, migrations=two, on_event=on_event)
    assert seen[0::5] == ["started", "finished"]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_callback_that_raises_is_logged_and_harmless(waits, engine, oracle, two, caplog):
    def on_event(event):
        raise ValueError(event.kind)

    async def on_event_later(event):
        on_event(event)

    callback = on_event_later if waits else on_event
    await schemakit.upgrade(engine, migrations=two, on_event=callback)
    assert await versions(oracle) == ["r2"]
    failures = [record.getMessage() for record in caplog.records if record.exc_info]
    assert failures[0::5] == ["on_event raised at started", "on_event raised at finished"]


@pytest.mark.parametrize("kind", ["started", "revision_started", "revision_finished", "finished"])
async def test_a_callback_that_exits_ends_the_run(kind, engine, oracle, two):
    def on_event(event):
        if event.kind == kind:
            sys.exit(3)

    with pytest.raises(SystemExit):
        await schemakit.upgrade(engine, migrations=two, on_event=on_event)
    await at_rest(oracle)
    assert await versions(oracle) == (["r2"] if kind == "finished" else None)


async def test_a_callback_that_is_cancelled_ends_the_run(engine, oracle, two):
    async def on_event(event):
        if event.kind == "revision_finished":
            asyncio.current_task().cancel()
            await asyncio.sleep(1)

    with pytest.raises(asyncio.CancelledError):
        await schemakit.upgrade(engine, migrations=two, on_event=on_event)
    await at_rest(oracle)
    assert await oracle.fetchval(LOCKS) == 0


# -- the result ------------------------------------------------------------------------------------


async def test_a_result_prints_a_line_for_each_revision_and_sums_up(engine, two):
    result = await schemakit.upgrade(engine, migrations=two)
    lines = str(result).splitlines()
    assert [line.partition(" (")[0] for line in lines[:2]] == [
        "upgrade   r1  revision r1",
        "upgrade   r2  revision r2",
    ]
    assert lines[2].startswith("upgrade: base -> r2 in ")


async def test_a_result_is_frozen_and_says_what_was_done(engine, two):
    result = await schemakit.upgrade(engine, migrations=two)
    assert [(step.revision, step.direction) for step in result.applied] == [
        ("r1", "upgrade"),
        ("r2", "upgrade"),
    ]
    assert all(0 < step.duration <= result.duration for step in result.applied)
    assert (result.heads_before, result.heads_after, result.waited) == ((), ("r2",), 0.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.waited = 1.0


# -- logging and stdout ----------------------------------------------------------------------------


async def test_everything_is_logged_under_one_name(engine, two, caplog):
    caplog.set_level(logging.INFO, "schemakit")
    await schemakit.upgrade(engine, migrations=two)
    ours = [record for record in caplog.records if record.name == "schemakit"]
    assert [record.getMessage().partition(" (")[0] for record in ours[:3]] == [
        "upgrade to head",
        "upgrade r1, revision r1",
        "upgrade   r1  revision r1",
    ]


async def test_a_failure_is_logged_as_an_error(engine, bad, caplog):
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=bad)
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["upgrade bad failed: ProgrammingError"]


SILENT = """
import asyncio, sys
from sqlalchemy.ext.asyncio import create_async_engine
import schemakit

async def main(url, directory):
    engine = create_async_engine(url)
    await schemakit.upgrade(engine, "r1", migrations=directory)
    try:
        await schemakit.upgrade(engine, migrations=directory)
    except schemakit.errors.RevisionFailed:
        pass
    await schemakit.downgrade(engine, "base", migrations=directory)
    await engine.dispose()

asyncio.run(main(*sys.argv[1:]))
"""


def test_nothing_is_printed(database_url, bad):
    command = [sys.executable, "-c", SILENT, database_url, str(bad.path)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


# -- OpenTelemetry ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exporter():
    # The global provider can be set only once in a process: this module is the one that does.
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter):
    exporter.clear()
    return exporter.get_finished_spans


async def test_there_is_a_span_for_the_run_and_for_each_revision(spans, engine, two):
    await schemakit.upgrade(engine, migrations=two)
    first, second, run = spans()
    assert [span.name for span in spans()] == [
        "schemakit.upgrade.revision",
        "schemakit.upgrade.revision",
        "schemakit.upgrade",
    ]
    revisions = [span.attributes["schemakit.revision"] for span in (first, second)]
    assert revisions == ["r1", "r2"]
    assert {first.parent.span_id, second.parent.span_id} == {run.context.span_id}


async def test_the_run_is_a_child_of_the_callers_span(spans, engine, two):
    with trace.get_tracer("app").start_as_current_span("boot") as boot:
        await schemakit.upgrade(engine, migrations=two)
    run = next(span for span in spans() if span.name == "schemakit.upgrade")
    assert run.parent.span_id == boot.get_span_context().span_id


async def test_the_spans_of_a_failure_are_ended_as_errors(spans, engine, bad):
    with pytest.raises(RevisionFailed):
        await schemakit.upgrade(engine, migrations=bad)
    found = [(span.name, span.status.status_code.name) for span in spans()]
    assert found == [
        ("schemakit.upgrade.revision", "UNSET"),
        ("schemakit.upgrade.revision", "ERROR"),
        ("schemakit.upgrade", "ERROR"),
    ]
    assert spans()[2].attributes["error.type"] == "RevisionFailed"


async def test_the_spans_of_a_cancelled_run_are_ended(spans, engine, directory):
    directory.revision("r1", 'op.execute("SELECT pg_sleep(60)")').settle()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await schemakit.upgrade(engine, migrations=directory)
    assert [span.name for span in spans()] == ["schemakit.upgrade.revision", "schemakit.upgrade"]
    assert spans()[1].attributes["error.type"] == "CancelledError"
