"""What the text tells, against what the server does: each statement is run and pg_locks read."""

from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from schemakit.sql.effects.read import effects_of
from schemakit.sql.locks import LockMode

SCHEMA = """
CREATE SCHEMA s2; CREATE SCHEMA "Weird ""Schema";
CREATE TYPE e AS ENUM ('a', 'b'); CREATE TYPE ct AS (x int);
CREATE DOMAIN d AS int; CREATE DOMAIN dc AS int CHECK (VALUE > 0);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
CREATE FUNCTION one() RETURNS int LANGUAGE sql IMMUTABLE AS 'select 1';
CREATE SEQUENCE sq;
CREATE TABLE t (id int PRIMARY KEY, a int, b text, v varchar(10), n numeric(10,2), ts timestamp,
                c char(5), nn int, i4 int, j jsonb, ck int, CONSTRAINT t_ck CHECK (ck IS NOT NULL));
INSERT INTO t
  SELECT i, i, i::text, 'x', 1, now(), 'c', 1, i, '{}', 1 FROM generate_series(1, 500) i;
CREATE INDEX t_a ON t (a); CREATE UNIQUE INDEX t_u ON t (id, a);
ALTER TABLE t ADD CONSTRAINT nv CHECK (a > 0) NOT VALID;
CREATE VIEW vw AS SELECT id, a FROM t;
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 500);
CREATE TABLE ch (id int PRIMARY KEY, pid int);
INSERT INTO ch SELECT i, i FROM generate_series(1, 500) i;
CREATE TABLE fk (id int PRIMARY KEY, pid int REFERENCES p (id));
CREATE TABLE fk2 (id int PRIMARY KEY, pid int);
ALTER TABLE fk2 ADD CONSTRAINT fk2_nv FOREIGN KEY (pid) REFERENCES p (id) NOT VALID;
CREATE TRIGGER trg BEFORE INSERT ON ch FOR EACH ROW EXECUTE FUNCTION f();
CREATE RULE ru AS ON DELETE TO fk2 DO INSTEAD NOTHING;
CREATE TABLE pol (id int); CREATE POLICY po ON pol USING (true);
CREATE TABLE npk (id int NOT NULL, x int); INSERT INTO npk VALUES (1, 1);
CREATE UNIQUE INDEX npk_ui ON npk (id); CREATE UNIQUE INDEX npk_ux ON npk (x);
CREATE TABLE pt (k int) PARTITION BY RANGE (k);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES FROM (0) TO (100);
CREATE TABLE pt2 PARTITION OF pt FOR VALUES FROM (100) TO (200);
CREATE TABLE ptd (k int); INSERT INTO ptd VALUES (250);
CREATE INDEX ptk ON ONLY pt (k); CREATE INDEX p1k ON pt1 (k);
CREATE TABLE pd (k int) PARTITION BY LIST (k); CREATE TABLE pdd PARTITION OF pd DEFAULT;
CREATE TABLE inh (id int); CREATE TABLE nc (id int); CREATE TABLE kid () INHERITS (inh);
CREATE TABLE ids (id int GENERATED ALWAYS AS IDENTITY, x int NOT NULL);
CREATE TABLE gs (a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO gs VALUES (1);
CREATE UNLOGGED TABLE ul (id int); INSERT INTO ul VALUES (1);
CREATE TABLE et (x e); INSERT INTO et VALUES ('a');
CREATE TABLE dt (x d); INSERT INTO dt VALUES (1);
CREATE MATERIALIZED VIEW mv AS SELECT id FROM p; CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE TABLE "Weird ""Schema"."Tä ble" ("Id" int); CREATE TABLE s2.z (id int);
CREATE STATISTICS st ON a, nn FROM t; CREATE PUBLICATION pub FOR TABLE inh;
CREATE DOMAIN d3 AS int;
CREATE TABLE dt3 (x d3); ALTER DOMAIN d3 ADD CONSTRAINT d3_nv CHECK (VALUE > 0) NOT VALID;
CREATE TABLE defq (id int DEFAULT nextval('sq'));
"""

