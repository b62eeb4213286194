"""Oracle: a script in pieces does on the server what the whole does."""

import pytest

from schemakit.sql import Name, parser

SCRIPTS = [
    "create table a (x int); insert into a values (1); insert into a values (2)",
    "create table a (x text); insert into a values ('b;c'), ('it''s; x'), (E'it\\'s; x')",
    "create table a (x text) -- it's; here\n; insert into a values ('1') /* ; /* ; */ */ ;",
    (
        "create table a (x text); do $$ begin insert into a values ('x;y'); end $$; "
        "do $o$ begin execute $i$ insert into a values ($$;$$) $i$; end $o$"
    ),
    (
        "create table a (x int); create function f() returns int language sql begin atomic; "
        "select 1; select 2; end; insert into a select f()"
    ),
    'create table a (";" int, "a""b;" int); insert into a values (1, 2);;',
    (
        "create table a (x int); create rule r as on insert to a do also (notify n; notify m); "
        "insert into a values (7)"
    ),
    "create table größe (x text); alter table größe rename to a; insert into a values ('é;é')",
]


@pytest.mark.parametrize("script", SCRIPTS)
async def test_the_pieces_do_what_the_whole_does(connect, script):
    oracle = await connect()
    contents = []
    for statements in ([script], parser.split(script)):
        for statement in statements:
            await oracle.execute(statement)
        contents.append([tuple(row) for row in await oracle.fetch("select * from a")])
        await oracle.execute("drop table a; drop function if exists f()")
    assert contents[0] == contents[1] != []


@pytest.mark.parametrize("script", SCRIPTS)
async def test_the_server_takes_each_piece_for_one_statement(oracle, script):
    for statement in parser.split(script):
        await oracle.fetch(statement)  # prepared: the server refuses several


def test_comments_and_blanks_are_no_pieces():
    assert parser.split("select 1;; \n ; -- done") == ["select 1"]


def test_what_is_no_sql_cannot_be_cut():
    assert parser.split("selec 1; select 'a") is None


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("create index concurrently i on t (a)", Name("i")),
        ('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I" ON s."T" (a)', Name("I", "s")),
        ("create index concurrently on t (a)", None),
        ("create index i on t (a)", None),
        ("select 'create index concurrently i on t (a)'", None),
        ("no sql", None),
    ],
)
def test_an_index_built_concurrently_is_named(sql, expected):
    assert parser.concurrent_index(sql) == expected
