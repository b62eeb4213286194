-- name: server
-- What the runner must know of the server before it does anything.
SELECT current_setting('server_version_num')::int AS version_num,
       current_database()::text AS database,
       pg_is_in_recovery() AS in_recovery,
       pg_backend_pid() AS backend_pid,
       current_setting('transaction_read_only')::bool AS read_only

-- name: lock_holders
-- Sessions of this database that hold the advisory lock :key (bigint: classid is its upper half,
-- objid its lower, objsubid 1; manual, 53.13 pg_locks).
SELECT a.pid,
       coalesce(a.application_name, '') AS application_name,
       coalesce(host(a.client_addr), 'local') AS client,
       coalesce(a.state, 'unknown') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0)::float8 AS seconds,
       coalesce(a.query, '') AS query
  FROM pg_catalog.pg_locks AS l
  JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'advisory'
   AND l.granted
   AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
   AND l.classid = ((CAST(:key AS bigint) >> 32) & 4294967295)::oid
   AND l.objid = (CAST(:key AS bigint) & 4294967295)::oid
 ORDER BY a.pid

-- name: backend_pid
-- The process that answers: behind a pooler, not the one that the client was told of.
SELECT pg_backend_pid()

-- name: lease_holders
-- Who holds the lease :key; one that has expired is nobody's.
SELECT 0 AS pid,
       application_name,
       client,
       'lease' AS state,
       extract(epoch FROM clock_timestamp() - renewed)::float8 AS seconds,
       '' AS query
  FROM schemakit.migration_lease
 WHERE key = CAST(:key AS bigint)
   AND expires >= clock_timestamp()

-- name: invalid_index
-- The index :name, if a concurrent build left it INVALID and nobody is building it any more.
-- A partitioned index (relkind I) is invalid until its leaves are attached: that one is no wreck.
SELECT n.nspname::text AS schema, c.relname::text AS name, t.relname::text AS table
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid
   AND c.relkind = 'i'
   AND c.relname = CAST(:name AS text)
   AND CASE WHEN CAST(:schema AS text) IS NULL
            THEN pg_catalog.pg_table_is_visible(c.oid)
            ELSE n.nspname = CAST(:schema AS text) END
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
                    WHERE p.index_relid = i.indexrelid)

-- name: index_builders
-- The sessions that are building the index :name now.
SELECT a.pid,
       coalesce(a.application_name, '') AS application_name,
       coalesce(host(a.client_addr), 'local') AS client,
       coalesce(a.state, 'unknown') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0)::float8 AS seconds,
       coalesce(a.query, '') AS query
  FROM pg_catalog.pg_stat_progress_create_index AS p
  JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid
  JOIN pg_catalog.pg_class AS c ON c.oid = p.index_relid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE p.pid <> pg_backend_pid()
   AND c.relname = CAST(:name AS text)
   AND CASE WHEN CAST(:schema AS text) IS NULL
            THEN pg_catalog.pg_table_is_visible(c.oid)
            ELSE n.nspname = CAST(:schema AS text) END
 ORDER BY a.pid

-- name: index_definition
-- The CREATE INDEX of the valid index :name.
SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE i.indisvalid
   AND c.relname = CAST(:name AS text)
   AND CASE WHEN CAST(:schema AS text) IS NULL
            THEN pg_catalog.pg_table_is_visible(c.oid)
            ELSE n.nspname = CAST(:schema AS text) END

-- name: invalid_indexes
-- Every index that a concurrent build left INVALID, outside the system's schemas.
SELECT n.nspname::text AS schema, c.relname::text AS name, t.relname::text AS table
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid
   AND c.relkind = 'i'
   AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
                    WHERE p.index_relid = i.indexrelid)
 ORDER BY 1, 2

-- name: session_settings
-- What has been SET in this session; the two that pg_settings does not list are always told.
SELECT name, setting FROM pg_catalog.pg_settings WHERE source = 'session'
UNION ALL SELECT 'role', current_setting('role')
UNION ALL SELECT 'session_authorization', current_setting('session_authorization')

