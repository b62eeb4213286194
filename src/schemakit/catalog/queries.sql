-- name: server
-- What the runner must know of the server before it does anything.
SELECT current_setting('server_version_num')::int AS version_num,
       current_database()::text AS database,
       pg_is_in_recovery() AS in_recovery

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
