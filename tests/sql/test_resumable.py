"""Which statements can be gone on with, and what must be known of them."""

import pytest

from schemakit.sql import Name
from schemakit.sql.resumable import (
    AddValue,
    BuildIndex,
    Detach,
    DropIndex,
    Reindex,
    Repeatable,
    add_if_absent,
    resumable,
)


@pytest.mark.parametrize(
    ("sql", "step"),
    [
        ("CREATE INDEX CONCURRENTLY i ON s.t (x)", BuildIndex(Name("i", "s"))),
        ('create unique index concurrently "I" on t (x)', BuildIndex(Name("I"))),
        ("DROP INDEX CONCURRENTLY s.i", DropIndex(Name("i", "s"))),
        ("DROP INDEX CONCURRENTLY IF EXISTS i", Repeatable()),
        ("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'x'", Repeatable()),
        ("ALTER TYPE mood ADD VALUE 'x'", AddValue(Name("mood"), "x", None, None)),
        ("ALTER TYPE s.mood ADD VALUE 'x' AFTER 'y'", AddValue(Name("mood", "s"), "x", None, "y")),
        ("alter type mood add value 'x' before 'y'", AddValue(Name("mood"), "x", "y", None)),
        ("ALTER TABLE p DETACH PARTITION s.c CONCURRENTLY", Detach(Name("p"), Name("c", "s"))),
        ("REINDEX INDEX CONCURRENTLY i", Reindex(index=Name("i"))),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE s.t", Reindex(table=Name("t", "s"))),
        ("REINDEX SCHEMA CONCURRENTLY s", Reindex(schema="s")),
        ("REINDEX DATABASE CONCURRENTLY d", Reindex()),
    ],
)
def test_what_can_be_gone_on_with(sql, step):
    assert resumable(sql) == step


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON t (x)",
        "CREATE INDEX CONCURRENTLY ON t (x)",
        "DROP INDEX i",
        "DROP INDEX CONCURRENTLY i, j",
        "ALTER TYPE mood RENAME VALUE 'x' TO 'add value'",
        "ALTER TABLE p DETACH PARTITION c",
        "ALTER TABLE p DETACH PARTITION c FINALIZE",
        "REINDEX TABLE t",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "SELECT 'create index concurrently'",
        "CREATE INDEX CONCURRENTLY i ON t (x); SELECT 1",
        "no sql, concurrently",
    ],
)
def test_what_cannot(sql):
    assert resumable(sql) is None


def test_a_value_is_added_if_it_is_absent():
    sql = "/* add value */ alter type mood add value 'a' before 'b'"
    assert add_if_absent(sql) == "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'a' BEFORE 'b'"