-- name: setting
-- A setting of this session, '' if it has none: one of an extension or an application.
SELECT coalesce(current_setting(CAST(:name AS text), true), '')

-- name: backend
-- How the session :pid is, seen from another one. No row: it is gone. Between the messages that
-- make up a statement of the extended protocol it is "active", and waits for the next one.
SELECT CASE WHEN wait_event = 'ClientRead' THEN 'idle' ELSE coalesce(state, 'unknown') END AS state,
       coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)::float8 AS seconds
  FROM pg_catalog.pg_stat_activity
 WHERE pid = CAST(:pid AS int)

-- name: blockers
-- The sessions for which the session :pid waits. Those of others' roles show neither state nor
-- query without pg_read_all_stats; pid 0 stands for a prepared transaction.
SELECT p.pid,
       coalesce(a.application_name, '') AS application_name,
       CASE WHEN p.pid = 0 THEN 'nowhere' ELSE coalesce(host(a.client_addr), 'local') END AS client,
       CASE WHEN p.pid = 0 THEN 'prepared transaction'
            WHEN a.backend_type <> 'client backend' THEN a.backend_type
            ELSE coalesce(a.state, 'unknown') END AS state,
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change)),
                0)::float8 AS seconds,
       coalesce(a.query, '') AS query
  FROM (SELECT DISTINCT unnest(pg_catalog.pg_blocking_pids(CAST(:pid AS int))) AS pid) AS p
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid
 ORDER BY p.pid

-- name: backend_named
-- The session that calls itself :name, from beside; 0 if there is none.
SELECT coalesce(max(pid), 0) FROM pg_catalog.pg_stat_activity
 WHERE application_name = CAST(:name AS text) AND pid <> pg_catalog.pg_backend_pid()

-- name: relation_exists
-- Whether there is a relation :name (as SQL, looked for through the search_path).
SELECT pg_catalog.to_regclass(CAST(:name AS text)) IS NOT NULL

-- name: enum_neighbours
-- The labels before and after the label :label of the enum :name, in its order.
SELECT before, after
  FROM (SELECT enumlabel::text AS label,
               lag(enumlabel::text) OVER w AS before,
               lead(enumlabel::text) OVER w AS after
          FROM pg_catalog.pg_enum
         WHERE enumtypid = pg_catalog.to_regtype(CAST(:name AS text))
        WINDOW w AS (ORDER BY enumsortorder)) AS e
 WHERE label = CAST(:label AS text)

