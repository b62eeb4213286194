"""Which settings are let through, as pure functions."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemakit.embedded import EmbeddedServer
from schemakit.embedded.settings import arguments, checked
from schemakit.errors import EmbeddedError


@pytest.mark.parametrize("name", ["", "Max", "a b", "a-b", "1a", "a=b", "a;", "ä", "a\n", "a\0"])
def test_a_bad_name_is_refused(name):
    with pytest.raises(EmbeddedError, match="is not the name of a setting"):
        EmbeddedServer(settings={name: "1"})


@pytest.mark.parametrize("name", ["port", "data_directory", "listen_addresses"])
def test_how_the_server_is_reached_is_no_setting(name):
    with pytest.raises(EmbeddedError, match="decided here"):
        EmbeddedServer(settings={name: "1"})


@pytest.mark.parametrize("value", ["a\0b", 200, None])
def test_a_bad_value_is_refused(value):
    with pytest.raises(EmbeddedError, match="give a string"):
        EmbeddedServer(settings={"max_connections": value})


NAMES = st.text("abcxyz019_.").map("x".__add__)
VALUES = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_accepted_arrives_as_it_is(settings):
    given_to_postgres = arguments(checked(settings), Path("/s"), ephemeral=False)
    assert given_to_postgres[::2] == ["-c"] * (len(given_to_postgres) // 2)
    pairs = dict(pair.split("=", 1) for pair in given_to_postgres[1::2])
    assert settings.items() <= pairs.items()


def test_the_users_word_outranks_ours():
    asked = arguments({"fsync": "on", "shared_buffers": "1GB"}, Path("/s"), ephemeral=True)
    assert "fsync=on" in asked
    assert "shared_buffers=1GB" in asked
    assert "synchronous_commit=off" in asked
    assert "fsync=off" not in asked
