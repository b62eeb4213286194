"""Law: the lexer loses nothing, and calls a literal what PostgreSQL calls one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemakit.sql.lexer import code, tokens

PIECES = st.sampled_from(
    ["'", '"', "$$", "$a$", "$1", "E'", "\\", "--", "\n", "/*", "*/", ";", "x", " ", "é", "7", "💥"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
@example("/* /* */")
@example("E'\\")
def test_the_tokens_together_are_the_text(sql):
    assert "".join(text for _, text in tokens(sql)) == sql


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 'a;b'", "select ''"),
        ("select 'it''s; x'", "select ''"),
        (r"select E'it\'s; x'", "select ''"),
        ("select E'a\\\\' ; x", "select '' ; x"),
        ('select "a;""b"', 'select ""'),
        ("select 1 -- it's; x", "select 1  "),
        ("select 1 -- x\n; y", "select 1  \n; y"),
        ("/* a /* b; */ c; */ select 1", "  select 1"),
        ("do $$ begin; end $$", "do ''"),
        ("do $a$ x $$ ; $b$ $a$; y", "do ''; y"),
        ("do $é💥$ ; $é💥$ y", "do '' y"),
        ("select a$b$c, d$b$e", "select a$b$c, d$b$e"),
        ("select date'2020-01-01'", "select date''"),
        ("select U&'d\\0061t' , b'1'", "select '' , ''"),
        ("select $1, $2", "select $1, $2"),
        ("select 'cut; off", "select ''"),
        ("do $x$ cut; off", "do ''"),
        ("select 1 /* cut; off", "select 1  "),
    ],
)
def test_code_is_what_is_left_without_literals_names_and_comments(sql, expected):
    assert code(sql) == expected