-- name: partition_state
-- How :partition stands to :parent. A partition that was detached has the columns of its parent,
-- and is nobody's partition or child.
SELECT CASE WHEN own.inhdetachpending THEN 'pending'
            WHEN own.inhrelid IS NOT NULL THEN 'attached'
            WHEN c.relispartition OR c.relkind NOT IN ('r', 'f', 'p')
              OR EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid)
              OR (SELECT array_agg((a.attname, a.atttypid, a.atttypmod)::text ORDER BY a.attname)
                    FROM pg_catalog.pg_attribute AS a
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
                 IS DISTINCT FROM
                 (SELECT array_agg((a.attname, a.atttypid, a.atttypmod)::text ORDER BY a.attname)
                    FROM pg_catalog.pg_attribute AS a
                   WHERE a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped)
            THEN 'another'
            ELSE 'detached' END
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_class AS p
    ON p.oid = pg_catalog.to_regclass(CAST(:parent AS text)) AND p.relkind = 'p'
  LEFT JOIN pg_catalog.pg_inherits AS own ON own.inhrelid = c.oid AND own.inhparent = p.oid
 WHERE c.oid = pg_catalog.to_regclass(CAST(:partition AS text))

-- name: reindex_leftovers
-- The INVALID indexes that a broken REINDEX CONCURRENTLY left of the index :index, of the table
-- :table and its partitions, of the schema :schema, or (all NULL) of the database: ..._ccnew never
-- came into use, ..._ccold was out of use (manual, REINDEX). A name too long is cut before the
-- suffix.
SELECT n.nspname::text AS schema, c.relname::text AS name, t.relname::text AS table
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid
   AND c.relkind = 'i'
   AND c.relname ~ '_cc(new|old)[0-9]*$'
   AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
                    WHERE p.index_relid = i.indexrelid)
   AND (CAST(:schema AS text) IS NULL OR n.nspname = CAST(:schema AS text))
   AND (CAST(:table AS text) IS NULL
        OR t.oid = pg_catalog.to_regclass(CAST(:table AS text))
        OR EXISTS (SELECT FROM pg_catalog.pg_partition_tree(
                                   pg_catalog.to_regclass(CAST(:table AS text))) AS leaf
                    WHERE leaf.relid = t.oid))
   AND (CAST(:index AS text) IS NULL
        OR EXISTS (SELECT FROM pg_catalog.pg_index AS whole
                     JOIN pg_catalog.pg_class AS w ON w.oid = whole.indexrelid
                    WHERE whole.indexrelid = pg_catalog.to_regclass(CAST(:index AS text))
                      AND whole.indrelid = i.indrelid
                      AND CASE WHEN octet_length(c.relname::text) < 60
                               THEN w.relname::text
                                    = regexp_replace(c.relname::text, '_cc(new|old)[0-9]*$', '')
                               ELSE starts_with(w.relname::text, regexp_replace(
                                        c.relname::text, '_cc(new|old)[0-9]*$', '')) END))
 ORDER BY 1, 2

-- name: relations
-- Every relation outside the system's schemas, with its file and how often this transaction has read
-- it from end to end; 16384 is the first oid of what users make (src/include/access/transam.h).
SELECT c.oid::bigint AS oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind::text AS kind,
       c.relfilenode::bigint AS file,
       pg_catalog.pg_stat_get_xact_numscans(c.oid) AS scans,
       i.indrelid::bigint AS table
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
 WHERE c.oid >= 16384
   AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S', 'i', 'I')
   AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')

-- name: own_locks
-- The locks that this transaction holds on such relations, with the same of each.
SELECT l.relation::bigint AS oid,
       l.mode,
       coalesce(c.relfilenode, 0)::bigint AS file,
       pg_catalog.pg_stat_get_xact_numscans(l.relation) AS scans
  FROM pg_catalog.pg_locks AS l
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
 WHERE l.pid = pg_catalog.pg_backend_pid()
   AND l.locktype = 'relation'
   AND l.granted
   AND l.relation >= 16384
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())

-- name: sequences_of
-- The sequences that give the columns of :table their values: by a default, or as an identity.
SELECT a.attname::text AS column, a.attnum::int AS number, f.sequence::bigint AS sequence
  FROM pg_catalog.pg_attribute AS a
  JOIN (SELECT ad.adrelid AS relation, ad.adnum::int AS number, d.refobjid AS sequence
          FROM pg_catalog.pg_attrdef AS ad
          JOIN pg_catalog.pg_depend AS d
            ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = ad.oid
           AND d.refclassid = 'pg_catalog.pg_class'::regclass
         UNION
        SELECT d.refobjid, d.refobjsubid, d.objid
          FROM pg_catalog.pg_depend AS d
         WHERE d.classid = 'pg_catalog.pg_class'::regclass
           AND d.refclassid = 'pg_catalog.pg_class'::regclass
           AND d.deptype = 'i') AS f
    ON f.relation = a.attrelid AND f.number = a.attnum
  JOIN pg_catalog.pg_class AS c ON c.oid = f.sequence AND c.relkind = 'S'
 WHERE a.attrelid = pg_catalog.to_regclass(CAST(:table AS text))

-- name: relation_oid
-- The oid of the relation that is spelled :name, or null.
SELECT pg_catalog.to_regclass(CAST(:name AS text))::oid::bigint

