"""What the builders say, and what is refused before a server is asked."""

import inspect

import pytest

from schemakit import ddl
from schemakit.catalog.tree import Tree, TreeLeaf
from schemakit.ddl import (
    LeafIndex,
    Name,
    drop_plan,
    index_plan,
    leaves_plan,
    rename_plan,
    tree_plan,
)
from schemakit.ddl.pattern import Pattern
from schemakit.ddl.preflight import (
    batch_size,
    check_detach,
    check_formula,
    check_lock_room,
    check_triggers,
    locks_needed,
)
from schemakit.errors import LayoutRefused, TreeRefused
from schemakit.partitioning import HashKeyLayout, HashLayout
from schemakit.sql.locks import LockMode

LAYOUT = HashLayout(Name("t"), ("id",), types=("int",), modulus=120)
TREE = Tree(18, 6400)


def test_the_public_names_are_these():
    builders = [name for name in ddl.__all__ if name.endswith("_plan")]
    assert builders == [
        "attach_plan",
        "attach_undone_plan",
        "detach_plan",
        "drop_plan",
        "finalize_plan",
        "index_attach_plan",
        "index_parent_plan",
        "index_plan",
        "leaves_plan",
        "parent_plan",
        "rename_plan",
        "tree_plan",
    ]
    assert ddl.__all__ == sorted(ddl.__all__)


@pytest.mark.parametrize("name", ddl.__all__)
def test_every_public_name_says_what_it_is(name):
    assert len(inspect.getdoc(getattr(ddl, name)).splitlines()[0]) > 10


def modes(plan, relation):
    return {lock.mode for each in plan for lock in each.locks if lock.relation == relation}


def test_a_new_tree_is_made_in_batches():
    plan = tree_plan(LAYOUT.parent, "id int", LAYOUT.partition_by, LAYOUT.leaves())
    assert [len(step.statements) for step in plan.steps] == [1, 50, 50, 20]
    assert all(lock.new for each in plan for lock in each.locks)
    assert plan.transactional


def test_under_a_parent_in_use_fewer_go_into_one_and_none_locks_it_exclusively():
    plan = leaves_plan(LAYOUT.parent, LAYOUT.leaves())
    assert [len(step.statements) for step in plan.steps] == [20] * 12
    assert max(modes(plan, LAYOUT.parent)) is LockMode.SHARE_UPDATE_EXCLUSIVE


def test_a_foreign_key_of_the_definition_is_locked_with_each_leaf():
    plan = tree_plan(
        LAYOUT.parent,
        'id int REFERENCES "Other"."x", self int, FOREIGN KEY (self) REFERENCES t',
        LAYOUT.partition_by,
        LAYOUT.leaves()[:2],
    )
    with_it = [each for each in plan if any(lock.relation == ("x", "Other") for lock in each.locks)]
    assert len(with_it) == 3
    assert modes(plan, Name("x", "Other")) == {LockMode.SHARE_ROW_EXCLUSIVE}


def test_the_check_of_a_hash_key_is_part_of_the_tree():
    layout = HashKeyLayout(Name("c"), "k", source="s", modulus=3)
    plan = tree_plan(layout.parent, "s text, k int", layout.partition_by, (), checks=layout.checks)
    assert plan.statements[0].sql == (
        'CREATE TABLE "c" (s text, k int, CHECK ("k" = abs(hashtext("s"::text) % 3))) '
        'PARTITION BY LIST ("k")'
    )


def test_dropping_detaches_first():
    leaf = LAYOUT.leaves()[0].name
    assert [each.sql for each in drop_plan(LAYOUT.parent, [leaf])] == [
        'ALTER TABLE "t" DETACH PARTITION "t_0" CONCURRENTLY',
        'DROP TABLE "t_0"',
    ]


