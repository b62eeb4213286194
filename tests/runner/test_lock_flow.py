"""The lock as a flow: told what the server answers, it says what it does next. No database."""

import pytest

from schemakit.catalog.model import LockHolder
from schemakit.errors import LockTimeout
from schemakit.runner.flow import Fetch, Notify, Run, Sleep
from schemakit.runner.locks import Grant, Lock, lock_key

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