#: (the oldest major release that runs it, statement)
CASES = [
    *((14, sql) for sql in """
ALTER TABLE t ADD COLUMN z int
ALTER TABLE t ADD COLUMN z int DEFAULT 5
ALTER TABLE t ADD COLUMN z int NOT NULL DEFAULT 5
ALTER TABLE t ADD COLUMN z timestamptz NOT NULL DEFAULT now()
ALTER TABLE t ADD COLUMN z timestamptz DEFAULT current_timestamp
ALTER TABLE t ADD COLUMN z timestamptz DEFAULT clock_timestamp()
ALTER TABLE t ADD COLUMN z uuid DEFAULT gen_random_uuid()
ALTER TABLE t ADD COLUMN z int DEFAULT one()
ALTER TABLE t ADD COLUMN z float DEFAULT random()
ALTER TABLE t ADD COLUMN z bigserial
ALTER TABLE t ADD COLUMN z bigint GENERATED ALWAYS AS IDENTITY
ALTER TABLE t ADD COLUMN z int GENERATED ALWAYS AS (a * 2) STORED
ALTER TABLE t ADD COLUMN z d
ALTER TABLE t ADD COLUMN z dc
ALTER TABLE t ADD COLUMN z dc DEFAULT 5
ALTER TABLE t ADD COLUMN z e DEFAULT 'a'
ALTER TABLE t ADD COLUMN z int CHECK (z > 0)
ALTER TABLE t ADD COLUMN z int DEFAULT 5 CHECK (z > 0)
ALTER TABLE t ADD COLUMN z int UNIQUE
ALTER TABLE ch ADD COLUMN z int REFERENCES p (id)
ALTER TABLE ch ADD COLUMN z int DEFAULT 1 REFERENCES p (id)
ALTER TABLE t ADD COLUMN y int, ADD COLUMN z int DEFAULT random()
ALTER TABLE t ALTER a SET STATISTICS 500, ALTER a DROP DEFAULT
ALTER TABLE ONLY t ADD COLUMN z int
ALTER TABLE "Weird ""Schema"."Tä ble" ADD COLUMN z int
ALTER TABLE t DROP COLUMN b
ALTER TABLE t DROP COLUMN a CASCADE
ALTER TABLE fk DROP COLUMN pid
ALTER TABLE t ALTER COLUMN i4 TYPE bigint
ALTER TABLE t ALTER COLUMN v TYPE varchar(20)
ALTER TABLE t ALTER COLUMN v TYPE text
ALTER TABLE t ALTER COLUMN b TYPE varchar(50)
ALTER TABLE t ALTER COLUMN b TYPE int USING b::int
ALTER TABLE t ALTER COLUMN nn SET NOT NULL
ALTER TABLE t ALTER COLUMN ck SET NOT NULL
ALTER TABLE t ALTER COLUMN nn DROP NOT NULL
ALTER TABLE t ALTER COLUMN a SET DEFAULT 1
ALTER TABLE t ALTER COLUMN a DROP DEFAULT
ALTER TABLE t ALTER COLUMN a SET STATISTICS 500
ALTER TABLE t ALTER COLUMN b SET STORAGE EXTERNAL
ALTER TABLE t ALTER COLUMN b SET COMPRESSION pglz
ALTER TABLE t ALTER COLUMN a SET (n_distinct = 5)
ALTER TABLE t SET (fillfactor = 70)
ALTER TABLE t RESET (fillfactor)
ALTER TABLE t SET (autovacuum_enabled = false)
ALTER TABLE t SET (toast_tuple_target = 200)
ALTER TABLE t SET (user_catalog_table = true)
ALTER TABLE t CLUSTER ON t_a
ALTER TABLE t SET WITHOUT CLUSTER
ALTER TABLE ch SET UNLOGGED
ALTER TABLE ul SET LOGGED
ALTER TABLE ch SET SCHEMA s2
ALTER TABLE t SET TABLESPACE pg_default
ALTER TABLE ch RENAME TO ch2
ALTER TABLE ch RENAME pid TO pid2
ALTER TABLE fk RENAME CONSTRAINT fk_pid_fkey TO fk_p
ALTER INDEX t_a RENAME TO t_a2
ALTER VIEW vw RENAME TO vw2
ALTER TRIGGER trg ON ch RENAME TO trg2
ALTER POLICY po ON pol RENAME TO po2
ALTER TABLE ch OWNER TO CURRENT_USER
ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)
ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID
ALTER TABLE t VALIDATE CONSTRAINT nv
ALTER TABLE ch ADD CONSTRAINT k FOREIGN KEY (pid) REFERENCES p (id)
ALTER TABLE ch ADD CONSTRAINT k FOREIGN KEY (pid) REFERENCES p (id) NOT VALID
ALTER TABLE fk2 VALIDATE CONSTRAINT fk2_nv
ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)
ALTER TABLE npk ADD PRIMARY KEY (id)
ALTER TABLE npk ADD PRIMARY KEY (x)
ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX t_u
ALTER TABLE npk ADD PRIMARY KEY USING INDEX npk_ui
ALTER TABLE npk ADD PRIMARY KEY USING INDEX npk_ux
ALTER TABLE t ADD CONSTRAINT k EXCLUDE (a WITH =)
ALTER TABLE t DROP CONSTRAINT t_ck
ALTER TABLE fk DROP CONSTRAINT fk_pid_fkey
ALTER TABLE p DROP CONSTRAINT p_pkey CASCADE
ALTER TABLE fk ALTER CONSTRAINT fk_pid_fkey DEFERRABLE
ALTER TABLE ch DISABLE TRIGGER trg
ALTER TABLE ch ENABLE ALWAYS TRIGGER trg
ALTER TABLE ch DISABLE TRIGGER USER
ALTER TABLE t ENABLE ROW LEVEL SECURITY
ALTER TABLE t FORCE ROW LEVEL SECURITY
ALTER TABLE fk2 DISABLE RULE ru
ALTER TABLE t REPLICA IDENTITY FULL
ALTER TABLE nc INHERIT inh
ALTER TABLE kid NO INHERIT inh
ALTER TABLE ids ALTER id DROP IDENTITY
ALTER TABLE ids ALTER x ADD GENERATED ALWAYS AS IDENTITY
ALTER TABLE ids ALTER id SET GENERATED BY DEFAULT
ALTER TABLE gs ALTER b DROP EXPRESSION
ALTER TABLE pt ATTACH PARTITION ptd FOR VALUES FROM (200) TO (300)
ALTER TABLE pd ATTACH PARTITION ptd FOR VALUES IN (250)
ALTER TABLE pt DETACH PARTITION pt1
ALTER TABLE pt DETACH PARTITION pt1 CONCURRENTLY
ALTER TABLE pt ADD COLUMN z int
ALTER INDEX ptk ATTACH PARTITION p1k
ALTER INDEX t_a SET (fillfactor = 70)
ALTER SEQUENCE sq RESTART
ALTER SEQUENCE sq AS bigint
ALTER SEQUENCE sq OWNED BY t.a
ALTER TYPE e ADD VALUE 'c'
ALTER TYPE e RENAME VALUE 'a' TO 'z'
ALTER TYPE e RENAME TO e2
ALTER TYPE ct ADD ATTRIBUTE y int
ALTER DOMAIN d ADD CONSTRAINT k CHECK (VALUE > 0)
ALTER DOMAIN d ADD CONSTRAINT k CHECK (VALUE > 0) NOT VALID
ALTER DOMAIN d SET NOT NULL
ALTER DOMAIN d3 VALIDATE CONSTRAINT d3_nv
ALTER DOMAIN d SET DEFAULT 1
ALTER STATISTICS st SET STATISTICS 10
ALTER POLICY po ON pol USING (false)
ALTER PUBLICATION pub ADD TABLE t
ALTER VIEW vw ALTER a SET DEFAULT 1
ALTER FUNCTION f() OWNER TO CURRENT_USER
CREATE INDEX ON t (b)
CREATE INDEX ptx ON pt (k)
CREATE INDEX ptx ON ONLY pt (k)
CREATE INDEX CONCURRENTLY ON t (b)
CREATE UNIQUE INDEX ON p (id)
DROP INDEX t_a
DROP INDEX CONCURRENTLY t_a
REINDEX INDEX t_a
REINDEX TABLE t
REINDEX (CONCURRENTLY) TABLE t
REINDEX TABLE CONCURRENTLY t
REINDEX SCHEMA s2
CLUSTER t USING t_a
CLUSTER
VACUUM t
VACUUM FULL t
VACUUM (ANALYZE) t
ANALYZE t
TRUNCATE t
TRUNCATE p CASCADE
TRUNCATE ids RESTART IDENTITY
DROP TABLE nc
DROP TABLE t CASCADE
DROP TABLE fk
DROP TABLE p CASCADE
DROP TABLE pt1
DROP TABLE IF EXISTS nc, npk
DROP SCHEMA s2 CASCADE
DROP VIEW vw
DROP MATERIALIZED VIEW mv
DROP SEQUENCE sq CASCADE
DROP TRIGGER trg ON ch
DROP POLICY po ON pol
DROP RULE ru ON fk2
DROP TYPE e CASCADE
DROP FUNCTION f() CASCADE
DROP FUNCTION one()
DROP PUBLICATION pub
CREATE TABLE x (id int PRIMARY KEY, pid int REFERENCES p (id))
CREATE TABLE x (id int PRIMARY KEY, up int REFERENCES x (id))
CREATE TABLE x (id int, FOREIGN KEY (id) REFERENCES p)
CREATE TABLE x (LIKE t INCLUDING ALL)
CREATE TABLE x () INHERITS (inh)
CREATE TABLE x PARTITION OF pt FOR VALUES FROM (300) TO (400)
CREATE TABLE x PARTITION OF pd FOR VALUES IN (1)
CREATE TABLE x AS SELECT * FROM t
CREATE TABLE x AS SELECT 1 AS a
CREATE MATERIALIZED VIEW x AS SELECT id FROM t
CREATE OR REPLACE VIEW vw AS SELECT id, a FROM t
CREATE VIEW x AS SELECT id FROM t
CREATE SEQUENCE x OWNED BY t.a
CREATE STATISTICS x ON a, i4 FROM t
CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()
CREATE RULE x AS ON DELETE TO ch DO INSTEAD NOTHING
CREATE POLICY x ON t USING (true)
CREATE PUBLICATION x FOR TABLE t
CREATE SCHEMA x CREATE TABLE y (id int REFERENCES p (id))
CREATE TYPE x AS ENUM ('a')
CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'select 1'
CREATE DATABASE x
REFRESH MATERIALIZED VIEW mv
REFRESH MATERIALIZED VIEW mv WITH NO DATA
REFRESH MATERIALIZED VIEW CONCURRENTLY mv
COMMENT ON TABLE t IS 'x'
COMMENT ON COLUMN t.a IS 'x'
COMMENT ON INDEX t_a IS 'x'
COMMENT ON CONSTRAINT t_ck ON t IS 'x'
COMMENT ON TRIGGER trg ON ch IS 'x'
COMMENT ON FUNCTION f() IS 'x'
GRANT SELECT ON t TO PUBLIC
GRANT SELECT (a) ON t TO PUBLIC
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC
LOCK TABLE t
LOCK TABLE t IN SHARE MODE
LOCK TABLE p, ch IN ROW SHARE MODE
SELECT * FROM t
SELECT * FROM t FOR UPDATE
SELECT count(*) FROM t JOIN p USING (id)
WITH t AS (SELECT 1) SELECT * FROM t
WITH x AS (DELETE FROM ch RETURNING *) SELECT * FROM x
INSERT INTO p VALUES (1000)
INSERT INTO p SELECT id + 1000 FROM t
UPDATE t SET a = a
UPDATE t SET a = 1 WHERE id = 1
DELETE FROM ch
DELETE FROM ch USING p WHERE p.id = ch.pid
EXPLAIN SELECT * FROM t
EXPLAIN ANALYZE DELETE FROM ch
SET LOCAL lock_timeout = '1s'
SAVEPOINT a
DISCARD ALL
""".strip().splitlines()),
    (15, "MERGE INTO p USING ch ON p.id = ch.id WHEN NOT MATCHED THEN INSERT VALUES (ch.id)"),
    (15, "ALTER TABLE t SET ACCESS METHOD heap"),
    (17, "ALTER TABLE gs ALTER b SET EXPRESSION AS (a * 3)"),
    (18, "ALTER TABLE t ADD COLUMN z int GENERATED ALWAYS AS (a * 2) VIRTUAL"),
    (18, "ALTER TABLE t ADD CONSTRAINT k NOT NULL a NOT VALID"),
    (18, "ALTER TABLE t ADD CONSTRAINT k NOT NULL a"),
    (18, "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT ENFORCED"),
    (18, "ALTER TABLE ch ADD CONSTRAINT k FOREIGN KEY (pid) REFERENCES p (id) NOT ENFORCED"),
    (18, "ALTER TABLE fk ALTER CONSTRAINT fk_pid_fkey NOT ENFORCED"),
]  # fmt: skip