-- name: give_way
-- Cancel what the session :pid has sent, if it waits for a lock.
SELECT coalesce(bool_or(pg_catalog.pg_cancel_backend(CAST(:pid AS int))), false)
 WHERE cardinality(pg_catalog.pg_blocking_pids(CAST(:pid AS int))) > 0

-- name: still_there
-- Whether one of the sessions :pids is in a transaction that is older than :seconds.
SELECT EXISTS (
         SELECT FROM pg_catalog.pg_stat_activity
          WHERE pid = ANY (CAST(:pids AS int[]))
            AND xact_start < clock_timestamp() - make_interval(secs => CAST(:seconds AS float8)))

-- name: end_session
-- End the session :pid, if it is one that holds the advisory lock :key, and wait until it is gone.
SELECT pg_catalog.pg_terminate_backend(l.pid, CAST(:milliseconds AS bigint))
  FROM pg_catalog.pg_locks AS l
 WHERE l.pid = CAST(:pid AS int)
   AND l.locktype = 'advisory'
   AND l.granted
   AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
   AND l.classid = ((CAST(:key AS bigint) >> 32) & 4294967295)::oid
   AND l.objid = (CAST(:key AS bigint) & 4294967295)::oid

-- name: own_table
-- Whether the table :name of the schema :schema, schemakit's own, is there, and that schema, and may
-- be read. By the catalog: to_regclass() needs a right on the schema.
SELECT n.oid IS NOT NULL AS schema,
       c.oid IS NOT NULL AS table,
       coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
                false) AS readable
  FROM (SELECT) AS one
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = CAST(:schema AS text)
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
       AND c.relname = CAST(:name AS text)

-- name: history
-- The durable history, newest first.
SELECT version_table, revision, direction, "user", role, host, application_name, finished,
       seconds, checksum, schemakit
  FROM schemakit.history
 ORDER BY id DESC

-- name: checksums
-- The file that each revision was last applied from, of those of a version table.
SELECT DISTINCT ON (revision) revision, direction, checksum
  FROM schemakit.history
 WHERE version_table = CAST(:version_table AS text)
 ORDER BY revision, id DESC

-- name: hashing
-- How the server hashes, by its own functions, and what it hashes of the relation :table: the columns
-- of its key, if it is partitioned by hash; else those whose text is not hashed by its bytes. The
-- calculator's answers to the same questions are in runner/verify.py. The characters of the second
-- one come from rows, since the planner would make them beforehand, where the encoding has none.
SELECT current_setting('server_version_num')::int AS version_num,
       current_setting('server_encoding') AS encoding,
       ARRAY[hashtext('schemakit-13c')::bigint,
             hashtext((SELECT string_agg(chr(code), '')
                         FROM unnest(ARRAY[233, 28450, 128512]) AS code
                        WHERE current_setting('server_encoding') = 'UTF8')),
             hashint8extended(-5000000000, 8816678312871386365),
             hashtextextended('schemakit-13c', 8816678312871386365),
             uuid_hash_extended('00112233-4455-6677-8899-aabbccddeeff', 8816678312871386365),
             hash_numeric_extended(-1234567.8900, 8816678312871386365),
             hashfloat8extended(1.5, 8816678312871386365)] AS probes,
       t.oid IS NOT NULL AS found,
       coalesce(p.partstrat::text, '') = 'h' AS by_hash,
       c.name,
       c.type,
       c.label,
       c.bytewise,
       c.stock
  FROM (SELECT to_regclass(CAST(:table AS text)) AS oid) AS t
  LEFT JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = t.oid
  LEFT JOIN LATERAL (
       SELECT coalesce(k.place, a.attnum) AS place,
              a.attname::text AS name,
              (WITH RECURSIVE domains AS (
                  SELECT y.oid, y.typbasetype FROM pg_catalog.pg_type AS y WHERE y.oid = a.atttypid
                   UNION ALL
                  SELECT y.oid, y.typbasetype
                    FROM domains AS d
                    JOIN pg_catalog.pg_type AS y ON y.oid = d.typbasetype)
               SELECT format_type(oid, NULL) FROM domains WHERE typbasetype = 0) AS type,
              EXISTS (SELECT FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = a.atttypid) AS label,
              coalesce(l.collisdeterministic, true) AS bytewise,
              NOT EXISTS (SELECT
                            FROM pg_catalog.pg_opclass AS o
                            JOIN pg_catalog.pg_amproc AS m ON m.amprocfamily = o.opcfamily
                            JOIN pg_catalog.pg_proc AS f ON f.oid = m.amproc
                           WHERE o.oid = k.class
                             AND m.amproclefttype = o.opcintype
                             AND m.amprocrighttype = o.opcintype
                             AND f.pronamespace <> 'pg_catalog'::regnamespace) AS stock
         FROM unnest(p.partattrs, p.partcollation, p.partclass)
              WITH ORDINALITY AS k (number, locale, class, place)
         FULL JOIN (SELECT * FROM pg_catalog.pg_attribute
                     WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped) AS a
              ON a.attnum = k.number
         LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = coalesce(k.locale, a.attcollation)
        WHERE CASE WHEN p.partstrat = 'h' THEN k.place IS NOT NULL
                   ELSE NOT l.collisdeterministic END) AS c ON true
 ORDER BY c.place