def test_an_index_is_made_on_the_parent_then_on_each_leaf_then_attached():
    leaves = [leaf.name for leaf in LAYOUT.leaves()[:2]]
    plan = index_plan(LAYOUT.parent, leaves, LeafIndex("{table}_i", ("x",)))
    assert [each.sql for each in plan] == [
        'CREATE INDEX "t_i" ON ONLY "t" USING "btree" ("x")',
        'CREATE INDEX CONCURRENTLY "t_0_i" ON "t_0" USING "btree" ("x")',
        'CREATE INDEX CONCURRENTLY "t_1_i" ON "t_1" USING "btree" ("x")',
        'ALTER INDEX "t_i" ATTACH PARTITION "t_0_i"',
        'ALTER INDEX "t_i" ATTACH PARTITION "t_1_i"',
    ]


def test_nothing_is_renamed_into_another_schema_or_to_the_same_name():
    with pytest.raises(LayoutRefused, match="another schema"):
        rename_plan([(Name("a", "s"), Name("a", "t"))])
    assert not rename_plan([(Name("a"), Name("a"))])


def test_what_does_not_fit_into_the_lock_table_is_refused():
    assert locks_needed(1000, 3) == 12_000
    check_lock_room(6400, 6400)
    with pytest.raises(TreeRefused, match="about 6,401 locks, and the server has room for 6,400"):
        check_lock_room(6401, 6400)


@pytest.mark.parametrize(
    ("most", "indexes", "room", "size"),
    [(50, 3, 6400, 50), (50, 30, 6400, 24), (50, 3, 640, 13), (50, 3, 10, 1), (10, 3, 6400, 10)],
)
def test_a_batch_leaves_room_for_others(most, indexes, room, size):
    assert batch_size(most, indexes, room) == size


def test_detaching_concurrently_beside_a_default_leaf_is_refused():
    tree = Tree(18, 6400, leaves=(TreeLeaf(Name("rest", "s"), "DEFAULT"),))
    with pytest.raises(TreeRefused, match=r"rest. is a default leaf"):
        check_detach(tree, Name("a"), concurrently=True)
    check_detach(tree, Name("a"), concurrently=False)
    check_detach(TREE, Name("a"), concurrently=True)


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN NEW.k := 3; RETURN NEW; END",
        "begin\n  new.k = abs(hashtext(new.id) % 4);\nend",
        'BEGIN IF x THEN NEW . "k" := 1; END IF; END',
        "BEGIN SELECT a INTO STRICT new.k FROM t; END",
        "BEGIN x := 1; /* why */ NEW.k := 1; END",
    ],
)
def test_a_trigger_that_sets_the_key_is_told(body):
    with pytest.raises(TreeRefused, match="The trigger t BEFORE INSERT sets k"):
        check_triggers(Tree(18, 0, triggers=(("t", body),)), ["k"])


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN -- NEW.k := 3;\nRETURN NEW; END",
        "BEGIN IF NEW.k = 3 THEN RAISE 'x'; END IF; END",
        "BEGIN x := NEW.k = 3; NEW.kk := 3; END",
        "BEGIN RETURN NEW; END",
    ],
)
def test_one_that_does_not_is_let_be(body):
    check_triggers(Tree(18, 0, triggers=(("t", body),)), ["k"])


@pytest.mark.parametrize(
    "formula",
    [
        "abs(hashtext(x)) % 100",
        "abs((hashtext(x))) % 100",
        "x int, ABS(\n pg_catalog.hashtext(coalesce(x, ')'))\n) % 100",
        "mod(hashtext(x), 100)",
    ],
)
def test_a_formula_that_fails_is_refused(formula):
    with pytest.raises(TreeRefused):
        check_formula(formula)


@pytest.mark.parametrize(
    "formula",
    [
        "abs(hashtext(x) % 100)",
        "abs((hashtext(x) % 100))",
        "abs(mod(hashtext(x), 100))",
        "abs(hashtext(x)::bigint) % 100",
        "hashtext(x) & 2147483647",
        "",
    ],
)
def test_one_that_is_defined_for_all_is_not(formula):
    check_formula(formula)


def test_a_brace_may_be_part_of_a_name():
    assert Pattern("{{{i:03}}}", ("i",)).filled(i=7) == "{007}"
