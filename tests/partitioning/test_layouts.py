"""What a layout refuses, and what each strategy says of itself."""

from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa

from schemakit.errors import (
    ConfigurationError,
    HashUnknown,
    KeyRefused,
    LayoutRefused,
    LeafUnknown,
)
from schemakit.partitioning import (
    Expression,
    Grant,
    HashKeyLayout,
    HashLayout,
    LeafIndex,
    LeafTraits,
    Name,
    ValuesLayout,
)

T = Name("t")


def hashed(parent=T, key=("x",), **more):
    return HashLayout(parent, key, **{"types": ("text",), "modulus": 4, **more})


def by_key(parent=T, key="k", **more):
    return HashKeyLayout(parent, key, **{"source": "x", "modulus": 4, **more})


def listed(parent=T, key="x", **more):
    return ValuesLayout(parent, key, **{"values": ("a", "b"), **more})


def indexed(*indexes, **more):
    return LeafTraits(indexes=indexes, **more)


REFUSED = [
    (lambda: hashed("t"), "no Name"),
    (lambda: hashed(Name("")), "no identifier"),
    (lambda: hashed(Name("x" * 64)), "longer than 63 bytes"),
    (lambda: hashed(Name("x" * 62)), "longer than 63 bytes"),
    (lambda: hashed(Name("ü" * 31)), "longer than 63 bytes"),
    (lambda: hashed(key="x"), "no tuple of columns"),
    (lambda: hashed(key=()), "no tuple of columns"),
    (lambda: hashed(key=("x", "x"), types=("text", "text")), "twice"),
    (lambda: hashed(key=("x", "y")), "Columns of the key: 2; types: 1"),
    (lambda: hashed(types="text"), "no tuple"),
    (lambda: hashed(types=("mood",)), "hash is not known"),
    (lambda: hashed(types=("numeric(10,2)",)), "modifier"),
    (lambda: hashed(types=(UUID,)), "no name"),
    (lambda: hashed(types=(sa.Uuid(),)), "Uuid.* is no name"),
    (lambda: listed(type=sa.Text()), "Text.* is no name"),
    (lambda: hashed(key=(5,)), "name of a column, 5, is no str"),
    (lambda: hashed(schema="x" * 64), "name of a schema"),
    (lambda: hashed(modulus=0), "no number of leaves"),
    (lambda: hashed(modulus=-1), "no number of leaves"),
    (lambda: hashed(modulus=True), "no number of leaves"),
    (lambda: hashed(modulus=2**31), "no number of leaves"),
    (lambda: hashed(modulus="4"), "no number of leaves"),
    (lambda: hashed(naming="part"), "the same name"),
    (lambda: hashed(naming="{parent}"), "the same name"),
    (lambda: hashed(naming="{i"), "no pattern"),
    (lambda: hashed(naming="{i.real}"), "format unknown"),
    (lambda: hashed(naming="{i!r}"), "format unknown"),
    (lambda: hashed(naming="{i:x}"), "format unknown"),
    (lambda: hashed(naming="{i:9999}"), "format unknown"),
    (lambda: hashed(naming="{value}"), "format unknown"),
    (lambda: hashed(naming="{}"), "format unknown"),
    (lambda: hashed(Name("t_0"), naming="t_{i}"), "Two relations would be called"),
    (lambda: hashed(carries=LeafTraits(storage=[])), "give tuples"),
    (lambda: hashed(carries=indexed(LeafIndex("{table}_1", ("x",)))), "Two relations"),
    (lambda: hashed(carries=indexed(LeafIndex("{table}" + "_" * 61, ("x",)))), "63 bytes"),
    (lambda: by_key(source="k"), "computed from itself"),
    (lambda: by_key(key=""), "no identifier"),
    (lambda: by_key(modulus=0), "no number of leaves"),
    (lambda: by_key(unkeyed="t_3"), "Two relations"),
    (lambda: listed(values="ab"), "no tuple"),
    (lambda: listed(values=()), "no number of leaves"),
    (lambda: listed(values=("a", "a")), "two leaves"),
    (lambda: listed(values=("a", ("b", "a")), naming="{i}"), "two leaves"),
    (lambda: listed(values=("a", ()), naming="{i}"), "no value"),
    (lambda: listed(values=(1, Decimal("1.0")), type="numeric"), "two leaves"),
    (lambda: listed(values=(UUID(int=1), str(UUID(int=1))), type="uuid"), "two leaves"),
    (lambda: listed(values=(1,)), "hashed as no text"),
    (lambda: listed(values=(b"a",)), "no literal of a text"),
    (lambda: listed(values=("a", "x" * 63)), "63 bytes"),
    (lambda: listed(values=("a", "\0")), "NUL"),
    (lambda: listed(values=(float("nan"),), type="float8"), "NaN"),
    (lambda: listed(type="mood"), "not known"),
    (lambda: listed(names=("a",)), "Leaves: 2; names: 1"),
    (lambda: listed(names=("a", "a")), "Two relations"),
    (lambda: listed(default="t_a"), "Two relations"),
    (lambda: LeafTraits(indexes=LeafIndex("{table}_i", ("x",))), "no tuple of LeafIndex"),
    (lambda: LeafTraits(indexes=[]), "no tuple of LeafIndex"),
    (lambda: indexed("x"), "'x' is no LeafIndex"),
    (lambda: LeafIndex("i", ("x",)), "the same name"),
    (lambda: LeafIndex("{table}_i", "x"), "no tuple of columns"),
    (lambda: LeafIndex("{table}_i", ()), "no tuple of columns"),
    (lambda: Grant(("SELECT", "FLY")), "no tuple of privileges"),
    (lambda: Grant("SELECT"), "no tuple of privileges"),
    (lambda: Grant(()), "no tuple of privileges"),
    (lambda: indexed(replica_identity="some"), "replica identity"),
    (lambda: indexed(*[LeafIndex("{table}_i", ("x",))] * 2), "one name"),
]