-- name: partitions
-- Every relation that is a partition; and what came down from a partitioned one: to the tables called
-- :declared their indexes and constraints, and to others the foreign keys that the server adds to a
-- table for each leaf of the one that it refers to.
SELECT 'table' AS kind, n.nspname::text AS schema, c.relname::text AS table, c.relname::text AS name
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'index', n.nspname, t.relname, c.relname
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
 WHERE c.relispartition AND t.relname = ANY (CAST(:declared AS text[]))
UNION ALL
SELECT CASE k.contype WHEN 'f' THEN 'foreign_key_constraint' ELSE 'unique_constraint' END,
       n.nspname, t.relname, k.conname
  FROM pg_catalog.pg_constraint AS k
  JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
 WHERE k.conparentid <> 0
   AND k.contype IN ('f', 'u')
   AND (NOT t.relispartition OR t.relname = ANY (CAST(:declared AS text[])))

-- name: tree
-- The partitioned table that is spelled :parent, with what is locked beside it; one row in any case.
-- lock_room is what the server promises of its lock table (manual, max_locks_per_transaction).
SELECT current_setting('server_version_num')::int / 10000 AS version,
       current_setting('max_locks_per_transaction')::int
       * (current_setting('max_connections')::int
          + current_setting('max_prepared_transactions')::int) AS lock_room,
       coalesce(c.relkind::text, '') AS kind,
       coalesce(n.nspname::text, '') AS schema,
       coalesce(c.relname::text, '') AS name,
       coalesce(pg_catalog.pg_get_partkeydef(c.oid), '') AS partition_by,
       ARRAY(SELECT coalesce(pg_catalog.format_type(a.atttypid, NULL), '')
               FROM pg_catalog.pg_partitioned_table AS p
               CROSS JOIN unnest(p.partattrs::int2[]) WITH ORDINALITY AS k (attnum, place)
               LEFT JOIN pg_catalog.pg_attribute AS a
                 ON a.attrelid = p.partrelid AND a.attnum = k.attnum AND k.attnum > 0
              WHERE p.partrelid = c.oid
              ORDER BY k.place) AS key_types,
       ARRAY(SELECT DISTINCT ARRAY[rn.nspname::text, r.relname::text]
               FROM pg_catalog.pg_constraint AS f
               JOIN pg_catalog.pg_class AS r ON r.oid = f.confrelid
               JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
              WHERE f.contype = 'f' AND f.conrelid = c.oid) AS referenced,
       ARRAY(SELECT DISTINCT ARRAY[rn.nspname::text, r.relname::text]
               FROM pg_catalog.pg_constraint AS f
               JOIN pg_catalog.pg_class AS r ON r.oid = f.conrelid
               JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
              WHERE f.contype = 'f' AND f.confrelid = c.oid AND f.conparentid = 0) AS referencing,
       ARRAY(SELECT ARRAY[t.tgname::text, p.prosrc]
               FROM pg_catalog.pg_trigger AS t
               JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
              WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                -- ROW, BEFORE, INSERT (src/include/catalog/pg_trigger.h)
                AND t.tgtype & 7 = 7) AS triggers,
       ARRAY(SELECT pg_catalog.pg_get_constraintdef(k.oid)
               FROM pg_catalog.pg_constraint AS k
              WHERE k.conrelid = c.oid AND k.contype = 'c') AS checks
  FROM (SELECT pg_catalog.to_regclass(CAST(:parent AS text)) AS oid) AS t
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.oid
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace

