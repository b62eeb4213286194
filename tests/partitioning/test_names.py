"""The public names of ``schemakit.partitioning``: a list, and this test owns it."""

import inspect
import subprocess
import sys

import pytest

from schemakit import partitioning

PUBLIC = [
    "Expression",
    "Grant",
    "HashKeyLayout",
    "HashLayout",
    "Layout",
    "Leaf",
    "LeafIndex",
    "LeafTraits",
    "Name",
    "TreeState",
    "ValuesLayout",
    "Verified",
    "attach_leaf",
    "create_index",
    "create_leaves",
    "create_tree",
    "declare",
    "detach_leaf",
    "drop_leaves",
    "explain_routing",
    "hash_partition",
    "hash_partitions",
    "hashtext",
    "hashtextextended",
    "layout_of",
    "partition_key",
    "partition_keys",
    "partitioned",
    "prune_queries",
    "read_tree",
    "rename_tree",
    "verify_server",
]


def test_the_public_names_are_these():
    assert partitioning.__all__ == dir(partitioning) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is(name):
    assert len(inspect.getdoc(getattr(partitioning, name)).splitlines()[0]) > 10


@pytest.mark.parametrize("name", [name for name in PUBLIC if name[0].islower()])
def test_every_argument_has_a_type(name):
    parameters = inspect.signature(getattr(partitioning, name)).parameters.values()
    assert [each.name for each in parameters if each.annotation is each.empty] == []


def test_it_has_no_other_name():
    with pytest.raises(AttributeError, match="has no attribute 'hashtexts'"):
        partitioning.hashtexts  # noqa: B018 - asking is the test


def test_only_what_acts_is_a_coroutine():
    acting = [name for name in PUBLIC if inspect.iscoroutinefunction(getattr(partitioning, name))]
    assert acting == [
        "attach_leaf",
        "create_index",
        "create_leaves",
        "create_tree",
        "detach_leaf",
        "drop_leaves",
        "explain_routing",
        "prune_queries",
        "read_tree",
        "rename_tree",
        "verify_server",
    ]


def test_a_layout_needs_nothing_that_asks_a_server():
    code = (
        "import sys; from schemakit.partitioning import HashLayout, Name, ValuesLayout;"
        "HashLayout(Name('t'), ('x',), types=('text',), modulus=7).leaf_for('a');"
        "ValuesLayout(Name('t'), 'x', values=('a',)).leaves();"
        "print({'numpy', 'sqlalchemy', 'anyio', 'asyncpg', 'postgast'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert printed.stdout == b"set()\n"


def test_the_calculators_need_neither_numpy_nor_what_asks_a_server():
    code = (
        "import sys; from schemakit.partitioning import hash_partitions, partition_key;"
        "from schemakit.partitioning import partition_keys; partition_key('a', 7);"
        "partition_keys(['a'] * 5000, 7);"
        "hash_partitions([('a', 1)] * 5000, 7, types=('text', 'int8'));"
        "print({'numpy', 'sqlalchemy', 'anyio', 'asyncpg'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert printed.stdout == b"set()\n"
