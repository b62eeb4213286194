"""Who may destroy rows: the decision, from plain values."""

import pytest
from sqlalchemy import text

from schemakit.catalog.differences import differences
from schemakit.catalog.portray import portray
from schemakit.errors import ConfigurationError, DestructiveMigrationBlocked
from schemakit.runner.settings import Settings
from schemakit.safety import Loss, permitted, reason_given

CHUNKS = Loss("table", "app.chunks", 1000, dependants=("view app.totals",))
SWITCH = "ALLOW_DESTRUCTIVE_MIGRATIONS"
TREE = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE t (x int, y int, feeling mood) PARTITION BY LIST (y);
CREATE TABLE leaf PARTITION OF t FOR VALUES IN (1);
INSERT INTO t VALUES (1, 1, 'sad')
"""


def test_rows_are_not_destroyed_without_a_reason():
    with pytest.raises(DestructiveMigrationBlocked) as caught:
        permitted("drop_table", [CHUNKS], environ={})
    assert "table app.chunks: 1,000 rows, and with it view app.totals" in str(caught.value)
    assert "ALLOW_DESTRUCTIVE_MIGRATIONS=true" in str(caught.value)
    assert caught.value.losses == (CHUNKS,)


def test_an_empty_table_may_go():
    assert permitted("drop_table", [Loss("table", "t", 0)], environ={}) == ""


@pytest.mark.parametrize("loss", [Loss("table", "t", 0, exact=False), Loss("table", "t")])
def test_what_was_not_counted_is_not_empty(loss):
    with pytest.raises(DestructiveMigrationBlocked):
        permitted("drop_table", [loss], environ={})


def test_the_reason_is_handed_on():
    assert permitted("drop_table", [CHUNKS], reason=" ticket 1 ", environ={}) == "ticket 1"


@pytest.mark.parametrize("word", ["true", "TRUE", " true", "1", "yes", "on\n"])
def test_d14_the_switch_takes_what_people_write_for_yes(word):
    assert reason_given(environ={SWITCH: word}) == f"{SWITCH}={word.strip()}"


@pytest.mark.parametrize("word", ["false", "0", "no", "off", "", " "])
def test_d14_and_for_no(word):
    assert reason_given(environ={SWITCH: word}) == ""


@pytest.mark.parametrize("word", ["maybe", "ture", "2"])
def test_d14_and_refuses_what_is_neither(word):
    with pytest.raises(ConfigurationError, match="is neither yes nor no"):
        reason_given(environ={SWITCH: word})


def test_d14_the_switch_is_read_at_the_call(monkeypatch):
    monkeypatch.setenv(SWITCH, "true")
    assert reason_given()
    monkeypatch.delenv(SWITCH)
    assert not reason_given()


@pytest.mark.parametrize("word", ["true", "0", "No"])
def test_a_word_is_no_reason(word):
    with pytest.raises(ConfigurationError, match="is no reason"):
        Settings.from_environment({"SCHEMAKIT_ALLOW_DESTRUCTIVE": word})


def test_a_reason_from_the_environment():
    found = Settings.from_environment({"SCHEMAKIT_ALLOW_DESTRUCTIVE": "ticket 1"})
    assert found.allow_destructive == "ticket 1"


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("DROP TABLE t", ["table public.t"]),
        ("DROP SCHEMA public CASCADE", ["table public.t"]),
        ("DROP TABLE leaf", ["partitions public.leaf"]),
        ("ALTER TABLE t DROP COLUMN x CASCADE", ["columns public.t column x"]),
        ("DROP TYPE mood CASCADE", ["columns public.t column feeling"]),
        ("ALTER TABLE t ALTER x TYPE smallint", ["column types public.t column x"]),
    ],
)
async def test_d15_what_any_statement_takes_shows_in_the_catalog(engine, oracle, statement, lost):
    """Who sends it need not ask: a guard compares, counts as `Loss`, and asks `permitted`."""
    await oracle.execute(TREE)
    oid = await oracle.fetchval("SELECT 't'::regclass::oid::bigint")
    async with engine.connect() as connection:
        before = await connection.run_sync(portray, oid)
        await connection.execute(text(statement))
        try:
            after = await connection.run_sync(portray, oid)
        except LookupError:
            found = ["table public.t"]
        else:
            found = [f"{each.facet} {each.object}" for each in differences(before, after)]
        with pytest.raises(DestructiveMigrationBlocked, match=r": 1 row"):
            permitted("upgrade", [Loss("rows", each, 1) for each in found], environ={})
        await connection.rollback()
    assert set(lost) <= set(found)
    assert await oracle.fetchval("SELECT count(*) FROM t") == 1
