"""Lock modes, what a text tells, and what it cannot tell: no server needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemakit.sql import Name
from schemakit.sql.effects.model import Effects, TableLock, together, with_new
from schemakit.sql.effects.read import effects_of
from schemakit.sql.effects.sequences import Insertion, movement
from schemakit.sql.locks import LockMode

T = Name("t")


def locks(sql):
    return [str(lock) for lock in effects_of(sql).locks]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE t ADD x int, ALTER a SET STATISTICS 9", ['ACCESS EXCLUSIVE on "t"']),
        ('ALTER TABLE "A ""b"."Ü" ADD x int', ['ACCESS EXCLUSIVE on "A ""b"."Ü"']),
        (
            "ALTER TABLE t ADD x int REFERENCES other",
            ['ACCESS EXCLUSIVE on "t"', 'SHARE ROW EXCLUSIVE on "other"'],
        ),
        (
            "DROP INDEX s.i",
            ['ACCESS EXCLUSIVE on "s"."i"', 'ACCESS EXCLUSIVE on the table of "s"."i"'],
        ),
        ("WITH t AS (SELECT 1) SELECT * FROM t", []),
        ("CREATE TABLE IF NOT EXISTS t (id int)", []),
        ("GRANT SELECT ON t TO PUBLIC", []),
        ("ALTER TABLE t ADD x int; DROP TABLE u CASCADE; SELECT 1", [
            'ACCESS EXCLUSIVE on "t"',
            'ACCESS EXCLUSIVE on "u"',
            "ACCESS EXCLUSIVE on the tables that its foreign keys reference",
            "ACCESS EXCLUSIVE on its parent and the default partition, if it is a partition",
            "ACCESS EXCLUSIVE on whatever depends on it",
        ]),
    ],
)  # fmt: skip
def test_locks(sql, expected):
    assert locks(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN END $$",
        "CALL f()",
        "SELECT my_own_function(1)",
        "SELECT pg_catalog.pg_terminate_backend(1)",
        "INSERT INTO t VALUES (s.f())",
        "CREATE EXTENSION citext",
        "EXECUTE x",
        "this is no SQL",
        "SELECT 'cut off",
        "ALTER TABLE t ADD COLUMN",
    ],
)
def test_what_runs_code_or_cannot_be_read_is_unknown(sql):
    found = effects_of(sql)
    assert (found.known, found.rewrites, found.brief) == (False, "maybe", False)
    assert found.reason


@given(st.text())
def test_no_text_makes_it_fail(text):
    assert isinstance(effects_of(text), Effects)


def test_nothing_does_nothing():
    assert effects_of(" -- a comment\n;") == Effects()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE t ADD x timestamptz DEFAULT now()", "no"),
        ("ALTER TABLE t ADD x int DEFAULT (1 + 2)", "no"),
        ("ALTER TABLE t ADD x jsonb DEFAULT '{}'::jsonb", "no"),
        ("ALTER TABLE t ADD x text DEFAULT current_user", "no"),
        ("ALTER TABLE t ADD x uuid DEFAULT gen_random_uuid()", "yes"),
        ("ALTER TABLE t ADD x uuid DEFAULT public.gen_random_uuid()", "maybe"),
        ("ALTER TABLE t ADD x int DEFAULT nextval('s')", "yes"),
        ("ALTER TABLE t ADD x int DEFAULT my_own()", "maybe"),
        ("ALTER TABLE t ADD x my_type", "maybe"),
        ("ALTER TABLE t ALTER x TYPE text", "maybe"),
        ("ALTER TABLE t ADD x int GENERATED ALWAYS AS (1) VIRTUAL", "no"),
    ],
)
def test_rewrites(sql, expected):
    assert effects_of(sql).rewrites == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "no"),
        ("REINDEX (CONCURRENTLY) INDEX i", "no"),
        ("REINDEX (CONCURRENTLY false) INDEX i", "maybe"),
        ("VACUUM t", "no"),
        ("ANALYZE t", "yes"),
        ("ALTER TABLE p DETACH PARTITION t CONCURRENTLY", "no"),
        ("CREATE DATABASE x", "no"),
        ("ALTER SYSTEM SET work_mem = 1", "no"),
        ("COMMIT", "no"),
        ("ROLLBACK TO a", "yes"),
        ("CREATE SUBSCRIPTION x CONNECTION '' PUBLICATION y", "maybe"),
    ],
)
def test_in_a_transaction(sql, expected):
    assert effects_of(sql).in_transaction == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT setval('s', 1)", "yes"),
        ("INSERT INTO t VALUES (nextval('s'))", "yes"),
        ("INSERT INTO t VALUES (1)", "maybe"),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x", "maybe"),
        ("COPY t FROM '/x'", "maybe"),
        ("UPDATE t SET a = 1", "no"),
        ("ALTER SEQUENCE s RESTART", "no"),
    ],
)
def test_moves_sequences(sql, expected):
    assert effects_of(sql).moves_sequences == expected


@pytest.mark.parametrize(
    ("sql", "named", "of_tables", "hidden"),
    [
        ("SELECT setval('\"S\".x', 1)", ('"S".x',), (), False),
        ("SELECT nextval('s'::regclass)", ("s",), (), False),
        ("SELECT setval(pg_get_serial_sequence('t', 'id'), 1)", (), ("t",), False),
        ("SELECT setval(quote_ident('s'), 1)", (), (), True),
        ("DO $$ BEGIN PERFORM nextval('s'); END $$", (), (), True),
        ("DO $$ BEGIN END $$", (), (), False),
        ("no SQL, but SETVAL", (), (), True),
        ("SELECT currval('s')", (), (), False),
    ],
)
def test_which_sequences(sql, named, of_tables, hidden):
    found = movement(sql)
    assert (found.named, found.of_tables, found.hidden) == (named, of_tables, hidden)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO t (a, b) SELECT 1, 2", Insertion(T, ("a", "b"))),
        ("INSERT INTO t VALUES (1, 2), (3, 4)", Insertion(T, None, 2)),
        ("INSERT INTO t VALUES (DEFAULT)", Insertion(T, None, 1, defaults=True)),
        ("INSERT INTO t DEFAULT VALUES", Insertion(T, None, None, defaults=True)),
        (
            "INSERT INTO t (id) OVERRIDING USER VALUE VALUES (1)",
            Insertion(T, ("id",), 1, defaults=True),
        ),
        ("COPY t (a) FROM '/x'", Insertion(T, ("a",))),
        ("UPDATE t SET a = DEFAULT", Insertion(T, None, defaults=True)),
        (
            "MERGE INTO t USING u ON true WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
            Insertion(T, ("a",), 1),
        ),
    ],
)
def test_insertions(sql, expected):
    assert movement(sql).insertions == (expected,)


def test_an_insertion_gives_what_it_names_or_counts():
    assert Insertion(T, ("id",)).gives("id", 9)
    assert not Insertion(T, ("id",)).gives("other", 1)
    assert Insertion(T, None, 2).gives("id", 2)
    assert not Insertion(T, None, 2).gives("id", 3)
    assert not Insertion(T, None).gives("id", 1)
    assert not Insertion(T, ("id",), defaults=True).gives("id", 1)


def test_what_is_made_is_new():
    found = with_new(
        effects_of("CREATE INDEX ON t (a)"), effects_of("CREATE TABLE t (a int)").creates
    )
    assert [str(lock) for lock in found.locks] == ['SHARE on "t" (new)']
    assert found.strongest is None


def test_together_the_strongest_counts():
    parts = [
        Effects((TableLock(LockMode.SHARE, T),), scans="yes"),
        Effects((TableLock(LockMode.ACCESS_EXCLUSIVE, T),), in_transaction="no", rewrites="maybe"),
    ]
    found = together(parts)
    assert found.locks == (TableLock(LockMode.ACCESS_EXCLUSIVE, T),)
    assert (found.in_transaction, found.rewrites, found.scans) == ("no", "maybe", "yes")


def test_a_mode_is_spelled_as_postgresql_does():
    assert str(LockMode.SHARE_UPDATE_EXCLUSIVE) == "SHARE UPDATE EXCLUSIVE"
    assert LockMode.of_server("AccessShareLock") is LockMode.ACCESS_SHARE


def test_what_a_mode_stops():
    assert [mode.name for mode in LockMode if mode.blocks_reads] == ["ACCESS_EXCLUSIVE"]
    assert min(mode for mode in LockMode if mode.blocks_writes) is LockMode.SHARE


async def test_the_conflicts_are_the_servers(connect):
    one, other = await connect(), await connect()
    await one.execute("CREATE TABLE t (id int)")
    for held in LockMode:
        await one.execute(f"BEGIN; LOCK TABLE t IN {held} MODE")
        for wanted in LockMode:
            try:
                await other.execute(f"BEGIN; LOCK TABLE t IN {wanted} MODE NOWAIT")
                refused = False
            except Exception as error:  # noqa: BLE001 - told by its code
                refused = getattr(error, "sqlstate", "") == "55P03"
            await other.execute("ROLLBACK")
            assert refused == held.conflicts_with(wanted), (held, wanted)
        await one.execute("ROLLBACK")
