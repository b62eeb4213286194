"""The lock as a flow: told what the server answers, it says what it does next. No database."""

import pytest

from schemakit.catalog.model import LockHolder, OwnTable
from schemakit.errors import LockTimeout
from schemakit.runner.flow import Fetch, Notify, Run, Sleep
from schemakit.runner.leases import Lease
from schemakit.runner.locks import Grant, Lock, ParkedLock, lock_key

TRY = "SELECT 1 WHERE pg_catalog.pg_try_advisory_lock(7)"
TRY_IN_TRANSACTION = "SELECT 1 WHERE pg_catalog.pg_try_advisory_xact_lock(7)"
HELD, FREE = "SELECT 0", "SELECT 1"
HOLDER = LockHolder(42, "web", "10.0.0.1", "active", 3.0, "CREATE INDEX x ON t (a)")


class Clock:
    """Seconds that pass only in `Sleep`."""

    now = 0.0

    def __call__(self):
        return self.now


def play(flow, clock, *answers):
    """Send the *answers* into *flow*; return what it asked for, by name, and what came out."""
    asked, answers = [], list(answers)
    try:
        step = next(flow)
        while True:
            asked.append(step)
            if isinstance(step, Sleep):
                clock.now += step.seconds
                step = flow.send(None)
            elif isinstance(step, Notify):
                step = flow.send(None)
            else:
                step = flow.send(answers.pop(0))
    except StopIteration as done:
        return asked, done.value


def names(asked):
    return [type(step).__name__ for step in asked]


def acquire(clock, wait=60.0, settled=None, **options):
    return Lock(7, wait, **options).acquire("upgrade", settled, clock=clock)


def test_a_free_lock_is_had_at_the_first_try():
    asked, grant = play(acquire(clock := Clock()), clock, FREE)
    assert asked == [Run(TRY)]
    assert grant == Grant(held=True, waited=0.0)


def test_inside_a_transaction_the_lock_is_the_transactions():
    asked, _ = play(acquire(clock := Clock(), transactional=True), clock, FREE)
    assert asked == [Run(TRY_IN_TRANSACTION)]


def test_it_tries_again_after_a_pause():
    asked, grant = play(acquire(clock := Clock()), clock, HELD, (HOLDER,), FREE)
    assert names(asked) == ["Run", "Fetch", "Notify", "Sleep", "Run"]
    assert grant == Grant(held=True, waited=asked[3].seconds)


def test_it_reports_who_holds_the_lock():
    asked, _ = play(acquire(clock := Clock()), clock, HELD, (HOLDER,), FREE)
    event = asked[2].event
    assert (event.kind, event.holders) == ("waiting_for_lock", (HOLDER,))
    assert str(event) == (
        "Waited 0.0 s for the migration lock, held by "
        "pid 42 (web) from 10.0.0.1, active for 3 s: CREATE INDEX x ON t (a)"
    )


def test_it_asks_for_the_holder_only_every_five_seconds():
    answers = [HELD, (), *[HELD] * 4, FREE]
    asked, _ = play(acquire(clock := Clock()), clock, *answers)
    assert names(asked).count("Notify") == 1
    assert clock.now < 5


def test_the_first_pause_is_short():
    asked, _ = play(acquire(clock := Clock()), clock, HELD, (), FREE)
    assert 0.025 <= asked[3].seconds <= 0.075


def test_no_pause_is_longer_than_three_seconds():
    clock = Clock()
    flow, pauses = acquire(clock, wait=1000.0), []
    step = next(flow)
    for _ in range(300):
        if isinstance(step, Sleep):
            clock.now += step.seconds
            pauses.append(step.seconds)
        step = flow.send({Run: HELD, Fetch: ()}.get(type(step)))
    assert max(pauses) <= 3.0


def test_a_waiter_leaves_when_the_work_is_done():
    clock = Clock()
    flow = acquire(clock, settled=lambda _: True)
    not_yet, done = False, True
    asked, grant = play(flow, clock, HELD, not_yet, (HOLDER,), HELD, done)
    assert names(asked) == ["Run", "Fetch", "Fetch", "Notify", "Sleep", "Run", "Fetch"]
    assert grant == Grant(held=False, waited=asked[4].seconds)


def test_in_a_transaction_nothing_is_read_while_it_waits():
    flow = acquire(clock := Clock(), settled=lambda _: True, transactional=True)
    asked, _ = play(flow, clock, HELD, FREE)
    assert names(asked) == ["Run", "Notify", "Sleep", "Run"]


def test_in_a_transaction_the_holder_is_read_when_the_wait_is_over():
    flow = acquire(clock := Clock(), wait=0.0, transactional=True)
    with pytest.raises(LockTimeout) as caught:
        play(flow, clock, HELD, (HOLDER,))
    assert caught.value.holders == (HOLDER,)


