"""Law: a name comes back from the server as it went in. Oracle: ``quote_ident``, pg_class."""

import pytest

from schemakit.errors import ConfigurationError
from schemakit.sql import Name, quote

HOSTILE = [
    "users",
    "Users",
    'a"b',
    '"; drop table x; --',
    "it's",
    "with space",
    "select",
    "1st",
    "a.b",
    "Größe",
    "表💥",
    "$1",
    "%s",
    "back\\slash",
    "new\nline",
    "x" * 63,
    "é" * 31,
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_table_gets_the_name_it_was_given(oracle, name):
    await oracle.execute(f"CREATE TABLE {Name(name)} ()")
    found = await oracle.fetchval(
        "SELECT relname FROM pg_class WHERE oid = $1::regclass", quote(name)
    )
    assert found == name


async def test_a_schema_and_a_table_get_the_names_they_were_given(oracle):
    await oracle.execute(f"CREATE SCHEMA {quote('My.Schema')}")
    await oracle.execute(f"CREATE TABLE {Name('a', 'My.Schema')} ()")
    found = await oracle.fetchval(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'a'"
    )
    assert found == '"My.Schema"'


async def test_the_server_folds_no_quoted_name(oracle):
    await oracle.execute(f"CREATE TABLE {Name('Users')} (); CREATE TABLE {Name('users')} ()")
    found = await oracle.fetch(
        "SELECT relname FROM pg_class WHERE relname ILIKE 'users' ORDER BY 1"
    )
    assert sorted(row["relname"] for row in found) == ["Users", "users"]


@pytest.mark.parametrize("name", [name for name in HOSTILE if not name.isascii() or '"' in name])
async def test_quoting_agrees_with_the_server(oracle, name):
    assert await oracle.fetchval("SELECT quote_ident($1)", name + " ") == quote(name + " ")


@pytest.mark.parametrize("name", ["x" * 64, "é" * 32, "💥" * 16])
def test_a_name_the_server_would_cut_is_refused(name):
    with pytest.raises(ConfigurationError, match="longer than 63 bytes"):
        quote(name)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_is_no_identifier_is_refused(name):
    with pytest.raises(ConfigurationError, match="is no identifier"):
        quote(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (Name("a"), '"a"'),
        (Name("a", "s"), '"s"."a"'),
        (Name('a"', "s.t"), '"s.t"."a"""'),
    ],
)
def test_a_name_is_written_quoted(name, expected):
    assert str(name) == expected
