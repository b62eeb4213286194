from inspect import signature
from urllib.parse import quote

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args
from hypothesis import given
from hypothesis import strategies as st

from schemakit.cli.url import address, secrets
from schemakit.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "dsn"),
    [
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgres://h/d", "postgresql://h/d"),
        ("postgresql+asyncpg://h/d", "postgresql://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql://h/d"),
        ("postgresql+psycopg://u:p%40w@h:6/d", "postgresql://u:p%40w@h:6/d"),
        ("postgresql://u@/d?host=/run/pg&port=5433", "postgresql://u@/d?host=/run/pg&port=5433"),
        ("postgresql:///?service=shop", "postgresql:///?service=shop"),
        ("postgresql://a:1,b:2/d", "postgresql://a:1,b:2/d"),
        ("postgresql:///d?user=me@cloud", "postgresql:///d?user=me%40cloud"),
        ("postgresql://[::1]:5432/d", "postgresql://[::1]:5432/d"),
        ("postgresql://%2Frun%2Fpg/d", "postgresql://%2Frun%2Fpg/d"),
        ("postgresql+asyncpg://h/d?ssl=require", "postgresql://h/d?sslmode=require"),
        ("postgresql://h/d?ssl=prefer&sslmode=disable", "postgresql://h/d?sslmode=disable"),
        ("postgresql://h/d?gssencmode=disable&keepalives=1", "postgresql://h/d"),
        ("postgresql://h/d?channel_binding=prefer", "postgresql://h/d"),
        ("postgresql://h/d?options=-c%20a%3Db", "postgresql://h/d?options=-c%20a%3Db"),
    ],
)
def test_what_asyncpg_is_given(url, dsn):
    assert address(url).dsn == dsn


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:pw@h:6/shop", "database 'shop' on h:6 as 'u'"),
        ("postgresql:///", "the default database"),
        ("postgresql://u@/d?host=/run/pg", "database 'd' on /run/pg as 'u'"),
        ("postgresql:///?service=shop", "the default database of service 'shop'"),
        ("postgresql://h/d?password=pw&user=u", "database 'd' on h as 'u'"),
    ],
)
def test_what_messages_say(url, place):
    assert address(url).place == place


def test_connect_timeout_is_libpqs():
    assert address("postgresql://h/d?connect_timeout=3").timeout == 3.0
    assert address("postgresql://h/d?connect_timeout=0").timeout is None
    assert address("postgresql://h/d").timeout is None


def test_a_name_in_the_url_is_kept():
    assert address("postgresql://h/d?application_name=x").named
    assert not address("postgresql://h/d").named


def test_the_value_does_not_print_the_password():
    assert "hunter2" not in repr(address("postgresql://u:hunter2@h/d"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "mysql://u:hunter2@h/d",
        "host=h password=hunter2",
        "u:hunter2@h/d",
        "postgresql://u:hunter@2@h/d",
        "postgresql://u:hunter2/x@h/d",
        "postgresql://u:1/hunter2@h/d",
        "postgresql://u:hunter2?x@h/d",
        "postgresql://u:hunter2#x@h/d",
        "postgresql://u:x@/hunter2@h/d",
        "postgresql://u:x@?hunter2=@h/d",
        "postgresql://u:hunter2[x@h/d",
        "postgresql://u:hunter2@h:port/d",
        "postgresql://u:hunter2@h/d?sslmode",
        "postgresql://u:hunter2@h/d?connect_timeout=hunter2",
        "postgresql://u:hunter2@h/d?channel_binding=require",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url):
    with pytest.raises(ConfigurationError) as raised:
        address(url)
    assert "database URL" in raised.value.detail
    assert raised.value.remedy
    assert "hunter" not in str(raised.value)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_a_password_arrives_as_it_was_encoded(password):
    url = f"postgresql+asyncpg://u:{quote(password, safe='')}@127.0.0.1:5/d?sslmode=disable"
    nothing = dict.fromkeys(signature(_parse_connect_dsn_and_args).parameters)
    _, arrived = _parse_connect_dsn_and_args(**nothing | {"dsn": address(url).dsn})
    assert arrived.password == password
    assert password in secrets(url)


@given(st.text(":/@?#[]%&=,+ ", max_size=3), st.text(":/@?#[]%&=,+ ", min_size=1, max_size=3))
def test_a_password_that_was_not_encoded_is_never_taken_for_something_else(first, last):
    url = f"postgresql://u:hunter2{first}swordfish{last}@h/d"
    try:
        shown = address(url).place
    except ConfigurationError as error:
        shown = str(error)
    assert "hunter2" not in shown
    assert "swordfish" not in shown


def test_secrets_are_found_in_broken_urls_too():
    assert secrets("postgresql://u:a@b%3A@h/d") == {"a@b%3A", "a@b:"}
    assert secrets("postgresql://h/d?password=x%20y&sslpassword=z", "pgpassword") == {
        "x%20y",
        "x y",
        "z",
        "pgpassword",
    }
    assert secrets("postgresql://u@h/d", "") == set()
