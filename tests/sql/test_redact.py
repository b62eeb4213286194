"""Law: no literal comes through, whatever the text looks like and wherever it is cut off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemakit.sql import without_literals

SECRET = "hunter2"  # noqa: S105 - what must not be shown

#: Literals that hold the secret, as PostgreSQL takes them.
literals = st.sampled_from(
    [
        f"'{SECRET}'",
        f"'it''s {SECRET}'",
        f"E'it\\'s {SECRET}'",
        f"e'\\\\{SECRET}'",
        f"'\\{SECRET}'",
        f"U&'{SECRET}'",
        f"$${SECRET}$$",
        f"$a$ $$ {SECRET} $a$",
        f"$é${SECRET}$é$",
        f"'-- {SECRET}'",
        f"'/* {SECRET}'",
        f"'\"{SECRET}'",
        f"'line\n{SECRET}\n'",
    ]
)
#: What may stand between literals.
others = st.sampled_from(
    [
        "select",
        "a$b",
        '"it\'s"',
        '"a""b"',
        "-- it's\n",
        "-- $$\n",
        "/* it's /* nested */ */",
        "$1",
        "::text",
        "=",
        "date",
        ",",
        "3.14",
        ";",
    ]
)
statements = st.lists(st.one_of(literals, others), max_size=12).map(" ".join)


@given(statements)
def test_no_literal_comes_through(sql):
    assert SECRET not in without_literals(sql, limit=10_000)


@given(statements, st.integers(0, 400))
def test_no_literal_comes_through_a_text_that_is_cut_off(sql, length):
    assert "hunter" not in without_literals(sql[:length], limit=10_000)


@given(st.text(), st.integers(1, 50))
def test_the_text_is_one_line_and_no_longer_than_its_limit(sql, limit):
    shown = without_literals(sql, limit=limit)
    assert len(shown) <= limit
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT  a\nFROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = ?"),
        ("insert into t1 values (1, -2.5, 1e-7, 0xFF)", "insert into t1 values (?, -?, ?, ?)"),
        ('update "it\'s" set a = $1', 'update "it\'s" set a = $1'),
        ("do $$ begin end $$", "do ?"),
        ("comment on table t is 'se", "comment on table t is ?"),
        ("select a -- secret\n, b", "select a , b"),
        ("select /* secret */ a", "select a"),
        ("select date'2020-01-01', x$y", "select date?, x$y"),
        # With standard_conforming_strings off the quote after a backslash closes nothing.
        (r"select 'a\' , secret, 'b'", "select ?…"),
    ],
)
def test_the_rest_of_the_statement_is_shown(sql, shown):
    assert without_literals(sql) == shown


def test_a_long_statement_is_cut_with_an_ellipsis():
    assert without_literals("select " + "a" * 20, limit=10) == "select aa…"