@pytest.mark.parametrize(("make", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_it_is_refused_with_a_way_out(make, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        make()
    assert str(caught.value).splitlines()[-1].startswith("Remedy: ")


@pytest.mark.parametrize(
    ("make", "of"),
    [
        (lambda: hashed(Name("x" * 62)), f"The name of a leaf: '{'x' * 62}_0'"),
        (lambda: hashed(Name("x" * 64)), f"The name of the parent: '{'x' * 64}'"),
        (lambda: by_key(unkeyed="x" * 64), f"The name of a leaf: '{'x' * 64}'"),
        (
            lambda: hashed(carries=indexed(LeafIndex("{table}" + "_" * 62, ("x",)))),
            f"The name of an index of a leaf: 't_0{'_' * 62}'",
        ),
        (lambda: LeafTraits(tablespace="x" * 64), "The name of a tablespace"),
        (lambda: Grant(("ALL",), "x" * 64), "The name of a role"),
    ],
)
def test_a_name_that_the_server_would_cut_is_a_layout_refused(make, of):
    with pytest.raises(LayoutRefused) as caught:
        make()
    assert caught.value.detail.startswith(of)
    assert caught.value.remedy.startswith("shorten it")


def test_a_leaf_is_named_by_what_leaf_for_returns():
    layout = hashed(Name('T"; drop', "app"))
    for leaf in layout.leaves():
        assert layout.leaf_named(leaf) == layout.leaf_named(leaf.name) == leaf
        assert layout.leaf_named(leaf.name.name) == leaf


@pytest.mark.parametrize(
    ("layout", "name", "said"),
    [
        (hashed(Name("orders")), "orders_9", '"orders" has no leaf orders_9.'),
        (hashed(Name("orders")), "x" * 64, f'"orders" has no leaf {"x" * 64}.'),
        (hashed(Name("orders")), Name("orders_1", "s"), '"orders" has no leaf s.orders_1.'),
    ],
)
def test_a_name_that_is_no_leaf_is_one_to_check(layout, name, said):
    with pytest.raises(LeafUnknown) as caught:
        layout.leaf_named(name)
    assert caught.value.detail == said
    assert caught.value.remedy == "check the name; leaves are orders_0 … orders_3."


def test_the_only_leaf_is_named():
    with pytest.raises(LeafUnknown, match=r"the only leaf is s\.t_0"):
        hashed(Name("t", "s"), modulus=1).leaf_named("t_1")


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: by_key().key_for(5), 'key_for\\("5"\\)'),
        (lambda: hashed().leaf_for(), "give one value, None for NULL"),
        (lambda: by_key().leaf_for("a", "b"), "give the one value"),
        (lambda: by_key().leaf_for(None), "unkeyed="),
    ],
)
def test_a_key_that_has_no_leaf_is_told_what_to_give(make, remedy):
    with pytest.raises((KeyRefused, LeafUnknown), match=f"Remedy: .*{remedy}"):
        make()


