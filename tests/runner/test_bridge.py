"""Migrations born on psycopg2 do on asyncpg what they did: their statements, values and errors.

The expected values were written down from what psycopg2 does; psycopg2 itself is not needed.
Each migration runs on the real server, as the only revision of a directory without env.py.
"""

import datetime as dt
import enum
import math
from contextlib import suppress
from decimal import Decimal
from textwrap import dedent
from uuid import UUID

import pytest
from sqlalchemy import event

import schemakit
from schemakit.errors import RevisionFailed
from schemakit.runner import wire

PRELUDE = """
import datetime as dt
see = context.config.attributes["see"]
give = context.config.attributes["give"]
bind = op.get_bind()
"""


@pytest.fixture
def migrate(engine, directory):
    """Run a revision; return what it handed to ``see()``. It finds *give* under that name."""

    async def run(body, give=None, target=None, **options):
        seen = []
        directory.revision("r1", PRELUDE + dedent(body))
        migrations = schemakit.Migrations(
            directory.path, attributes={"see": seen.append, "give": give}, **options
        )
        await schemakit.upgrade(target or engine, migrations=migrations)
        return seen

    return run


@pytest.fixture
def refused(migrate):
    """Run a revision that must fail, and return the error."""

    async def run(body, give=None, **options):
        with pytest.raises(RevisionFailed) as failure:
            await migrate(body, give, **options)
        return failure.value

    return run


# -- several statements in one string -------------------------------------------------------------


async def test_a_string_may_hold_several_statements(migrate, oracle):
    await migrate("op.execute('create table a (x int); insert into a values (1); analyze a')")
    assert await oracle.fetchval("select x from a") == 1


async def test_they_are_cut_where_the_server_would_cut_them(migrate, oracle):
    await migrate('''
        op.execute(r"""
        create table a (x text); -- it's; a comment
        /* another; /* nested; */ one */
        insert into a values ('b;c'), ('it''s; x'), (E'it\\'s; \\\\'), ('\\'), ($t$;$$;$t$);
        do $o$ begin execute $i$ insert into a values ($$;'$$) $i$; end $o$;
        create table "a;b" ("c""; d" int)
        """)
    ''')
    assert [row["x"] for row in await oracle.fetch("select x from a")] == [
        "b;c", "it's; x", "it's; \\", "\\", ";$$;", ";'",
    ]  # fmt: skip
    assert await oracle.fetchval('select count(*) from "a;b"') == 0


async def test_a_function_is_created_from_its_dollar_quoted_body(migrate, oracle):
    await migrate('''
        op.execute("""
        create function f(n int) returns int language plpgsql as $body$
        declare x int := 1; y text := $$;$$;
        begin
          x := x + n; -- it's
          return x::int;
        end $body$;
        create function g() returns int language sql begin atomic; select 1; select f(1); end;
        """)
    ''')
    assert await oracle.fetchval("select f(41) + g()") == 44


async def test_the_rows_are_those_of_the_last_statement(migrate):
    seen = await migrate("""
        rows = bind.execute(sa.text("create table a (x int); insert into a values (1), (2); "
                                    "select x, 'b' as y from a order by x"))
        see(rows.keys())
        see(rows.fetchall())
    """)
    assert list(seen[0]) == ["x", "y"]
    assert seen[1] == [(1, "b"), (2, "b")]


async def test_rows_before_the_last_statement_are_not_given(migrate):
    seen = await migrate("""
        see(bind.execute(sa.text("select 1; create table a (x int)")).returns_rows)
    """)
    assert seen == [False]


async def test_a_script_with_rows_sees_its_own_statements(migrate):
    seen = await migrate("""
        see(bind.scalar(sa.text("set local lock_timeout = '7s'; show lock_timeout")))
    """)
    assert seen == ["7s"]


async def test_the_row_count_of_a_script_is_that_of_its_last_statement(migrate):
    seen = await migrate("""
        op.execute("create table a (x int)")
        see(bind.execute(sa.text("insert into a values (1), (2), (3); delete from a where x > 1"))
            .rowcount)
    """)
    assert seen == [2]


