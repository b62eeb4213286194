"""One key as text. Oracle: what PostgreSQL 12 to 18 have recorded in pghash_vectors.json."""

import enum
from uuid import UUID

import pytest

from schemakit.errors import ConfigurationError, HashUnknown, KeyRefused
from schemakit.partitioning import hashtext, hashtextextended, partition_key

from .vectors import INT_MIN_KEYS, TEXTS

CALLS = [hashtext, lambda key: hashtextextended(key, 0), lambda key: partition_key(key, 100)]


class Colour(enum.StrEnum):
    RED = "abc"


class Loud(str):
    __slots__ = ()

    def encode(self, *_):
        return b"LOUD"


def short(vector):
    return repr(vector["s"][:20])


@pytest.mark.parametrize("vector", TEXTS, ids=short)
def test_hashtext_is_the_recorded_one(vector):
    assert hashtext(vector["s"]) == vector["hashtext"]


@pytest.mark.parametrize("vector", TEXTS, ids=short)
def test_hashtextextended_is_the_recorded_one(vector):
    assert hashtextextended(vector["s"], 0) == int(vector["ext0"])


@pytest.mark.parametrize("vector", TEXTS, ids=short)
def test_the_partition_key_is_the_recorded_one(vector):
    assert partition_key(vector["s"], 100) == vector["key100"]


@pytest.mark.parametrize("key", INT_MIN_KEYS)
def test_a_key_whose_hash_has_no_absolute_value_has_a_partition(key):
    assert (hashtext(key), partition_key(key, 100)) == (-2147483648, 48)


@pytest.mark.parametrize("key", INT_MIN_KEYS)
def test_at_modulus_one_everything_is_in_partition_zero(key):
    assert partition_key(key, 1) == 0


def test_bytes_are_hashed_as_they_are():
    assert hashtext("é".encode("latin-1")) == 885250454


def test_a_str_is_hashed_in_utf_8():
    assert hashtext("é") == -983094517


def test_nothing_is_normalised():
    assert hashtext("e\u0301") == -1336232949


def test_a_uuid_is_hashed_as_its_text_in_small_letters():
    key = "00000000-0000-4000-8000-0001456ED970"
    assert hashtext(UUID(key)) == -2147483648


@pytest.mark.parametrize("key", [Colour.RED, Loud("abc")])
def test_a_subclass_of_str_is_hashed_as_the_str_that_it_is(key):
    assert hashtext(key) == -785388649


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("key", ["a\0b", b"a\0b", "\0", "ab\0"])
def test_a_nul_is_refused(call, key):
    with pytest.raises(HashUnknown, match="PostgreSQL's text holds none"):
        call(key)


@pytest.mark.parametrize("call", CALLS)
def test_a_lone_surrogate_is_refused(call):
    with pytest.raises(HashUnknown, match="a lone surrogate at position 1"):
        call("a\ud800")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("key", [7, None, 1.5, ["a"], bytearray(b"a")], ids=repr)
def test_what_is_no_text_is_refused(call, key):
    with pytest.raises(KeyRefused, match=f"{type(key).__name__} is hashed as no text"):
        call(key)


@pytest.mark.parametrize("modulus", [0, -1, 2**31, 2.0, "7", True, None], ids=repr)
def test_a_modulus_that_is_none_in_sql_is_refused(modulus):
    with pytest.raises(ConfigurationError, match="no int from 1 to 2147483647"):
        partition_key("abc", modulus)


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 1.0, None], ids=repr)
def test_a_seed_that_is_no_int8_is_refused(seed):
    with pytest.raises(ConfigurationError, match="The seed is no int8"):
        hashtextextended("abc", seed)


def test_a_message_does_not_show_the_key():
    with pytest.raises(HashUnknown) as caught:
        hashtext("secret\0")
    assert "secret" not in str(caught.value)