-- name: tree_leaves
-- The partitions of :parent, in the order of their oids.
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid), '') AS bound,
       i.inhdetachpending AS pending,
       c.relkind::text AS kind
  FROM pg_catalog.pg_inherits AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE i.inhparent = pg_catalog.to_regclass(CAST(:parent AS text))
 ORDER BY c.oid

-- name: tree_indexes
-- The indexes of :parent, with the names of the leaves that lack their part of it or have one that
-- is not valid.
SELECT n.nspname::text AS schema,
       x.relname::text AS name,
       p.indisvalid AS valid,
       pg_catalog.pg_get_indexdef(p.indexrelid) AS definition,
       ARRAY(SELECT ARRAY[ln.nspname::text, l.relname::text]
               FROM pg_catalog.pg_inherits AS i
               JOIN pg_catalog.pg_class AS l ON l.oid = i.inhrelid
               JOIN pg_catalog.pg_namespace AS ln ON ln.oid = l.relnamespace
              WHERE i.inhparent = p.indrelid
                AND NOT EXISTS (SELECT
                                  FROM pg_catalog.pg_index AS o
                                  JOIN pg_catalog.pg_inherits AS oi ON oi.inhrelid = o.indexrelid
                                 WHERE o.indrelid = l.oid
                                   AND o.indisvalid
                                   AND oi.inhparent = p.indexrelid)
              ORDER BY l.oid) AS lacking
  FROM pg_catalog.pg_index AS p
  JOIN pg_catalog.pg_class AS x ON x.oid = p.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace
 WHERE p.indrelid = pg_catalog.to_regclass(CAST(:parent AS text))
 ORDER BY x.relname

-- name: leaf_states
-- How the relations that are spelled :names stand to :parent: '' (there is none), 'attached',
-- 'pending' (half detached), 'free' (a table of its own), 'other' (a leaf of another parent, or no
-- table).
SELECT CASE WHEN c.oid IS NULL THEN ''
            WHEN i.inhdetachpending THEN 'pending'
            WHEN i.inhrelid IS NOT NULL THEN 'attached'
            WHEN c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition THEN 'free'
            ELSE 'other' END AS state
  FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS k (name, place)
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(k.name)
  LEFT JOIN pg_catalog.pg_inherits AS i
    ON i.inhrelid = c.oid
   AND i.inhparent = pg_catalog.to_regclass(CAST(:parent AS text))
 ORDER BY k.place