async def test_every_statement_of_a_script_gets_its_parameters(migrate, oracle):
    await migrate("""
        bind.execute(sa.text("create table a (x int default :d, y text);"
                             "insert into a (y) values (:y);"
                             "update a set y = y || :y where y = :y"), {"d": 7, "y": "it's; :d"})
    """)
    assert tuple(await oracle.fetchrow("select x, y from a")) == (7, "it's; :dit's; :d")


async def test_a_script_with_parameters_gives_rows(migrate):
    seen = await migrate("""
        script = "create table a as select :n + 1 as x; select x from a"
        see(bind.scalar(sa.text(script), {"n": -3}))
    """)
    assert seen == [-2]


async def test_statements_without_code_do_nothing(migrate):
    assert await migrate("op.execute('-- nothing to do here; really')") == []


async def test_a_script_is_one_transaction_in_an_autocommit_block(migrate, refused, oracle):
    error = await refused("""
        with op.get_context().autocommit_block():
            op.execute("create table a (x int); insert into a values ('no number')")
    """)
    assert error.__cause__.orig.sqlstate == "22P02"
    assert await oracle.fetchval("select to_regclass('a')") is None


async def test_so_is_a_script_whose_rows_are_wanted(refused, oracle):
    error = await refused("""
        with op.get_context().autocommit_block():
            bind.execute(sa.text("create table a (x int); select 1/0")).fetchall()
    """)
    assert error.__cause__.orig.sqlstate == "22012"
    assert await oracle.fetchval("select to_regclass('a')") is None


async def test_a_script_whose_rows_are_wanted_is_kept_in_an_autocommit_block(migrate, oracle):
    seen = await migrate("""
        with op.get_context().autocommit_block():
            see(bind.scalar(sa.text("create table a (x int); select 7")))
            see(bind.connection.dbapi_connection.driver_connection.is_in_transaction())
    """)
    assert seen == [7, False]
    assert await oracle.fetchval("select to_regclass('a')::text") == "a"


async def test_a_statement_of_its_own_runs_in_an_autocommit_block(migrate, oracle):
    await migrate("""
        op.execute("create table a (x int)")
        with op.get_context().autocommit_block():
            op.execute("create index concurrently a_x on a (x)")
            op.execute("vacuum a")
    """)
    assert await oracle.fetchval("select indisvalid from pg_index where indrelid = 'a'::regclass")


async def test_commit_as_text_commits(refused, oracle):
    await refused("""
        op.execute("create table a (x int); commit; create table b (x int)")
        op.execute("select 1/0")
    """)
    assert await oracle.fetchval("select to_regclass('a')::text") == "a"


async def test_strings_are_read_as_the_session_says(migrate, oracle):
    await migrate(r"""
        op.execute("set local standard_conforming_strings = off")
        op.execute("set local escape_string_warning = off")
        op.execute(r"create table a (x text); insert into a values ('it\'s; x'); select 1")
        see(bind.scalar(sa.text(r"select 'it\'s; x'")))
        bind.execute(sa.text("comment on table a is :c"), {"c": "back\\slash"})
    """)
    assert await oracle.fetchval("select x from a") == "it's; x"
    assert await oracle.fetchval("select obj_description('a'::regclass)") == "back\\slash"


# -- text() and its colons ------------------------------------------------------------------------


async def test_casts_assignments_and_escaped_colons_are_no_parameters(migrate):
    seen = await migrate(r'''
        see(bind.scalar(sa.text(r"select '12\:30'::text || :x"), {"x": "!"}))
        op.execute(sa.text("""create function f() returns int language plpgsql as $$
            declare n int := 1; begin n:=n+1; return n; end $$"""))
        see(bind.scalar(sa.text("select f()")))
        see(bind.scalar(sa.text("select (array[1,2,3])[2:3]")))
    ''')
    assert seen == ["12:30!", 2, [2, 3]]


@pytest.mark.parametrize("operator", ["?", "?|", "?&"])
async def test_question_marks_are_operators(migrate, operator):
    right = "'a'" if operator == "?" else "array['a']"
    seen = await migrate(f"""
        see(bind.scalar(sa.text("select '{{\\"a\\": 1}}'::jsonb {operator} {right}")))
        see(bind.scalar(sa.text("select '{{\\"a\\": 1}}'::jsonb {operator} {right} and :x"),
            {{"x": True}}))
    """)
    assert seen == [True, True]