RELATIONS = """
SELECT c.oid, c.relname::text AS name, c.relkind::text AS kind, c.relfilenode AS file,
       pg_stat_get_xact_numscans(c.oid) AS scans,
       (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid) AS parent
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
HELD = """
SELECT relation AS oid, mode FROM pg_locks
 WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= 16384
"""
NOT_IN_A_TRANSACTION = "25001"


@pytest.fixture(scope="module")
def fixture_dsn(background, server_url, dsn_of):
    """A database with one of everything; nothing is ever committed in it."""
    name = f"effects_{uuid4().hex[:12]}"  # workers may share a server
    admin = dsn_of(make_url(server_url).database)

    async def on(dsn, *statements):
        connection = await asyncpg.connect(dsn)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    background.run(on(admin, drop, f'CREATE DATABASE "{name}"'))
    background.run(on(dsn_of(name), SCHEMA))
    yield dsn_of(name)
    background.run(on(admin, drop))


class Observed:
    """What the server did."""

    def __init__(self, before, after, held):
        there = {row["oid"]: row for row in before}
        now = {row["oid"]: row for row in after}
        self.locks = {}
        for row in held:
            if row["oid"] in there:
                name, mode = there[row["oid"]]["name"], LockMode.of_server(row["mode"])
                self.locks[name] = max(mode, self.locks.get(name, mode))
        self.parents = {row["name"]: row["parent"] for row in before}
        self.indexes = {row["name"] for row in before if row["kind"] in "iI"}
        tables = {oid: row for oid, row in there.items() if row["kind"] in "rmp" and oid in now}
        self.rewritten = {r["name"] for o, r in tables.items() if now[o]["file"] != r["file"]}
        self.scanned = {r["name"] for o, r in tables.items() if now[o]["scans"] > r["scans"]}


async def observe(connection, sql):
    before = await connection.fetch(RELATIONS)
    await connection.execute(sql)
    return Observed(before, await connection.fetch(RELATIONS), await connection.fetch(HELD))


@pytest.mark.parametrize(("since", "sql"), CASES, ids=[sql for _, sql in CASES])
async def test_the_server_does_what_the_text_tells(fixture_dsn, since, sql):
    connection = await asyncpg.connect(fixture_dsn)
    try:
        major = connection.get_server_version().major
        if major < since:
            pytest.skip(f"needs PostgreSQL {since}")
        told = effects_of(sql)
        assert told.known
        await connection.execute("BEGIN")
        try:
            done = await observe(connection, sql)
        except asyncpg.PostgresError as error:
            assert error.sqlstate == NOT_IN_A_TRANSACTION, error  # noqa: PT017 - some must fail
            assert told.in_transaction == "no"
            return
        assert told.in_transaction == "yes" or (told.in_transaction, sql[:7]) == (
            "maybe",
            "REINDEX",
        )
        compare(told, done, emptied=sql.startswith("TRUNCATE") or "NO DATA" in sql)
    finally:
        await connection.close()


def compare(told, done, *, emptied):
    named = {lock.relation.name: lock.mode for lock in told.locks if lock.relation}
    assert {name: done.locks.get(name) for name in named} == named
    covered = max((lock.mode for lock in told.locks if not lock.relation), default=0)
    unsaid = {
        name: str(mode)
        for name, mode in done.locks.items()
        if name not in named and name not in done.indexes
        and mode > max(covered, LockMode.ROW_EXCLUSIVE)
        and not (done.parents[name] in named and mode <= named[done.parents[name]])
    }  # fmt: skip
    assert unsaid == {}
    if emptied:  # a new file, of no length: the server counts it, and it takes no time
        return
    if told.rewrites != "maybe":
        assert bool(done.rewritten) == (told.rewrites == "yes"), done.rewritten
    if told.scans != "maybe":
        assert bool(done.scanned) == (told.scans == "yes"), done.scanned