def test_waiting_is_bounded():
    flow = acquire(clock := Clock(), wait=0.0)
    with pytest.raises(LockTimeout) as caught:
        play(flow, clock, HELD, (HOLDER,))
    assert caught.value.holders == (HOLDER,)


def test_the_last_try_is_made_at_the_deadline_and_not_after_it():
    flow = acquire(clock := Clock(), wait=0.001)
    with pytest.raises(LockTimeout):
        play(flow, clock, HELD, (), HELD, ())
    assert clock.now <= 0.01


def test_a_holder_that_has_just_gone_is_no_riddle():
    flow = acquire(clock := Clock(), wait=0.0)
    with pytest.raises(LockTimeout, match="held by somebody who has just let go"):
        play(flow, clock, HELD, ())


def test_a_transactions_lock_is_never_given_back_by_hand():
    assert list(Lock(7, 1.0, transactional=True).release()) == []


@pytest.mark.parametrize(
    ("name", "key"), [("", 3176914061155598535), ("billing", 5351001589676381210)]
)
def test_the_key_never_changes_since_releases_must_exclude_each_other(name, key):
    assert lock_key(name) == key


# -- on a connection of its own --------------------------------------------------------------------

PARKED = (
    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; "
    "SELECT 1 WHERE pg_catalog.pg_try_advisory_xact_lock(7)"
)


def test_a_parked_lock_is_had_in_one_round_trip_and_its_transaction_stays_open():
    asked, grant = play(
        ParkedLock(7, 60.0).acquire("upgrade", clock=(clock := Clock())), clock, FREE
    )
    assert asked == [Run(PARKED)]
    assert grant.held


def test_a_parked_lock_that_was_not_had_ends_its_transaction_before_anything_else():
    flow = ParkedLock(7, 60.0).acquire("upgrade", lambda _: False, clock=(clock := Clock()))
    not_yet = False
    asked, _ = play(flow, clock, HELD, "ROLLBACK", not_yet, (HOLDER,), FREE)
    assert asked[:2] == [Run(PARKED), Run("ROLLBACK")]
    assert names(asked[2:]) == ["Fetch", "Fetch", "Notify", "Sleep", "Run"]


def test_a_parked_lock_is_given_back_by_the_end_of_its_transaction():
    assert list(ParkedLock(7, 60.0).release()) == [Run("ROLLBACK")]


def test_every_setting_that_would_end_it_is_off():
    lock = ParkedLock(7, 60.0, timeouts=("a", "b"))
    asked, _ = play(lock.acquire("upgrade", clock=(clock := Clock())), clock, FREE)
    assert asked[0].sql.startswith("BEGIN; SET LOCAL a = 0; SET LOCAL b = 0; SELECT")


THERE = OwnTable(schema=True, table=True, readable=True)
NO_TABLE = OwnTable(schema=True, table=False, readable=False)
NOTHING = OwnTable(schema=False, table=False, readable=False)


def lease_asks(table, *answers):
    clock = Clock()
    asked, grant = play(Lease(7, 60.0).acquire("upgrade", clock=clock), clock, table, *answers)
    assert grant.held
    return asked


def test_a_lease_is_one_insert():
    asked = lease_asks(THERE, "INSERT 0 1")
    assert names(asked) == ["Fetch", "Run"]
    assert asked[1].sql.startswith("INSERT INTO schemakit.migration_lease AS held")
    assert asked[1].sql.endswith("WHERE held.expires < pg_catalog.clock_timestamp()")


@pytest.mark.parametrize(("found", "makes"), [(NO_TABLE, False), (NOTHING, True)])
def test_its_table_is_made_in_turn_and_its_schema_only_if_need_be(found, makes):
    made = lease_asks(found, "CREATE TABLE", "INSERT 0 1")[1].sql
    assert made.startswith("SELECT pg_catalog.pg_advisory_xact_lock(")
    assert ('CREATE SCHEMA IF NOT EXISTS "schemakit"' in made) is makes


def test_a_lease_that_another_has_is_waited_for():
    asked = lease_asks(THERE, "INSERT 0 0", (HOLDER,), THERE, "INSERT 0 1")
    assert names(asked) == ["Fetch", "Run", "Fetch", "Notify", "Sleep", "Fetch", "Run"]


@pytest.mark.parametrize(("status", "still"), [("UPDATE 1", True), ("UPDATE 0", False)])
def test_a_lease_that_cannot_be_renewed_is_anothers(status, still):
    _, renewed = play(Lease(7, 60.0).renew(), Clock(), status)
    assert renewed is still


def test_a_lease_is_given_back_by_its_holder_only():
    lease = Lease(7, 60.0)
    (deleted,) = lease.release()
    assert deleted.sql.endswith(f"WHERE key = 7 AND holder = '{lease.holder}'")


def test_no_two_leases_have_the_same_holder():
    assert Lease(7, 60.0).holder != Lease(7, 60.0).holder
