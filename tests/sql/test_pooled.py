"""What needs a session of its own, as a table."""

import pytest

from schemakit.sql.pooled import session_only, way_out


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SET search_path = app", "SET search_path"),
        ("set session work_mem to '1GB'", "SET work_mem"),
        ("SET SESSION AUTHORIZATION bob", "SET authorization"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET characteristics"),
        ("SET ROLE owner", "SET role"),
        ("SET TIME ZONE 'UTC'", "SET time"),
        ("/* pg_dump */ SELECT 1; SET lock_timeout = 0;", "SET lock_timeout"),
        ("RESET ALL", "RESET"),
        ("LISTEN jobs", "LISTEN"),
        ("UNLISTEN *", "UNLISTEN"),
        ("PREPARE q AS SELECT 1", "PREPARE"),
        ("EXECUTE q", "EXECUTE"),
        ("DEALLOCATE ALL", "DEALLOCATE"),
        ("LOAD 'auto_explain'", "LOAD"),
        ("DISCARD ALL", "DISCARD"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "DECLARE … WITH HOLD"),
        ("CREATE TEMP TABLE t (a int)", "CREATE TEMP TABLE"),
        ("create local temporary table t as select 1", "CREATE TEMP TABLE"),
        ("CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS", "CREATE TEMP TABLE"),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", "CREATE TEMP VIEW"),
        ("CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1", "CREATE TEMP VIEW"),
        ("CREATE TEMPORARY SEQUENCE s", "CREATE TEMP SEQUENCE"),
        ("SELECT a INTO TEMP t FROM u", "CREATE TEMP TABLE"),
        ("SELECT pg_advisory_lock(1)", "pg_advisory_lock()"),
        ("SELECT pg_catalog.pg_try_advisory_lock_shared (1, 2)", "pg_try_advisory_lock_shared()"),
        ("SELECT pg_advisory_unlock_all()", "pg_advisory_unlock_all()"),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "set_config()"),
        ("SELECT set_config('a.b', lower('TRUE'), $1)", "set_config()"),
        ("INSERT INTO t SELECT set_config('a.b', 'true', false), true", "set_config()"),
        ("DO $$ BEGIN SET work_mem = '1GB'; END $$", "SET work_mem"),
        ("DO $x$ BEGIN IF true THEN PERFORM pg_advisory_lock(1); END IF; END $x$",
         "pg_advisory_lock()"),
    ],
)  # fmt: skip
def test_what_lies_in_the_session_is_found(sql, found):
    assert session_only(sql) == found
    assert way_out(found).endswith(".")


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- SET search_path = app",
        "SET LOCAL search_path = app",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET CONSTRAINTS ALL DEFERRED",
        "UPDATE t SET a = 1",
        "ALTER TABLE t SET (fillfactor = 70)",
        "ALTER ROLE bob SET work_mem = '1GB'",
        "ALTER DATABASE app RESET ALL",
        "PREPARE TRANSACTION 'x'",
        "NOTIFY jobs",
        "DECLARE c CURSOR FOR SELECT 1",
        "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
        "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
        "CREATE TABLE temp (a int)",
        "CREATE TABLE t (temp int)",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_try_advisory_xact_lock_shared(1)",
        "SELECT set_config('search_path', '', true)",
        "SELECT set_config('search_path', '', is_local => true)",
        "SELECT set_config('search_path', lower('X'), 't')",
        "SELECT 'pg_advisory_lock(1)'",
        'SELECT "pg_advisory_lock" FROM t',
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = app AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET a.b = 1; END $$",
        "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC SELECT pg_advisory_lock(1); END",
        "CREATE VIEW v AS SELECT pg_advisory_lock(1)",
        "DO $$ BEGIN SET LOCAL work_mem = '1GB'; EXECUTE 'ANALYZE t'; END $$",
        "DO 'BEGIN END'",
        "COMMENT ON TABLE t IS 'SET x'",
    ],
)
def test_what_does_not_is_let_be(sql):
    assert session_only(sql) is None