def test_leaves_are_named_by_the_pattern():
    named = [leaf.name for leaf in by_key(naming="chunk_part_{i:02}", schema="parts").leaves()]
    assert named == [Name(f"chunk_part_0{number}", "parts") for number in range(4)]


def test_leaves_lie_where_the_parent_does():
    assert hashed(Name("t", "app")).leaves()[3].name == Name("t_3", "app")


def test_a_hash_key_is_computed_by_the_form_that_is_defined_for_every_text():
    layout = by_key(source='s"', modulus=100)
    assert layout.key_expression == 'abs(hashtext("s"""::text) % 100)'
    assert layout.key_for("8845783719") == 48


def test_others_have_no_key_expression():
    assert hashed().key_expression is listed().key_expression is None


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (hashed(key=("x", "Y"), types=("text", "int")), 'PARTITION BY HASH ("x", "Y")'),
        (by_key(), 'PARTITION BY LIST ("k")'),
        (listed(), 'PARTITION BY LIST ("x")'),
    ],
)
def test_what_a_parent_is_partitioned_by(layout, said):
    assert layout.partition_by == said


def test_a_key_may_be_given_as_one_tuple():
    layout = hashed(key=("x", "y"), types=("text", "int"))
    assert layout.leaf_for(("a", 1)) == layout.leaf_for("a", 1)


@pytest.mark.parametrize(
    ("layout", "key", "error"),
    [
        (hashed(), (), KeyRefused),
        (hashed(), ("a", "b"), KeyRefused),
        (hashed(), (1,), KeyRefused),
        (by_key(), (), LeafUnknown),
        (by_key(), ("a", "b"), LeafUnknown),
        (by_key(), (None,), LeafUnknown),
        (by_key(), (1,), KeyRefused),
        (by_key(), ("\0",), HashUnknown),
        (listed(), ("c",), LeafUnknown),
        (listed(), (None,), LeafUnknown),
        (listed(), (1,), KeyRefused),
        (listed(type=None), ("a",), HashUnknown),
    ],
)
def test_a_key_that_has_no_leaf(layout, key, error):
    with pytest.raises(error):
        layout.leaf_for(*key)


def test_no_value_is_in_the_error():
    with pytest.raises(LeafUnknown) as caught:
        listed().leaf_for("s3cret")
    assert "s3cret" not in str(caught.value)


INDEX = LeafIndex(
    '{table}"; drop',
    ("Created", Expression("lower(x) DESC")),
    method="btree",
    unique=True,
    include=('i"',),
    where="x > 'a'",
    storage=(("fillfactor", 70),),
    tablespace="fast",
    nulls_not_distinct=True,
)


def test_an_index_in_full():
    assert INDEX.create(Name("t", "s"), concurrently=True) == (
        'CREATE UNIQUE INDEX CONCURRENTLY "t""; drop" ON "s"."t" USING "btree" '
        '("Created", lower(x) DESC) INCLUDE ("i""") NULLS NOT DISTINCT WITH ("fillfactor" = 70) '
        "TABLESPACE \"fast\" WHERE x > 'a'"
    )


def test_an_index_in_short():
    index = LeafIndex("idx_{table}_created", ("created",), method="brin")
    assert index.create(Name("t"), only=True) == (
        'CREATE INDEX "idx_t_created" ON ONLY "t" USING "brin" ("created")'
    )


def test_grants():
    assert Grant(("select", "INSERT"), 'R"').on(Name("t")) == (
        'GRANT SELECT, INSERT ON TABLE "t" TO "R"""'
    )
    assert Grant(("ALL",)).on(Name("t")) == 'GRANT ALL ON TABLE "t" TO PUBLIC'


def test_a_layout_that_refuses_says_how_to_go_on():
    with pytest.raises(LayoutRefused) as caught:
        hashed(naming="part")
    assert str(caught.value) == (
        "A partitioned table cannot be laid out like this.\n"
        "The pattern 'part' gives all of them the same name.\n"
        "Remedy: have {i} in it."
    )
