"""How statements travel, as a table."""

import pytest

from schemakit.sql import deliver, parser
from schemakit.sql.delivery import Delivery, needs_literals


def unasked(_):
    raise AssertionError("the parser was asked")


def helpless(_):
    return None


@pytest.mark.parametrize(
    "sql", ["select $1", "insert into t values ($1)", "update t set a = $1 where b = ';'"]
)
def test_with_parameters_a_statement_is_prepared(sql):
    assert deliver(sql, parameters=True, split=unasked) == Delivery("prepared", sql)


@pytest.mark.parametrize(
    "sql", ["select 1", "select 1;", "select 1 ; \n", "(select 1)", "delete from t returning a"]
)
def test_a_statement_with_rows_is_prepared_without_the_parser(sql):
    assert deliver(sql, parameters=False, split=unasked) == Delivery("prepared", sql)


@pytest.mark.parametrize("sql", ["create table t ()", "drop table t;", "update t set a = 1"])
def test_a_statement_without_rows_goes_simply_without_the_parser(sql):
    assert deliver(sql, parameters=False, split=unasked) == Delivery("simple", sql)


@pytest.mark.parametrize("sql", ["", ";", "-- nothing here; really", "/* x; y */"])
def test_no_statement_is_not_sent(sql):
    assert deliver(sql, parameters=False, split=unasked) == Delivery("nothing", sql)


@pytest.mark.parametrize(
    "sql",
    [
        "create table a (); create table b ()",
        "select 1; create table b ()",
        "do $$ begin perform 1; end $$",
        "create function f() returns int begin atomic; select 1; end",
        "insert into t values ('a;b')",
    ],
)
def test_a_script_whose_last_has_no_rows_goes_whole(sql):
    assert deliver(sql, parameters=False, split=parser.split) == Delivery("simple", sql)


@pytest.mark.parametrize("sql", ["select 'a;b'", "select 1; -- done", 'select 1 as ";x"'])
def test_a_semicolon_in_a_literal_makes_no_script(sql):
    assert deliver(sql, parameters=False, split=parser.split) == Delivery("prepared", sql)


def test_a_script_whose_last_has_rows_is_cut_before_it():
    sql = "create table a (); insert into a default values; select 1"
    assert deliver(sql, parameters=False, split=parser.split) == Delivery(
        "script", "select 1", head="create table a ()\n;\ninsert into a default values"
    )


def test_a_comment_at_the_end_of_a_statement_does_not_swallow_the_next():
    def split(_):
        return ["select 1 -- one", "select 2", "select 3"]

    assert deliver("select 1; select 2; select 3", parameters=False, split=split) == Delivery(
        "script", "select 3", head="select 1 -- one\n;\nselect 2"
    )


@pytest.mark.parametrize(("sql", "how"), [("select 1; x", "prepared"), ("create; x", "simple")])
def test_what_cannot_be_cut_is_left_to_the_server(sql, how):
    assert deliver(sql, parameters=False, split=helpless) == Delivery(how, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "comment on table t is $1",
        "alter table t alter a set default $1::varchar",
        "create view v as select $1 as a",
        "do $$ begin perform $1; end $$",
        "set local lock_timeout = $1",
        "notify a, $1",
        "grant select on t to $1",
        "select now() - INTERVAL $1",
        "select interval (3) $1",
        "select timestamp with time zone $1",
        "select time (2) without time zone $1",
        "select DATE $1::varchar",
        "select jsonb $1",
        "select 1 where a in $1",
        "select cron.schedule($$ delete from t where a < $1 $$)",
        "update t set a = $1; update t set b = $2",
    ],
)
def test_the_values_must_stand_in_the_text_of(sql):
    assert needs_literals(sql, split=parser.split)


@pytest.mark.parametrize(
    "sql",
    [
        "select $1",
        "insert into t (date, time) values ($1, $2)",
        "select * from t where a in ($1, $2)",
        "select * from t where interval = $1",
        "select 'interval $1', $1",
        "select $1 -- date $1",
        "select $1, 'a;b'",
        "select $$;$$, $1",
        "with x as (select $1) insert into t select * from x",
        "explain select $1",
        "(select $1)",
    ],
)
def test_the_server_takes_the_parameters_of(sql):
    assert not needs_literals(sql, split=parser.split)
