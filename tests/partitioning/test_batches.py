"""Batches give what one key after the other gives, on every engine. Oracle: `partition_key`."""

import random
import subprocess
import sys
import tracemalloc
from uuid import UUID

import asyncpg.pgproto.pgproto
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemakit.errors import HashUnknown, KeyRefused
from schemakit.partitioning import hash_partition, hash_partitions, partition_key, partition_keys
from schemakit.partitioning.hashing import engines, swar, vectors
from schemakit.partitioning.hashing.packing import packed, uuid_rows
from schemakit.partitioning.hashing.scalar import hash32, hash64

from .values import MAKERS, row, text
from .vectors import INT_MIN_KEYS, TEXTS

RANDOM = random.Random(7)  # noqa: S311 - keys, no secrets
UUIDS = [UUID(int=RANDOM.getrandbits(128)) for _ in range(3_000)]
MIXED = [text(RANDOM) for _ in range(3_000)]
ENGINES = pytest.mark.parametrize("engine", [swar, vectors], ids=["swar", "numpy"])
MODULI = [1, 2, 3, 7, 100, 65_536, 1_000_003, 2**30, 2**30 + 1, 2**31 - 2, 2**31 - 1]

keys_of_one_length = st.integers(0, 80).flatmap(
    lambda length: st.lists(st.binary(min_size=length, max_size=length), min_size=1, max_size=40)
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@pytest.fixture(params=[swar, vectors], ids=["swar", "numpy"])
def only(request, monkeypatch):
    """Only this engine."""
    monkeypatch.setattr(engines, "engine_for", lambda *_: request.param)
    for module in ("batches", "columns"):
        monkeypatch.setattr(
            f"schemakit.partitioning.hashing.{module}.engine_for", lambda *_: request.param
        )


@ENGINES
@settings(max_examples=60, deadline=None)
@given(keys=keys_of_one_length, modulus=st.integers(1, 2**31 - 1))
def test_an_engine_gives_the_residues_of_one_key_after_the_other(engine, keys, modulus):
    found = engine.residues(packed(keys, len(keys[0])), modulus)
    assert list(found) == [abs(hash32(key)) % modulus for key in keys]


@ENGINES
@settings(max_examples=60, deadline=None)
@given(keys=keys_of_one_length, seed=st.integers(0, 2**64 - 1))
def test_an_engine_gives_the_hashes_of_one_key_after_the_other(engine, keys, seed):
    found = engine.hashes(packed(keys, len(keys[0])), seed)
    assert list(found) == [hash64(key, seed) for key in keys]


@ENGINES
@pytest.mark.parametrize("count", [1, 2, 2047, 2048, 2049, 16_385])
def test_an_engine_hashes_any_number_of_keys(engine, count):
    keys = [b"%09d" % number for number in range(count)]
    assert list(engine.residues(packed(keys, 9), 97)) == [abs(hash32(key)) % 97 for key in keys]


@ENGINES
@pytest.mark.parametrize("modulus", MODULI)
def test_an_engine_takes_the_absolute_value_of_the_smallest_int4(engine, modulus):
    keys = [key.encode() for key in INT_MIN_KEYS[2:]]
    assert list(engine.residues(packed(keys, 36), modulus)) == [2**31 % modulus] * 2


@ENGINES
def test_a_uuid_is_hashed_with_its_hyphens(engine):
    expected = [abs(hash32(str(key).encode())) % 1009 for key in UUIDS]
    assert list(engine.residues(uuid_rows(UUIDS, plain=True), 1009)) == expected


@settings(max_examples=100, deadline=None)
@given(keys=st.lists(texts, max_size=80), modulus=st.integers(1, 2**31 - 1))
def test_a_batch_is_one_key_after_the_other(keys, modulus):
    assert partition_keys(keys, modulus) == [partition_key(key, modulus) for key in keys]


@pytest.mark.usefixtures("only")
@pytest.mark.parametrize("modulus", [1, 100, 2**31 - 1])
@pytest.mark.parametrize(
    "keys",
    [
        list(map(str, UUIDS)),
        UUIDS,
        [str(key).encode() for key in UUIDS],
        [asyncpg.pgproto.pgproto.UUID(str(key)) for key in UUIDS],
        MIXED,
        [key.encode() for key in MIXED],
        [*UUIDS[:50], *MIXED[:50], b"abc", *INT_MIN_KEYS],
        ["é" * 18] * 20 + ["x" * 36] * 20,
        [""] * 9,
        ["a"],
    ],
    ids=["str", "uuid", "bytes", "asyncpg", "mixed", "mixed bytes", "types", "chars", "empty", "1"],
)
def test_keys_of_any_type_in_any_order(keys, modulus):
    assert partition_keys(keys, modulus) == [partition_key(key, modulus) for key in keys]


@pytest.mark.usefixtures("only")
def test_the_recorded_keys():
    keys = [vector["s"] for vector in TEXTS] * 5
    assert partition_keys(keys, 100) == [vector["key100"] for vector in TEXTS] * 5


@pytest.mark.usefixtures("only")
@pytest.mark.parametrize("kind", MAKERS)
def test_a_column_of_any_type(kind):
    rows = [row(RANDOM, (kind,)) for _ in range(700)]
    expected = [hash_partition(each, 1009, types=(kind,)) for each in rows]
    assert hash_partitions(rows, 1009, types=(kind,)) == expected


@pytest.mark.usefixtures("only")
def test_many_columns():
    types = ("uuid", "text", "int8", "numeric", "float4", "timestamptz", "bpchar", "bool")
    rows = [row(RANDOM, types) for _ in range(1_500)]
    expected = [hash_partition(each, 2**31 - 1, types=types) for each in rows]
    assert hash_partitions(rows, 2**31 - 1, types=types) == expected


@pytest.mark.parametrize("make", [tuple, iter, lambda keys: (key for key in keys), dict.fromkeys])
def test_any_iterable_will_do(make):
    keys = [f"key-{number}" for number in range(40_000)]
    expected = partition_keys(keys, 100)
    assert partition_keys(make(keys), 100) == expected


@pytest.mark.parametrize("empty", [[], (), iter(())])
def test_of_nothing_there_is_nothing(empty):
    assert partition_keys(empty, 7) == hash_partitions([], 7, types=("text",)) == []


@pytest.mark.parametrize("keys", ["abc", b"abc", bytearray(b"abc"), 7, None])
def test_one_key_is_no_batch(keys):
    with pytest.raises(KeyRefused, match="A batch is an iterable"):
        partition_keys(keys, 7)


@pytest.mark.parametrize(
    ("bad", "kind", "said"),
    [
        ("a\0b", HashUnknown, "There is a NUL at byte 1"),
        ("x" * 35 + "\0", HashUnknown, "There is a NUL at byte 35"),
        ("a\ud800", HashUnknown, "There is a lone surrogate at position 1"),
        (7, KeyRefused, "int is hashed as no text"),
        (None, KeyRefused, "NoneType is hashed as no text"),
    ],
)
@pytest.mark.parametrize("good", [[], ["x" * 36] * 9, ["x" * 36] * 40_000, UUIDS, MIXED])
def test_a_key_that_has_no_hash_is_named(good, bad, kind, said):
    with pytest.raises(kind, match=f"Key {len(good)}: {said}"):
        partition_keys([*good, bad, "y"], 7)


@pytest.mark.parametrize(
    "array",
    [
        np.array(list(map(str, UUIDS))),
        np.array(list(map(str, UUIDS)), dtype="S"),
        np.array(UUIDS, dtype=object),
        np.array(MIXED),
        np.array(MIXED, dtype=object),
        np.array(["abc", "abcd"]),
        np.array(["abc", "äbc"]),
        np.array(["abc", "äbc"], dtype=">U3"),
        np.array(list(map(str, UUIDS)))[::3],
        np.array([""]),
        np.array([], dtype="U36"),
    ],
    ids=lambda array: f"{array.dtype}-{len(array)}",
)
def test_of_an_array_comes_an_array(array):
    found = partition_keys(array, 100)
    assert (type(found), found.dtype) == (np.ndarray, np.int32)
    assert found.tolist() == [partition_key(key, 100) for key in array.tolist()]


@pytest.mark.parametrize(
    ("array", "types"),
    [
        (np.array([1, -1, 2**40, -(2**63)]), ("int8",)),
        (np.array([1, -1, 7], np.int16), ("int4",)),
        (np.array([1, 255], np.uint8), ("int2",)),
        (np.array([[1, 2], [3, -4]]), ("int8", "int4")),
        (np.array([1.5, -0.0, np.nan]), ("float8",)),
        (np.array([1.5, -0.0, np.nan], np.float32), ("float4",)),
        (np.array([True, False]), ("bool",)),
        (np.array(["2026-02-01", "NaT"], "M8[us]"), ("timestamp",)),
        (np.array(["2026-02-01", "NaT"], "M8[D]"), ("date",)),
        (np.array([("a", 1), ("b", 2)], [("k", "U3"), ("n", "i4")]), ("text", "int4")),
        (np.array([["a", 1], [None, None]], dtype=object), ("text", "int8")),
        (np.ma.masked_array([1, 2, 3], [False, True, False]), ("int8",)),
        (np.zeros((0, 2)), ("int8", "int8")),
    ],
    ids=lambda case: str(case) if isinstance(case, tuple) else str(case.dtype),
)
def test_rows_may_be_an_array(array, types):
    found = hash_partitions(array, 1009, types=types)
    columns = array.tolist()
    rows = [each if isinstance(each, list | tuple) else (each,) for each in columns]
    assert (type(found), found.dtype) == (np.ndarray, np.int32)
    assert found.tolist() == [hash_partition(each, 1009, types=types) for each in rows]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([["a"]]), r"An array of shape \(1, 1\) is none of keys"),
        (np.array("a"), r"An array of shape \(\) is none of keys"),
        (np.array([1, 2]), "Key 0: int is hashed as no text"),
    ],
)
def test_an_array_that_holds_no_keys_is_refused(array, said):
    with pytest.raises(KeyRefused, match=said):
        partition_keys(array, 7)


