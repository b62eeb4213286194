"""Where in a script an error is."""

import pytest

from schemakit.sql.position import line_at, statement_at

SCRIPT = "create table t (x int);\ninsert into t values (1);\nselect 'a;b',\n  nope\nfrom t"


@pytest.mark.parametrize(
    ("word", "line", "statement"),
    [
        ("create", 1, "create table t (x int)"),
        ("insert", 2, "insert into t values (1)"),
        ("select", 3, "select 'a;b',\n  nope\nfrom t"),
        ("nope", 4, "select 'a;b',\n  nope\nfrom t"),
        ("b',", 3, "select 'a;b',\n  nope\nfrom t"),
    ],
)
def test_the_line_and_the_statement_of_a_position(word, line, statement):
    position = SCRIPT.index(word) + 1
    assert (line_at(SCRIPT, position), statement_at(SCRIPT, position)) == (line, statement)


@pytest.mark.parametrize("position", [1, 5, 99])
def test_a_single_statement_is_its_own(position):
    assert statement_at("select nope", position) == "select nope"


def test_a_semicolon_in_a_body_does_not_cut():
    sql = "do $$ begin perform 1; perform nope; end $$; select 1"
    assert statement_at(sql, sql.index("nope") + 1) == "do $$ begin perform 1; perform nope; end $$"