async def test_percent_signs_in_text_are_themselves(migrate):
    seen = await migrate("""
        see(bind.scalar(sa.text("select 'a%b' like 'a%%b'")))
        see(bind.scalar(sa.text("select 'a%' || :x || '%%'"), {"x": "%s"}))
        op.execute("comment on schema public is '100 %%'")
        see(bind.scalar(sa.text("select obj_description('public'::regnamespace)")))
    """)
    assert seen == [True, "a%%s%%", "100 %%"]


async def test_percent_signs_in_driver_sql_are_themselves_unless_asked(migrate):
    seen = await migrate("see(bind.exec_driver_sql(\"select 'a%%b'\").scalar())")
    assert seen == ["a%%b"]


async def test_percent_signs_in_driver_sql_are_un_doubled_if_asked(migrate):
    seen = await migrate(
        """
        see(bind.exec_driver_sql("select 'a%%b'").scalar())
        see(bind.scalar(sa.text("select 'a%%b'")))
        """,
        percent_escapes=True,
    )
    assert seen == ["a%b", "a%%b"]


# -- the ways to send a statement -----------------------------------------------------------------

WAYS = {
    "op.execute(str)": "op.execute({sql!r})",
    "op.execute(text)": "op.execute(sa.text({sql!r}))",
    "connection.execute": "bind.execute(sa.text({sql!r}))",
    "exec_driver_sql": "bind.exec_driver_sql({sql!r})",
    "raw cursor": "bind.connection.cursor().execute({sql!r})",
    "with raw cursor": "\nwith bind.connection.cursor() as c:\n    c.execute({sql!r})",
    "session": "sa.orm.Session(bind=bind).execute(sa.text({sql!r}))",
    "ddl": "op.execute(sa.DDL({sql!r}))",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
async def test_a_script_may_be_sent_by(migrate, oracle, way):
    await migrate(
        "import sqlalchemy.orm\n" + way.format(sql="create table a (); create table b ()")
    )
    assert await oracle.fetchval("select to_regclass('b')::text") == "b"


VALUE_WAYS = {
    "op.execute(bindparams)": "op.execute(sa.text(sql).bindparams(x='it\\'s'))",
    "connection.execute": "bind.execute(sa.text(sql), {'x': \"it's\"})",
    "session": "sa.orm.Session(bind=bind).execute(sa.text(sql), {'x': \"it's\"})",
    "executemany": "bind.execute(sa.text(sql), [{'x': 'no'}, {'x': \"it's\"}])",
}


@pytest.mark.parametrize("way", VALUE_WAYS.values(), ids=VALUE_WAYS.keys())
async def test_a_value_in_ddl_may_be_sent_by(migrate, oracle, way):
    await migrate(f"import sqlalchemy.orm\nsql = 'comment on schema public is :x'\n{way}")
    comment = "select obj_description('public'::regnamespace)"
    assert await oracle.fetchval(comment) == "it's"


async def test_a_session_works_and_its_commit_is_the_migrations(migrate, oracle):
    await migrate("""
        from sqlalchemy.orm import Session
        op.execute("create table a (id serial primary key, x text)")
        a = sa.table("a", sa.column("id"), sa.column("x"))
        with Session(bind=bind) as session:
            session.execute(sa.insert(a), [{"x": "b"}, {"x": "c"}])
            session.commit()
            see(session.execute(sa.select(a.c.x).order_by(a.c.x)).scalars().all())
    """)
    assert await oracle.fetchval("select count(*) from a") == 2


async def test_bulk_insert_and_executemany_go_as_they_are(migrate, oracle):
    await migrate("""
        a = op.create_table("a", sa.Column("x", sa.Integer), sa.Column("y", sa.Text))
        op.bulk_insert(a, [{"x": 1, "y": "it's; :x"}, {"x": 2, "y": None}])
        insert = sa.text("insert into a values (:x, :y)")
        bind.execute(insert, [{"x": 3, "y": "%"}, {"x": 4, "y": ";"}])
    """)
    rows = [tuple(row) for row in await oracle.fetch("select x, y from a order by x")]
    assert rows == [(1, "it's; :x"), (2, None), (3, "%"), (4, ";")]


async def test_a_raw_cursor_gives_rows_and_counts(migrate):
    seen = await migrate("""
        cursor = bind.connection.cursor()
        cursor.execute("create table a (x int); insert into a values (1), (2)")
        see(cursor.rowcount)
        cursor.execute("select x from a order by x")
        see((cursor.fetchone(), cursor.description[0][0]))
        cursor.execute("delete from a")
        see((cursor.rowcount, cursor.description, cursor.fetchall()))
    """)
    assert seen[0] == 2
    assert (tuple(seen[1][0]), seen[1][1]) == ((1,), "x")
    assert seen[2] == (2, None, [])


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("insert into a values (4), (5)", 2),
        ("update a set x = x + 1 where x > 1", 2),
        ("delete from a", 3),
        ("create table b as select * from a", 3),
        ("with d as (delete from a where x = 1 returning 1) insert into a select * from d", 1),
        ("select x from a", 3),
        ("create table b (x int)", -1),
    ],
)
async def test_the_row_count_is_the_servers(migrate, sql, count):
    seen = await migrate(f"""
        op.execute("create table a (x int); insert into a values (1), (2), (3)")
        see(bind.execute(sa.text({sql!r})).rowcount)
    """)
    assert seen == [count]


