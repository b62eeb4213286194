"""What is decided without a server: whose right an aclitem is, what moves along, and to where."""

import pytest

from schemakit.catalog.dependants import Need
from schemakit.catalog.portrait import Portrait
from schemakit.catalog.table import Column, Policy, Statistics, Table
from schemakit.safety import behaviour, columns, grants, moves, twins, views
from schemakit.safety.grants import Grant
from schemakit.sql.locks import LockMode
from schemakit.sql.name import Name


def grant(grantee, *privileges, grantable=False, grantor="owner"):
    return Grant(grantee, privileges, grantable, grantor)


ITEMS = {
    "app=arw/owner": (grant("app", "INSERT", "SELECT", "UPDATE"),),
    "=r/owner": (grant(None, "SELECT"),),
    "app=r*w/owner": (grant("app", "SELECT", grantable=True), grant("app", "UPDATE")),
    '"a=b/c ""d"=dDx/"o/w=n"': (
        grant('a=b/c "d', "DELETE", "TRUNCATE", "REFERENCES", grantor="o/w=n"),
    ),
    "größe=X/postgres": (grant("größe", "EXECUTE", grantor="postgres"),),
}


@pytest.mark.parametrize("item", ITEMS)
def test_an_aclitem_says_who_gave_what_to_whom(item):
    assert grants.parsed(item) == ITEMS[item]


def test_the_default_rights_need_no_statement():
    assert list(grants.granted("TABLE t", None, "o")) == []


def test_no_rights_at_all_are_not_the_default():
    (statement,) = grants.granted("TABLE t", (), "o")
    assert statement.sql == 'REVOKE ALL ON TABLE t FROM PUBLIC, "o"'


def test_what_another_role_has_given_is_given_by_that_role():
    sql = [each.sql for each in grants.granted("TABLE t", ("=r/it's",), "o")]
    assert sql[2:4] == ['SET LOCAL ROLE "it\'s"', "GRANT SELECT ON TABLE t TO PUBLIC"]


def need(oid, depth=1, needed_by=(), **more):
    known = {"kind": "type", "schema": "s", "name": f"t{oid}", "identity": f"s.t{oid}"}
    given = {"definition": "CREATE TYPE …", "owner": "o", "classid": 1247}
    return Need(oid=oid, depth=depth, needed_by=needed_by, **(known | given | more))


def along(*needs):
    return [each.oid for each in twins.going_along(Portrait((table(),), needs=needs))]


def table(name="t", schema="s", **more):
    return Table(schema=schema, name=name, oid=1, kind=more.pop("kind", "r"), owner="o", **more)


def test_what_is_shared_stays():
    assert along(need(1, shared=True), need(2)) == [2]


def test_what_something_that_stays_needs_stays_with_it():
    needs = (need(1, shared=True), need(2, 2, (1,)), need(3, 3, (2,)), need(4))
    assert along(*needs) == [4]


def test_what_others_of_them_need_has_its_twin_first():
    assert along(need(1, 1), need(2, 2, (1,)), need(3, 3, (2,))) == [3, 2, 1]


def test_what_belongs_to_an_extension_stays():
    assert along(need(1, extension="citext")) == []


def test_a_relation_is_nothing_that_moves_along():
    assert along(need(1, kind="table", definition=None, owner=None)) == []


def test_each_schema_gets_a_place_of_its_own():
    leaf = table(schema="b", bound="DEFAULT")
    statistics = (Statistics("a", "x", "CREATE STATISTICS …", "o"),)
    way = moves.move(Portrait((table(statistics=statistics), leaf)), "place")
    assert way.places == {"s": "place", "a": "place_2", "b": "place_3"}


def test_a_place_has_a_name_that_the_server_does_not_cut():
    way = moves.move(Portrait((table(), table("v", "é"))), "n" * 61 + "é")
    assert way.places["é"] == "n" * 61 + "_2"


def test_a_move_locks_the_table_and_says_so():
    way = moves.move(Portrait((table(),)), "place")
    assert way.away.steps[0].locks[0].mode is LockMode.ACCESS_EXCLUSIVE
    assert way.away.steps[0].locks[0].relation == Name("t", "s")


def test_generated_columns_cannot_be_loaded():
    two = (Column("a", "int"), Column("b", "int", default="a + 1", generated="s"))
    assert columns.loadable(table(columns=two)) == ("a",)


def test_a_policy_says_all_that_it_is():
    each = Policy('p"', permissive=False, command="w", roles=("x;",), using="true", check="false")
    (statement,) = behaviour.policy(Name("t", "s"), each)
    assert statement.sql == (
        'CREATE POLICY "p""" ON "s"."t" AS RESTRICTIVE FOR UPDATE TO "x;"'
        " USING (true) WITH CHECK (false)"
    )


def test_a_view_keeps_its_options():
    view = table(
        "v",
        kind="v",
        options=("check_option=local",),
        definition=" SELECT 1 AS a;",
        columns=(Column("a", "integer"),),
    )
    assert views.created(view) == (
        """CREATE VIEW "s"."v" ("a") WITH ("check_option"='local') AS SELECT 1 AS a"""
    )