-- name: key_triggers
-- The tables PARTITION BY LIST of one integer column that a CHECK says is a hash, or for which a
-- trigger is named so; and what computes their key (KeyTrigger): of the partition for NULL, or the
-- default one, the BEFORE INSERT trigger that is its own, or one of the table's that is named so.
-- All of them, or that which the relation :relation (as SQL) is, or is a partition of.
-- tgtype: 1 row, 2 before, 4 insert (src/include/catalog/pg_trigger.h).
SELECT n.nspname::text AS schema,
       t.relname::text AS table,
       a.attname::text AS key,
       leaf.relname::text AS leaf,
       g.tgname::text AS trigger,
       CASE WHEN g.tgname IS NULL THEN CASE WHEN leaf.oid IS NULL THEN 'none' ELSE 'missing' END
            WHEN leaf.oid IS NULL THEN 'misplaced'
            WHEN g.tgenabled IN ('O', 'A') THEN 'enabled'
            ELSE 'disabled' END AS state,
       k.conname::text AS check
  FROM pg_catalog.pg_partitioned_table AS p
  JOIN pg_catalog.pg_class AS t ON t.oid = p.partrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = p.partattrs[0]
  LEFT JOIN LATERAL (
       SELECT c.oid, c.relname
         FROM pg_catalog.pg_inherits AS i
         JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = t.oid
          AND (c.oid = p.partdefid OR pg_catalog.pg_get_expr(c.relpartbound, c.oid) ~ '\mNULL\M')
        ORDER BY c.oid = p.partdefid
        LIMIT 1) AS leaf ON true
  LEFT JOIN LATERAL (
       SELECT r.tgname, r.tgenabled
         FROM pg_catalog.pg_trigger AS r
        WHERE r.tgrelid = coalesce(leaf.oid, t.oid)
          AND NOT r.tgisinternal
          AND r.tgtype & 7 = 7
          AND (r.tgname LIKE '%partition%' OR (r.tgrelid = leaf.oid AND r.tgparentid = 0))
        ORDER BY r.tgname LIKE '%partition%' DESC, r.tgname
        LIMIT 1) AS g ON true
  LEFT JOIN LATERAL (
       SELECT c.conname
         FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = t.oid
          AND c.contype = 'c'
          AND a.attnum = ANY (c.conkey)
          AND pg_catalog.pg_get_constraintdef(c.oid) ~ '\mhashtext'
        ORDER BY c.conname
        LIMIT 1) AS k ON true
 WHERE p.partstrat = 'l'
   AND p.partnatts = 1
   AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
   AND (k.conname IS NOT NULL OR g.tgname LIKE '%partition%')
   AND (CAST(:relation AS text) IS NULL
        OR t.oid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(
                                           pg_catalog.to_regclass(CAST(:relation AS text)))))
 ORDER BY 1, 2

-- name: valid_indexes
-- Those of :names, as SQL, that are valid indexes.
SELECT k.name
  FROM unnest(CAST(:names AS text[])) AS k (name)
  JOIN pg_catalog.pg_index AS i ON i.indexrelid = pg_catalog.to_regclass(k.name)
 WHERE i.indisvalid

-- name: unmatched_indexes
-- The indexes of :parent of which the table :leaf has none that is the same but for its name:
-- ATTACH would build them. What pg_get_indexdef puts before USING is taken off by its length.
WITH d AS (
  SELECT i.indrelid, i.indisvalid, i.indisunique, x.relname::text AS name,
         substr(pg_catalog.pg_get_indexdef(i.indexrelid),
                1 + length(concat('CREATE ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ',
                                  quote_ident(x.relname), ' ON ',
                                  CASE WHEN t.relkind = 'p' THEN 'ONLY ' END,
                                  quote_ident(n.nspname), '.', quote_ident(t.relname)))) AS rest
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
   WHERE i.indrelid IN (pg_catalog.to_regclass(CAST(:parent AS text)),
                        pg_catalog.to_regclass(CAST(:leaf AS text))))
SELECT p.name
  FROM d AS p
 WHERE p.indrelid = pg_catalog.to_regclass(CAST(:parent AS text))
   AND NOT EXISTS (SELECT
                     FROM d AS l
                    WHERE l.indrelid = pg_catalog.to_regclass(CAST(:leaf AS text))
                      AND l.indisvalid
                      AND l.indisunique = p.indisunique
                      AND l.rest = p.rest)