async def test_star_is_what_the_table_is_after_ddl_as_text(migrate):
    seen = await migrate("""
        op.execute("create table a (x int); insert into a values (1)")
        see(bind.execute(sa.text("select * from a")).fetchall())
        op.execute("alter table a add y int default 2")
        see(bind.execute(sa.text("select * from a")).fetchall())
        op.execute("alter table a alter x type text; alter table a drop y")
        see(bind.execute(sa.text("select * from a")).fetchall())
    """)
    assert seen == [[(1,)], [(1, 2)], [("1",)]]


# -- values where the server takes no parameters --------------------------------------------------


class Colour(str, enum.Enum):  # noqa: UP042 - what was written before StrEnum
    RED = "r'd"


DEFAULTS = [
    ("text", "it's"),
    ("text", "a\\b $$ \\: :x %(v)s %s ; --"),
    ("text", "Größe 💥"),
    ("text", ""),
    ("text", None),
    ("int", 7),
    ("int", -7),
    ("bigint", 2**40),
    ("boolean", True),
    ("boolean", False),
    ("float8", 1.5),
    ("float8", -1e300),
    ("float8", math.inf),
    ("numeric", Decimal("-12.50")),
    ("timestamp", dt.datetime(2020, 1, 2, 3, 4, 5, 6)),  # noqa: DTZ001 - a naive one
    ("timestamptz", dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    ("date", dt.date(2020, 2, 29)),
    ("time", dt.time(3, 4, 5)),
    ("interval", dt.timedelta(days=-1, seconds=5)),
    ("uuid", UUID(int=7)),
    ("bytea", b"\x00\xff'\\"),
    ("int[]", [1, -2]),
    ("text[]", ["a'b", None]),
    ("text[]", []),
    ("text[]", [None]),
]


@pytest.mark.parametrize(("type_", "value"), DEFAULTS)
async def test_a_default_may_be_a_parameter(migrate, oracle, type_, value):
    await migrate(
        f"""
        op.execute("create table a (id int, x {type_} default '{{}}'::text::{type_})"
                   if "[]" in "{type_}" else "create table a (id int, x {type_})")
        op.execute(sa.text("alter table a alter x set default :v").bindparams(v=give))
        """,
        value,
    )
    assert await oracle.fetchval("insert into a values (1) returning x") == value


async def test_nan_may_be_a_parameter(migrate, oracle):
    await migrate("bind.execute(sa.text('create view v as select :v as x'), {'v': float('nan')})")
    assert math.isnan(await oracle.fetchval("select x from v"))


async def test_an_enum_that_is_a_text_is_its_value(migrate, oracle):
    await migrate(
        "bind.execute(sa.text('comment on schema public is :v'), {'v': give})", Colour.RED
    )
    comment = "select obj_description('public'::regnamespace)"
    assert await oracle.fetchval(comment) == "r'd"


TYPED = [
    ("sa.JSON", {"a": ["it's", None, "\\"]}, "json", '{"a": ["it\'s", null, "\\\\"]}'),
    ("postgresql.JSONB", [1, "ü"], "jsonb", '[1, "\\u00fc"]'),
    ("sa.Enum('x', 'y', name='e')", "y", "text", "y"),
    ("postgresql.ARRAY(sa.Integer)", [1, 2], "int[]", [1, 2]),
    ("sa.Interval", dt.timedelta(hours=1), "interval", dt.timedelta(hours=1)),
    ("sa.LargeBinary", b"\xff", "bytea", b"\xff"),
    ("sa.Uuid", UUID(int=1), "uuid", UUID(int=1)),
    ("sa.DateTime", dt.datetime(2020, 1, 2), "timestamp", dt.datetime(2020, 1, 2)),  # noqa: DTZ001
    ("sa.Boolean", True, "boolean", True),
    ("sa.Numeric", Decimal("1.10"), "numeric", Decimal("1.10")),
]


@pytest.mark.parametrize(("type_", "value", "column", "expected"), TYPED)
async def test_a_typed_parameter_is_what_its_type_makes_of_it(
    migrate, oracle, type_, value, column, expected
):
    await migrate(
        f"""
        from sqlalchemy.dialects import postgresql
        op.execute("create table a (id int, x {column})")
        op.execute(sa.text("alter table a alter x set default :v")
                   .bindparams(sa.bindparam("v", give, type_={type_})))
        """,
        value,
    )
    found = await oracle.fetchval("insert into a values (1) returning x")
    assert found == (expected.replace("\\u00fc", "ü") if column == "jsonb" else expected)


async def test_a_list_behind_in_is_written_out(migrate, oracle):
    await migrate("""
        op.execute("create table a (x int); insert into a select generate_series(1, 5)")
        op.execute(sa.text("create view v as select x from a where x in :some")
                   .bindparams(sa.bindparam("some", [2, 3], expanding=True)))
        op.execute(sa.text("create view w as select x from a where x not in :none")
                   .bindparams(sa.bindparam("none", [], expanding=True)))
    """)
    assert [row["x"] for row in await oracle.fetch("select x from v")] == [2, 3]
    assert await oracle.fetchval("select count(*) from w") == 5


async def test_a_tuple_behind_in_is_written_out(migrate):
    seen = await migrate("see(bind.scalar(sa.text('select 2 in :some'), {'some': (1, 2)}))")
    assert seen == [True]


async def test_a_do_body_takes_parameters(migrate, oracle):
    await migrate('''
        op.execute("create table a (x text)")
        bind.execute(sa.text("""
            do $$ declare n int := :n; begin
              while n > 0 loop insert into a values (:v); n := n - 1; end loop;
            end $$
        """), {"n": 2, "v": "it's $$ and \\\\ :n"})
    ''')
    values = [row["x"] for row in await oracle.fetch("select x from a")]
    assert values == ["it's $$ and \\ :n", "it's $$ and \\ :n"]


TYPED_LITERALS = [
    ("interval :v", "3 days", dt.timedelta(days=3)),
    ("INTERVAL :v", dt.timedelta(hours=2), dt.timedelta(hours=2)),
    ("date :v", "2020-02-29", dt.date(2020, 2, 29)),
    ("date :v", dt.date(2020, 2, 29), dt.date(2020, 2, 29)),
    ("timestamp :v", "2020-02-29 01:02", dt.datetime(2020, 2, 29, 1, 2)),  # noqa: DTZ001
    ("timestamp with time zone :v", "2020-02-29 00:00+00", dt.datetime(2020, 2, 29, tzinfo=dt.UTC)),
    ("jsonb :v ->> 'a'", '{"a": "it\'s"}', "it's"),
    ("3 -:v", -5, 8),
]


@pytest.mark.parametrize(("expression", "value", "expected"), TYPED_LITERALS)
async def test_a_typed_literal_may_be_a_parameter(migrate, expression, value, expected):
    seen = await migrate(
        f"see(bind.scalar(sa.text('select ' {expression!r}), {{'v': give}}))", value
    )
    assert seen == [expected]


UTILITIES = {
    "comment": ("comment on table a is :v", "it's", "obj_description('a'::regclass)", "it's"),
    "no comment": ("comment on table a is :v", None, "obj_description('a'::regclass)", None),
    "view": ("create view v as select cast(:v as text) as x", "%", "(select x from v)", "%"),
    "check": ("alter table a add constraint c check (x > :v)", -3,
              "(select pg_get_constraintdef(oid) from pg_constraint where conname = 'c')",
              "CHECK ((x > '-3'::integer))"),
    "table as": ("create table b as select :v as x", 7, "(select x from b)", 7),
    "database": ("alter table a set (fillfactor = :v)", 70,
                 "(select reloptions[1] from pg_class where oid = 'a'::regclass)", "fillfactor=70"),
    "function": ("create function f() returns text language sql as $$ select cast(:v as text) $$",
                 "it's $$", "f()", "it's $$"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "value", "question", "answer"), UTILITIES.values(), ids=UTILITIES.keys()
)
async def test_a_utility_statement_takes_a_parameter(migrate, oracle, sql, value, question, answer):
    await migrate(
        f"op.execute('create table a (x int)')\nbind.execute(sa.text({sql!r}), {{'v': give}})",
        value,
    )
    assert await oracle.fetchval(f"select {question}") == answer


async def test_a_setting_may_be_a_parameter(migrate):
    seen = await migrate("""
        bind.execute(sa.text("set local lock_timeout = :v"), {"v": "7s"})
        bind.execute(sa.text("set local statement_timeout = :v"), {"v": 12000})
        see(bind.execute(sa.text("select current_setting('lock_timeout'), "
                                 "current_setting('statement_timeout')")).one())
    """)
    assert seen == [("7s", "12s")]


async def test_a_payload_may_be_a_parameter(migrate, oracle):
    heard = []
    await oracle.add_listener("news", lambda *arguments: heard.append(arguments[3]))
    await migrate("bind.execute(sa.text('notify news, :v'), {'v': \"it's\"})")
    await oracle.fetchval("select 1")
    assert heard == ["it's"]


async def test_a_parameter_in_the_text_of_another_statement_is_written_out(migrate, oracle):
    await migrate('''
        op.execute("create table jobs (command text)")
        bind.execute(sa.text("""insert into jobs values
            ($$ delete from a where at < now() - interval :age and b = :b $$)"""),
            {"age": "7 days", "b": "it's"})
    ''')
    assert (await oracle.fetchval("select command from jobs")).strip() == (
        "delete from a where at < now() - interval '7 days' and b = 'it''s'"
    )


async def test_what_the_server_takes_goes_with_its_parameters(engine, migrate):
    seen = []

    def sent(connection, cursor, statement, parameters, *_):
        if "probe" in statement:
            seen.append((statement, parameters))

    event.listen(engine.sync_engine, "after_cursor_execute", sent)
    await migrate("""
        bind.execute(sa.text("select cast(:x as text) as probe"), {"x": "it's; $$"})
        bind.execute(sa.text("select 'interval $1; ' || :x as probe -- date $1"), {"x": "b"})
    """)
    assert seen == [
        ("select cast($1 as text) as probe", ("it's; $$",)),
        ("select 'interval $1; ' || $1 as probe -- date $1", ("b",)),
    ]


async def test_values_written_into_the_text_are_in_no_log_and_no_error(engine, migrate):
    seen = []

    def sent(connection, cursor, statement, parameters, *_):
        seen.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", sent)
    errors = await migrate("""
        with_value = sa.text("alter table none alter x set default :v")
        try:
            with bind.begin_nested():
                bind.execute(with_value, {"v": "hunter2"})
        except sa.exc.ProgrammingError as error:
            see(error.statement)
    """)
    assert errors == ["alter table none alter x set default $1"]
    assert "hunter2" not in " ".join(seen)


async def test_a_cursor_on_the_server_takes_a_typed_literal(migrate):
    seen = await migrate("""
        rows = bind.execution_options(stream_results=True).execute(
            sa.text("select n * interval :v from generate_series(1, 2) n"), {"v": "1 day"})
        see(rows.scalars().all())
    """)
    assert seen == [[dt.timedelta(days=1), dt.timedelta(days=2)]]


# -- values of another type than the column's -----------------------------------------------------

LOOSE = [
    ("timestamptz", "2020-01-02 00:00+00", dt.datetime(2020, 1, 2, tzinfo=dt.UTC)),
    ("date", "2020-01-02", dt.date(2020, 1, 2)),
    ("int", "42", 42),
    ("text", 42, "42"),
    ("boolean", "yes", True),
    ("numeric", "1.50", Decimal("1.50")),
    ("interval", "2 hours", dt.timedelta(hours=2)),
]


@pytest.mark.parametrize(("column", "value", "expected"), LOOSE)
async def test_the_server_reads_a_value_that_asyncpg_does_not_take(
    migrate, oracle, column, value, expected
):
    await migrate(
        f"""
        op.execute("create table a (x {column})")
        bind.execute(sa.text("insert into a values (:v)"), {{"v": give}})
        """,
        value,
    )
    assert await oracle.fetchval("select x from a") == expected


async def test_so_it_does_in_an_insert_that_sqlalchemy_wrote(migrate, oracle):
    await migrate("""
        a = op.create_table("a", sa.Column("x", sa.DateTime), sa.Column("y", sa.Integer))
        op.execute(a.insert().values(x="2020-01-02", y=-1))
        op.execute(a.insert().values(x="2021-01-02", y=-2))
        op.execute(a.update().where(a.c.y == -1).values(y="3"))
        op.execute(a.update().where(a.c.y == -2).values(y="4"))
    """)
    rows = await oracle.fetch("select x::text, y from a order by y")
    assert [tuple(row) for row in rows] == [("2020-01-02 00:00:00", 3), ("2021-01-02 00:00:00", 4)]


async def test_a_value_that_neither_takes_fails_as_the_server_says(refused):
    error = await refused("""
        op.execute("create table a (x int)")
        bind.execute(sa.text("insert into a values (:v)"), {"v": "no number"})
    """)
    assert error.__cause__.orig.sqlstate == "22P02"


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "error", "sqlstate"),
    [
        ("insert into a values (1)", "IntegrityError", "23505"),
        ("insert into a values (null); select 1", "IntegrityError", "23502"),
        ("select 1; insert into a values (2); insert into a values (2)", "IntegrityError", "23505"),
        ("alter table a add check (x > 1)", "IntegrityError", "23514"),
        ("drop table b", "ProgrammingError", "42P01"),
        ("create table a (x int)", "ProgrammingError", "42P07"),
        ("do $$ begin insert into a values (1); end $$", "IntegrityError", "23505"),
        ("do $$ begin raise exception 'x' using errcode = 'AB123'; end $$", "DBAPIError", "AB123"),
    ],
)
async def test_a_migration_may_catch_what_the_server_says(migrate, sql, error, sqlstate):
    seen = await migrate(f"""
        op.execute("create table a (x int primary key); insert into a values (1)")
        try:
            with bind.begin_nested():
                op.execute({sql!r})
        except sa.exc.DBAPIError as caught:
            see((type(caught).__name__, caught.orig.sqlstate))
        see(bind.scalar(sa.text("select count(*) from a")))
    """)
    assert seen == [(error, sqlstate), 1]