@pytest.mark.parametrize(
    ("array", "types", "said"),
    [
        (np.array([1, 2**40]), ("int4",), "Row 1, column 1, int4: This int does not fit"),
        (np.array([[1, 2]]), ("int4",), r"An array of shape \(1, 2\) is none of rows of 1 columns"),
        (np.array(7), ("int4",), r"An array of shape \(\) is none of rows"),
        (np.array(["2026-02-01"], "M8[ns]"), ("timestamp",), "It takes datetime, and this is int"),
    ],
)
def test_an_array_that_holds_no_such_rows_is_refused(array, types, said):
    with pytest.raises(KeyRefused, match=said):
        hash_partitions(array, 7, types=types)


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
from schemakit.partitioning import hash_partitions, partition_keys
keys = partition_keys(map(str, range(600_000)), 100)
rows = hash_partitions([(str(n), n) for n in range(2_000)], 100, types=("text", "int8"))
print(sum(keys), sum(rows))
"""


def test_without_numpy_it_is_the_same():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY], check=True, capture_output=True, text=True
    )
    keys = sum(partition_keys(map(str, range(600_000)), 100))
    rows = [(str(n), n) for n in range(2_000)]
    assert done.stdout == f"{keys} {sum(hash_partitions(rows, 100, types=('text', 'int8')))}\n"


@pytest.mark.parametrize(("count", "there"), [(400_000, "False"), (600_000, "True")])
def test_numpy_is_imported_for_a_batch_that_is_worth_it(count, there):
    code = (
        "import sys; from schemakit.partitioning import partition_keys;"
        f"partition_keys(['abc'] * {count}, 7); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == there


@pytest.mark.usefixtures("only")
def test_what_is_in_memory_besides_the_keys_and_the_result_does_not_grow_with_them():
    def peak(count):
        tracemalloc.start()
        found = partition_keys((f"key-{number:032d}" for number in range(count)), 100)
        size = sys.getsizeof(found)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most - size

    peak(40_000)
    assert peak(200_000) < 1.5 * peak(50_000)
