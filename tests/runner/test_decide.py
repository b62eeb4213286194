"""Decisions as tables: what is there, what was asked for, what follows."""

from dataclasses import dataclass
from textwrap import dedent

import pytest

from schemakit.runner.decide import committed, is_settled
from schemakit.runner.declared import declares_table
from schemakit.sql import Name


@pytest.mark.parametrize(
    ("target", "versions", "effective", "settled"),
    [
        ("head", ("b",), ("b",), True),
        ("heads", ("b",), ("b",), True),
        ("heads", ("b", "a"), ("a", "b"), True),
        ("head", ("a",), ("b",), False),
        ("heads", ("a",), ("a", "b"), False),
        ("heads", ("a", "b", "x"), ("a", "b"), False),
        ("head", (), ("b",), False),
        ("head", (), (), False),
        ("heads", (), (), False),
        ("a", ("a",), ("b",), True),
        ("a", ("a", "c"), ("b", "c"), True),
        ("a", ("b",), ("b",), False),
        ("+1", ("b",), ("b",), False),
        ("ab", ("abc",), ("abc",), False),
        ("base", (), ("b",), False),
        ("a:b", ("b",), ("b",), False),
    ],
)
def test_a_database_is_settled_where_it_surely_is(target, versions, effective, settled):
    assert is_settled(target, versions, effective) is settled


@dataclass(frozen=True)
class Step:
    name: str
    heads: frozenset[str]


A, B, C = (Step(name, frozenset(heads)) for name, heads in (("1", "a"), ("2", "b"), ("3", "bc")))


@pytest.mark.parametrize(
    ("steps", "after", "kept"),
    [
        ((), (), ()),
        ((A, B, C), ("c", "b"), (A, B, C)),
        ((A, B, C), ("b",), (A, B)),
        ((A, B, C), ("a",), (A,)),
        ((A, B, C), (), ()),
        ((A, B, C), ("x",), ()),
        ((A, B, A), ("a",), (A, B, A)),
    ],
)
def test_the_server_has_kept_the_steps_up_to_what_its_table_holds(steps, after, kept):
    assert committed(steps, after) == kept


DEFAULT = Name("alembic_version")
SAID = Name("v", "s")

DECLARING = {
    "one call": ("context.configure(connection=c, target_metadata=m)", DEFAULT),
    "a method of something else": ("alembic.context.configure(c)", DEFAULT),
    "a table": ('context.configure(connection=c, version_table="v")', Name("v")),
    "table and schema": (
        'context.configure(c, version_table="v", version_table_schema="s")', SAID),
    "no schema": ("context.configure(c, version_table_schema=None)", DEFAULT),
    "two calls alike": (
        'context.configure(c, version_table="v") if x else configure(d, version_table="v")',
        Name("v")),
    "another table offline": (
        'context.configure(url=u, version_table=f()); context.configure(c, version_table="v")',
        Name("v")),
    "asyncio.run beside it": (
        'context.configure(c, version_table="v"); asyncio.run(main())', Name("v")),
    "the two lines": ("from schemakit.env import run\nrun(target_metadata=m)", DEFAULT),
    "the two lines with a table": (
        'from schemakit.env import run as go\ngo(version_table="v")', Name("v")),
    "by the module": ('from schemakit import env\nenv.run(version_table="v")', Name("v")),
    "by its full name": ('import schemakit.env\nschemakit.env.run(version_table="v")', Name("v")),
    "by another name": ('import schemakit.env as e\ne.run(version_table="v")', Name("v")),
}  # fmt: skip


@pytest.mark.parametrize(("source", "table"), DECLARING.values(), ids=DECLARING.keys())
def test_env_py_declares_its_version_table_with(source, table):
    assert declares_table(source, table)


SILENT = {
    "another name": ('context.configure(c, version_table="w")', Name("v")),
    "another schema": ('context.configure(c, version_table="v")', SAID),
    "a computed name": ("context.configure(c, version_table=os.environ['V'])", Name("v")),
    "a computed schema": ("context.configure(c, version_table_schema=f())", DEFAULT),
    "an f-string": ('context.configure(c, version_table=f"{x}_v")', Name("v")),
    "a choice": ('context.configure(c, version_table="v" if x else "w")', Name("v")),
    "a constant by name": ('T = "v"\ncontext.configure(c, version_table=T)', Name("v")),
    "options unseen": ("context.configure(c, **options)", DEFAULT),
    "options unseen of the two lines": (
        "from schemakit.env import run\nrun(**options)", DEFAULT),
    "options unseen elsewhere": (
        "go = partial(context.configure, **o)\ngo(c)\ncontext.configure(c)", DEFAULT),
    "a partial": (
        "go = partial(context.configure, version_table=t)\ncontext.configure(c)", DEFAULT),
    "options in a dict": ('o = {"version_table": t}\ncontext.configure(c)', DEFAULT),
    "options set one by one": ('o["version_table"] = t\ncontext.configure(c)', DEFAULT),
    "two calls that differ": (
        'context.configure(c, version_table="v") if x else context.configure(c)', Name("v")),
    "the other of two calls": (
        'context.configure(c, version_table="v") if x else context.configure(c)', DEFAULT),
    "a dialect online": (
        "context.configure(connection=c, dialect_name='postgresql', version_table=f())", DEFAULT),
    "only an offline call": ("context.configure(url=u)", DEFAULT),
    "no call at all": ("import helper\nhelper.migrate()", DEFAULT),
    "a run of something else": ("import anyio\nanyio.run(main)", DEFAULT),
    "no Python": ("context.configure(", DEFAULT),
    "a NUL": ("context.configure(c)\0", DEFAULT),
}  # fmt: skip


@pytest.mark.parametrize(("source", "table"), SILENT.values(), ids=SILENT.keys())
def test_env_py_declares_no_version_table_with(source, table):
    assert not declares_table(source, table)


def test_the_stock_async_template_declares_the_default(directory):
    directory.template("async")
    assert declares_table((directory.path / "env.py").read_text(), DEFAULT)


def test_the_stock_generic_template_declares_the_default(directory):
    directory.template("generic")
    assert declares_table((directory.path / "env.py").read_text(), DEFAULT)


def test_what_a_comment_says_is_not_said():
    source = dedent("""
        # context.configure(c, version_table="w")
        '''version_table'''
        context.configure(c)
    """)
    assert not declares_table(source, Name("w"))