async def test_savepoints_as_text_work(migrate, oracle):
    await migrate("""
        op.execute("create table a (x int primary key); savepoint s")
        try:
            op.execute("insert into a values (1); insert into a values (1)")
        except sa.exc.IntegrityError:
            op.execute("rollback to savepoint s")
        op.execute("insert into a values (2); release savepoint s")
    """)
    assert [row["x"] for row in await oracle.fetch("select x from a")] == [2]


async def test_a_script_that_fails_in_the_middle_leaves_nothing(refused, oracle):
    error = await refused("""
        op.execute("create table a (x int); select 1/0; create table b (x int)")
    """)
    assert error.__cause__.orig.sqlstate == "22012"
    assert await oracle.fetchval("select to_regclass('a')") is None


REFUSALS = {
    "psycopg2's placeholders": (
        "bind.exec_driver_sql('select %s', (1,))", "use text() with :name parameters"),
    "named placeholders": (
        "bind.exec_driver_sql('select %(a)s', {'a': 1})", "use text() with :name parameters"),
    "placeholders of a cursor": (
        "bind.connection.cursor().execute('select %s', (1,))", "use text() with :name parameters"),
    "many placeholders of a cursor": (
        "bind.connection.cursor().executemany('select %s', [(1,)])",
        "use text() with :name parameters"),
    "driver parameters in DDL": (
        "bind.exec_driver_sql('comment on schema public is $1', ('x',))",
        "write the values into the text, or use text()"),
    "a dict without a type": (
        "bind.execute(sa.text('comment on schema public is :v'), {'v': {}})",
        "give the parameter a type"),
    "a text with a NUL": (
        "bind.execute(sa.text('comment on schema public is :v'), {'v': 'a\\0b'})",
        "give the parameter a type"),
    "COPY FROM STDIN": ("op.execute('copy pg_class from stdin')", "op.bulk_insert()"),
    "COPY in a script": ("op.execute('select 1; copy pg_class from stdin')", "op.bulk_insert()"),
    "COPY TO STDOUT": (
        "bind.connection.cursor().execute('copy pg_class to stdout')", "copy_records_to_table"),
    "copy_expert": (
        "bind.connection.cursor().copy_expert('copy a from stdin', None)", "op.run_async()"),
    "copy_from": ("bind.connection.cursor().copy_from(None, 'a')", "op.run_async()"),
    "notices": ("bind.connection.notices", "psycopg2's own interface"),
    "mogrify": ("bind.connection.cursor().mogrify('x')", "psycopg2's own interface"),
    "set_isolation_level": (
        "bind.connection.set_isolation_level(0)", "op.get_context().autocommit_block()"),
    "a parameter of no type": (
        "bind.execute(sa.text(\"select jsonb_build_object('a', :x)\"), {'x': 1})", "CAST(:x AS"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "remedy"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_what_cannot_be_bridged_names_the_remedy(refused, body, remedy):
    error = await refused(body)
    assert remedy in error.remedy


async def test_what_is_refused_leaves_nothing(refused, oracle):
    await refused("op.execute('create table a ()')\nop.execute('copy a from stdin')")
    assert await oracle.fetchval("select to_regclass('a')") is None


async def test_the_caller_keeps_its_transaction_whatever_a_script_says(engine, refused, oracle):
    async with engine.connect() as connection:
        await connection.begin()
        error = await refused(
            "op.execute('create table a (); /* x */ commit; select 1')", target=connection
        )
        await connection.rollback()
    assert "COMMIT as text would end it" in str(error)
    assert await oracle.fetchval("select to_regclass('a')") is None


async def test_nor_may_a_raw_cursor_end_it(engine, refused):
    async with engine.connect() as connection:
        await connection.begin()
        error = await refused("bind.connection.cursor().execute('rollback')", target=connection)
        await connection.rollback()
    assert "ROLLBACK as text would end it" in str(error)


# -- what is left behind --------------------------------------------------------------------------


async def test_listeners_of_the_application_see_the_statements(engine, migrate):
    seen = []

    def sent(connection, cursor, statement, *_):
        seen.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", sent)
    await migrate("op.execute('create table a (x int); create table b (x int)')")
    assert "create table a (x int); create table b (x int)" in seen


async def test_listeners_of_the_application_may_change_the_statements(engine, migrate, oracle):
    def changed(connection, cursor, statement, parameters, *_):
        return statement.replace("table a", "table b"), parameters

    event.listen(engine.sync_engine, "before_cursor_execute", changed, retval=True)
    await migrate("op.execute('create table a (x int)')")
    assert await oracle.fetchval("select to_regclass('b')::text") == "b"


@pytest.mark.parametrize("body", ["op.execute('select 1; select 2')", "op.execute('select 1/0')"])
async def test_the_connection_is_given_back_as_it_was(engine, migrate, body):
    async with engine.connect() as connection:
        before = await connection.run_sync(lambda sync: type(wire.adapted(sync)))
        with suppress(RevisionFailed):
            await migrate(body, target=connection)
        assert await connection.run_sync(lambda sync: type(wire.adapted(sync))) is before
        assert list(connection.sync_connection.dispatch.before_cursor_execute) == []
