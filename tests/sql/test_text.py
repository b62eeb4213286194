"""What the first words tell, as a table."""

import pytest

from schemakit.sql import leading_keyword, returns_rows
from schemakit.sql.text import copies, ends_transaction, is_empty, takes_parameters


@pytest.mark.parametrize(
    ("sql", "keyword"),
    [
        ("select 1", "select"),
        ("  \n\tSELECT 1", "select"),
        ("-- note\nUPDATE t SET a = 1", "update"),
        ("/* note */ DELETE FROM t", "delete"),
        ("/* nested /* comments */ */ SELECT 1", "select"),
        ("/* unbalanced /* */ SELECT 1", ""),
        ("(SELECT 1)", "select"),
        ("((/* x */ SELECT 1))", "select"),
        (";; ; values (1)", "values"),
        ("-- a\r-- b\r\nvacuum", "vacuum"),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "with"),
        ("CREATE TABLE t ()", "create"),
        ("", ""),
        ("-- nothing", ""),
        ("'text'", ""),
        ("$1", ""),
    ],
)
def test_the_leading_keyword_is_found_past_what_is_no_word(sql, keyword):
    assert leading_keyword(sql) == keyword


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "(select 1)",
        "/* a /* b */ */ select 1",
        "with x as (select 1) select * from x",
        "with x as (delete from t returning a) select * from x",
        "values (1)",
        "table t",
        "show search_path",
        "explain select 1",
        "execute p",
        "fetch all from c",
        "call p()",
        "insert into t values (1) RETURNING a",
        "update t set a = 1 returning a",
        "delete from t returning *",
    ],
)
def test_these_may_answer_with_rows(sql):
    assert returns_rows(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "insert into t values (1)",
        "update t set a = 1",
        "delete from t",
        "create table t (a int)",
        "do $$ begin perform 1; end $$",
        "set search_path = x",
        "vacuum",
        "comment on table t is 'select'",
        "",
    ],
)
def test_these_answer_with_a_tag_alone(sql):
    assert not returns_rows(sql)


@pytest.mark.parametrize(
    "verb", ["select", "with", "values", "table", "insert", "update", "delete", "merge"]
)
def test_the_server_plans_and_so_takes_parameters_in(verb):
    assert takes_parameters(f"{verb} $1")


@pytest.mark.parametrize(
    "verb", ["create", "alter", "comment", "do", "set", "grant", "notify", "drop", "call", "copy"]
)
def test_the_server_takes_no_parameters_in(verb):
    assert not takes_parameters(f"{verb} $1")


@pytest.mark.parametrize(
    "sql",
    [
        "commit",
        "COMMIT WORK",
        "end",
        "rollback",
        "abort",
        "/* x */ commit",
        "commit and chain",
        "commit -- to end it",
        "rollback /* to */",
        "PREPARE TRANSACTION 'x'",
    ],
)
def test_these_end_the_transaction(sql):
    assert ends_transaction(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "rollback to a",
        "ROLLBACK TO SAVEPOINT a",
        "commit prepared 'x'",
        "savepoint a",
        "release savepoint a",
        "prepare p as select 1",
        "begin",
        "select 'commit'",
        "do $$ begin commit; end $$",
    ],
)
def test_these_do_not_end_the_transaction(sql):
    assert not ends_transaction(sql)


@pytest.mark.parametrize("sql", ["", "  \n", "-- x", "/* x */;", ";;"])
def test_comments_and_semicolons_are_no_statement(sql):
    assert is_empty(sql)


@pytest.mark.parametrize("sql", ["select 1", "'x'", "-- x\ncommit", "$$ $$"])
def test_anything_else_is_a_statement(sql):
    assert not is_empty(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY t FROM STDIN",
        "copy t (a, b) from stdin with (format csv)",
        "-- x\nCOPY t TO STDOUT",
        "copy (select 1) to stdout",
        "create table t (a int); copy t from stdin; select 1",
    ],
)
def test_these_copy_over_the_wire(sql):
    assert copies(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "copy t from '/tmp/x'",
        "copy t to program 'cat > stdout'",
        "select copy from stdin",
        "select 'copy t from stdin'",
        "comment on table t is '; copy t from stdin'",
    ],
)
def test_these_do_not_copy_over_the_wire(sql):
    assert not copies(sql)
