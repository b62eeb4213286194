import pytest

from schemakit.errors import ConfigurationError
from schemakit.sql import Name
from schemakit.sql.effects.model import TableLock
from schemakit.sql.locks import LockMode
from schemakit.sql.plan import Plan, Statement, Step

SHARE = TableLock(LockMode.SHARE, Name("t"))
NEW = TableLock(LockMode.ACCESS_EXCLUSIVE, Name("n"), new=True)
BUILD = Statement("CREATE INDEX CONCURRENTLY i ON t (a)", why="writers go on", transactional=False)
MAKE = Statement("CREATE TABLE n ()", (NEW,))


def test_the_lock_of_a_statement_is_that_on_what_was_there_before():
    assert Statement("…", (NEW, SHARE)).lock == LockMode.SHARE
    assert MAKE.lock is None


def test_what_runs_in_no_transaction_is_a_step_of_its_own():
    with pytest.raises(ConfigurationError, match="a step of its own"):
        Step.of(MAKE, BUILD)


def test_a_plan_prints_as_a_script():
    plan = Plan.of(Step.of(MAKE, Statement("SELECT 1")), Step.of(BUILD), Step(()))
    assert str(plan) == (
        "BEGIN;\n"
        'CREATE TABLE n ();  -- ACCESS EXCLUSIVE on "n" (new)\n'
        "SELECT 1;\n"
        "COMMIT;\n"
        "CREATE INDEX CONCURRENTLY i ON t (a);  -- writers go on"
    )


def test_batches_hold_at_most_so_many_statements():
    plan = Plan.in_batches([Statement(f"SELECT {n}") for n in range(5)], 2)
    assert [step.sql for step in plan.steps] == [
        "SELECT 0;\nSELECT 1",
        "SELECT 2;\nSELECT 3",
        "SELECT 4",
    ]
    assert plan.in_one_transaction().steps == (Step(plan.statements),)


def test_an_empty_plan_is_false():
    assert not Plan.of(Step(()))
    assert Plan.of(Step.of(MAKE)) + Plan()
