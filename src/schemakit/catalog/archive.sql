-- The queries about backups and their registry. Parameters as asyncpg has them; <registry> is a name.

-- name: source
-- The relation $1 of the schema $2, or of the first schema of the search_path that has it.
WITH RECURSIVE it AS (
  SELECT c.*
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
   WHERE c.relname = $1::text
     AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
              ELSE n.nspname = $2::text END
   LIMIT 1
), tree AS (
  SELECT it.oid, it.reltuples, it.relkind FROM it
  UNION ALL
  SELECT c.oid, c.reltuples, c.relkind
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relispartition
)
SELECT it.oid::bigint AS oid, n.nspname::text AS schema, it.relname::text AS name,
       it.relkind::text AS kind,
       (SELECT CASE WHEN bool_and(reltuples < 0) THEN -1
                    ELSE sum(greatest(reltuples, 0)) END
          FROM tree WHERE relkind <> 'p')::bigint AS rows,
       (SELECT coalesce(sum(pg_catalog.pg_table_size(oid)), 0) FROM tree)::bigint AS bytes,
       pg_catalog.pg_has_role(it.relowner, 'USAGE') AS owned,
       pg_catalog.has_table_privilege(it.oid, 'SELECT') AS readable,
       it.relpersistence::text AS persistence
  FROM it JOIN pg_catalog.pg_namespace AS n ON n.oid = it.relnamespace

-- name: elsewhere
-- The schemas that have a table $1.
SELECT n.nspname::text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relname = $1::text AND c.relkind IN ('r', 'p')
 ORDER BY 1

-- name: columns
-- The columns of the table $1. What users have made has an oid from 16384 on
-- (FirstNormalObjectId, src/include/access/transam.h); information_schema has its own types.
SELECT a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       t.oid >= 12000 AND t.typnamespace <> 'pg_catalog'::regnamespace AS own_type,
       coalesce(co.collnamespace <> 'pg_catalog'::regnamespace, false) AS own_collation,
       t.oid = ANY ('{bool,bytea,"\"char\"",name,int2,int4,int8,oid,text,varchar,uuid,date,time,timestamp,
                     timestamptz,jsonb,macaddr,macaddr8,pg_lsn,xid,cid}'::regtype[])
         AND coalesce(co.collisdeterministic, true) AS exact,
       coalesce(array_position(pk.indkey::int2[], a.attnum) + 1, 0) AS key,
       coalesce((SELECT format('%I.%I', f.pronamespace::regnamespace, f.proname)
                   FROM pg_catalog.pg_opclass AS oc
                   JOIN pg_catalog.pg_am AS am ON am.oid = oc.opcmethod AND am.amname = 'hash'
                   JOIN pg_catalog.pg_amproc AS ap
                     ON ap.amprocfamily = oc.opcfamily AND ap.amproclefttype = oc.opcintype
                    AND ap.amprocrighttype = oc.opcintype AND ap.amprocnum = 2
                   JOIN pg_catalog.pg_proc AS f
                     ON f.oid = ap.amproc AND f.proargtypes[0] = oc.opcintype
                  WHERE oc.opcdefault
                    AND oc.opcintype = CASE WHEN t.oid = 'varchar'::regtype THEN 'text'::regtype
                                            ELSE t.oid END), '') AS hash,
       a.attgenerated <> '' AS generated
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation
  LEFT JOIN pg_catalog.pg_index AS pk ON pk.indrelid = a.attrelid AND pk.indisprimary
 WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum

-- name: places
-- What there is of the registry in the schema $1. By the catalog: to_regclass() needs a right on
-- the schema. The reference's table is told by its seven columns.
SELECT n.oid IS NOT NULL AS schema,
       c.oid IS NOT NULL AS table,
       legacy.oid IS NOT NULL AS legacy,
       coalesce(pg_catalog.pg_has_role(legacy.relowner, 'USAGE'), false) AS adoptable,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create,
       coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE')
                AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) AS usable,
       ARRAY(SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC'
                             ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
               FROM pg_catalog.aclexplode(n.nspacl) AS a
              WHERE a.grantee <> n.nspowner ORDER BY 1) AS others,
       pg_catalog.clock_timestamp() AS now
  FROM (SELECT) AS one
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = $1::text
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
       AND c.relname = 'migration_backups' AND c.relkind = 'r'
  LEFT JOIN LATERAL (
    SELECT l.oid, l.relowner
      FROM pg_catalog.pg_class AS l
     WHERE l.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
       AND l.relname = 'migration_backups' AND l.relkind = 'r'
       AND pg_catalog.has_table_privilege(l.oid, 'SELECT')
       AND (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname)
              FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped)
           = ARRAY['backup_table_name', 'created_at', 'id', 'migration_revision',
                   'original_table_name', 'record_count', 'retention_until']
  ) AS legacy ON true

-- name: names_taken
-- The names of relations in the schema $1, and of schemas, that begin with $2.
SELECT taken.name
  FROM (SELECT (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1::text)) AS place (oid)
 CROSS JOIN LATERAL (
    SELECT relname::text AS name FROM pg_catalog.pg_class WHERE relnamespace = place.oid
    UNION ALL
    SELECT typname::text FROM pg_catalog.pg_type WHERE typnamespace = place.oid
    UNION ALL
    SELECT nspname::text FROM pg_catalog.pg_namespace
  ) AS taken
 WHERE pg_catalog.starts_with(taken.name, $2::text)

-- name: names_kept
-- The names in the registry that begin with $1.
SELECT backup_table_name FROM <registry> WHERE pg_catalog.starts_with(backup_table_name, $1::text)

-- name: backups
-- The backups of the registry; $1 is a name or NULL for all. Where the registry has another oid than
-- it had when the backup was noted, the database comes from a dump: there oids say nothing, and names
-- do.
SELECT b.id, b.backup_table_name AS name, b.kind, b.original_schema,
       b.original_table_name AS original_name, b.backup_schema AS relation_schema,
       b.relation_name, coalesce(c.oid, b.backup_oid)::bigint AS oid, b.record_count AS rows,
       b.rows_exact AS exact, b.bytes, b.created_at AS created, b.retention_until AS kept_until,
       b.migration_revision AS revision, b.reason, b."user", b.role, b.host, b.application_name,
       b.schemakit, CASE WHEN NOT here.transplanted THEN b.seal END AS seal, b.digest,
       b.verified_at AS verified, c.oid IS NOT NULL AS there, here.transplanted,
       ARRAY(SELECT jsonb_array_elements_text(b.manifest -> 'columns')) AS columns,
       coalesce((b.manifest ->> 'part')::boolean, false) AS part,
       pg_catalog.clock_timestamp() AS read
  FROM <registry> AS b
 CROSS JOIN LATERAL (SELECT b.registry_oid NOT IN (0, b.tableoid)) AS here (transplanted)
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = b.backup_schema
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = b.relation_name
       AND (b.backup_oid IN (0, c.oid) OR here.transplanted)
 WHERE $1::text IS NULL OR b.backup_table_name = $1::text

-- name: legacy_backups
-- The same of the reference's table, as it will be adopted; $1 is a name or NULL for all.
SELECT 0::bigint AS id, b.backup_table_name::text AS name, 'copy' AS kind,
       'public' AS original_schema, b.original_table_name::text AS original_name,
       'public' AS relation_schema, b.backup_table_name::text AS relation_name, 0::bigint AS oid,
       b.record_count::bigint AS rows, true AS exact, 0::bigint AS bytes,
       coalesce(b.created_at, 'epoch') AS created, b.retention_until AS kept_until,
       b.migration_revision::text AS revision, NULL AS reason, '' AS "user", '' AS role,
       '' AS host, '' AS application_name, '' AS schemakit, NULL AS seal, NULL AS digest,
       NULL::timestamptz AS verified,
       EXISTS (
         SELECT FROM pg_catalog.pg_class AS c
          WHERE c.relname = b.backup_table_name AND c.relkind = 'r'
            AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
       ) AS there,
       false AS transplanted, '{}'::text[] AS columns, false AS part,
       pg_catalog.clock_timestamp() AS read
  FROM public.migration_backups AS b
 WHERE $1::text IS NULL OR b.backup_table_name = $1::text

-- name: manifest
-- What was noted of the backup $1 when it was made.
SELECT manifest::text FROM <registry> WHERE id = $1::bigint

-- name: strangers
-- Those of the roles $1 whose rights the role has not.
SELECT rolname::text FROM pg_catalog.pg_roles
 WHERE rolname = ANY ($1::text[]) AND NOT pg_catalog.pg_has_role(oid, 'USAGE')
 ORDER BY 1

-- name: unreferable
-- The rights that making the foreign keys of the tables $1 (those of the columns $2, if that is not null) takes
-- and the role has not. A key to a partitioned table has a row for each of its partitions, which need none.
WITH k AS (
  SELECT k.*, c.relname, c.relnamespace
    FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.confrelid
   WHERE k.contype = 'f' AND k.conrelid = ANY ($1::text[]::oid[])
     AND k.confrelid <> ALL ($1::text[]::oid[])
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS p
                      WHERE p.oid = k.conparentid AND p.conrelid = k.conrelid)
     AND ($2::text[] IS NULL
          OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                      WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                        AND a.attname = ANY ($2::text[])))
)
SELECT DISTINCT format('REFERENCES on %s.%s', k.relnamespace::regnamespace, quote_ident(k.relname))
  FROM k
 WHERE NOT pg_catalog.has_table_privilege(k.confrelid, 'REFERENCES')
   AND NOT (SELECT bool_and(pg_catalog.has_column_privilege(k.confrelid, a, 'REFERENCES'))
              FROM unnest(k.confkey) AS a)
 UNION
SELECT format('USAGE on the schema %s', k.relnamespace::regnamespace)
  FROM k WHERE NOT pg_catalog.has_schema_privilege(k.relnamespace, 'USAGE')
 ORDER BY 1

-- name: files
-- The files of the tables $1, by their oids. As text, whose arrays asyncpg knows: of those of bigint it
-- asks the server first, in four round trips.
SELECT oid::bigint, pg_catalog.pg_relation_filenode(oid)::bigint
  FROM pg_catalog.pg_class WHERE oid = ANY ($1::text[]::oid[])

-- name: outsiders
-- What depends on what lies in the schemas $1, and lies elsewhere itself.
WITH places AS (
  SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[])
), inside (classid, objid) AS (
  SELECT 'pg_class'::regclass::oid, oid FROM pg_catalog.pg_class
   WHERE relnamespace IN (SELECT oid FROM places)
  UNION ALL
  SELECT 'pg_proc'::regclass, oid FROM pg_catalog.pg_proc
   WHERE pronamespace IN (SELECT oid FROM places)
  UNION ALL
  SELECT 'pg_type'::regclass, oid FROM pg_catalog.pg_type
   WHERE typnamespace IN (SELECT oid FROM places)
), depending AS (
  SELECT d.classid, d.objid, d.objsubid,
         CASE d.classid
           WHEN 'pg_rewrite'::regclass THEN
             (SELECT ev_class FROM pg_catalog.pg_rewrite WHERE oid = d.objid)
           WHEN 'pg_constraint'::regclass THEN
             (SELECT conrelid FROM pg_catalog.pg_constraint WHERE oid = d.objid)
           WHEN 'pg_trigger'::regclass THEN
             (SELECT tgrelid FROM pg_catalog.pg_trigger WHERE oid = d.objid)
           WHEN 'pg_attrdef'::regclass THEN
             (SELECT adrelid FROM pg_catalog.pg_attrdef WHERE oid = d.objid)
           WHEN 'pg_policy'::regclass THEN
             (SELECT polrelid FROM pg_catalog.pg_policy WHERE oid = d.objid)
           WHEN 'pg_class'::regclass THEN d.objid
         END AS relation
    FROM pg_catalog.pg_depend AS d
    JOIN inside AS i ON i.classid = d.refclassid AND i.objid = d.refobjid
   WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass,
                       'pg_attrdef'::regclass, 'pg_policy'::regclass, 'pg_class'::regclass)
      OR d.classid IN ('pg_proc'::regclass, 'pg_type'::regclass)
     AND NOT EXISTS (SELECT FROM inside AS p WHERE p.classid = d.classid AND p.objid = d.objid)
)
SELECT DISTINCT pg_catalog.pg_describe_object(classid, objid, objsubid)
  FROM depending
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = depending.relation
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE classid IN ('pg_proc'::regclass, 'pg_type'::regclass)
    OR (c.relnamespace NOT IN (SELECT oid FROM places) AND n.nspname <> 'pg_toast')
 ORDER BY 1

-- name: away
-- Those of the types and functions $1 (of the kinds $2) that lie in a schema with the comment $4; and
-- what is called $3, as they were, in their stead. An array stands for the type of its elements, a
-- composite type's columns and a domain's checks for the type.
WITH asked AS (
  SELECT a.oid::oid AS oid, a.identity,
         CASE WHEN a.kind IN ('type', 'domain') THEN 'pg_catalog.pg_type'::regclass
              ELSE 'pg_catalog.pg_proc'::regclass END AS classid
    FROM unnest($1::text[], $2::text[], $3::text[]) AS a (oid, kind, identity)
), found AS MATERIALIZED (
  SELECT asked.classid, asked.oid, n.nspname::text AS place,
         CASE WHEN asked.classid = 'pg_catalog.pg_type'::regclass
              THEN pg_catalog.to_regtype(asked.identity)::oid
              -- to_regprocedure() fails where a type of an argument is not there (until 15)
              ELSE (SELECT other.oid
                      FROM pg_catalog.pg_proc AS other
                     CROSS JOIN LATERAL pg_catalog.pg_identify_object(
                           asked.classid, other.oid, 0) AS o
                     WHERE other.proname = p.proname AND o.identity = asked.identity) END AS twin
    FROM asked
    LEFT JOIN pg_catalog.pg_type AS t
      ON asked.classid = 'pg_catalog.pg_type'::regclass AND t.oid = asked.oid
    LEFT JOIN pg_catalog.pg_proc AS p
      ON asked.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = asked.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = coalesce(t.typnamespace, p.pronamespace)
   WHERE pg_catalog.obj_description(n.oid, 'pg_namespace') = $4::text
), users AS MATERIALIZED (
  SELECT f.twin, d.classid, d.objid, d.objsubid, other.twin AS by
    FROM found AS f
    CROSS JOIN LATERAL (
      SELECT f.twin
       UNION ALL
      SELECT typarray FROM pg_catalog.pg_type
       WHERE f.classid = 'pg_catalog.pg_type'::regclass AND oid = f.twin AND typarray <> 0
    ) AS spelling (oid)
    JOIN pg_catalog.pg_depend AS d
      ON d.refclassid = f.classid AND d.refobjid = spelling.oid AND d.deptype IN ('n', 'a')
    LEFT JOIN pg_catalog.pg_class AS c
      ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'c'
    LEFT JOIN pg_catalog.pg_constraint AS con
      ON d.classid = 'pg_catalog.pg_constraint'::regclass AND con.oid = d.objid
    LEFT JOIN found AS other
      ON other.twin = coalesce(nullif(c.reltype, 0), nullif(con.contypid, 0), d.objid)
)
SELECT f.oid::bigint AS oid, f.place,
       ARRAY(SELECT enumlabel::text FROM pg_catalog.pg_enum
              WHERE enumtypid = f.oid ORDER BY enumsortorder) AS labels,
       f.twin::bigint AS twin,
       ARRAY(SELECT enumlabel::text FROM pg_catalog.pg_enum
              WHERE enumtypid = f.twin ORDER BY enumsortorder) AS twin_labels,
       CASE WHEN f.classid = 'pg_catalog.pg_proc'::regclass
            THEN pg_catalog.pg_get_functiondef(f.twin) END AS twin_definition,
       ARRAY(SELECT DISTINCT pg_catalog.pg_describe_object(u.classid, u.objid, u.objsubid)
               FROM users AS u WHERE u.twin = f.twin AND u.by IS NULL ORDER BY 1) AS users,
       ARRAY(SELECT DISTINCT u.by::bigint
               FROM users AS u WHERE u.twin = f.twin AND u.by <> f.twin) AS used_by
  FROM found AS f

-- name: given_to_backups
-- The schemas that have the comment $1.
SELECT nspname::text FROM pg_catalog.pg_namespace
 WHERE pg_catalog.obj_description(oid, 'pg_namespace') = $1::text

-- name: archived
-- What looks like a backup: tables in the schema $1, and schemas of their own.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relname::text AS called
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname ~ '_backup_\d{8}_\d{6}(_n\d+)?$'
UNION ALL
SELECT nspname::text, '', nspname::text
  FROM pg_catalog.pg_namespace
 WHERE nspname ~ '_backup_\d{8}_\d{6}(_n\d+)?$'
   AND pg_catalog.obj_description(oid, 'pg_namespace') = 'schemakit backup'
 ORDER BY 1, 2

-- name: leaves
-- The tables that hold the rows of $1: itself or its partitions, and what else inherits from it.
WITH RECURSIVE tree AS (
  SELECT c.oid, c.relkind, c.relnamespace, c.relname, false AS heir
    FROM pg_catalog.pg_class AS c WHERE c.oid = $1::bigint::oid
  UNION
  SELECT c.oid, c.relkind, c.relnamespace, c.relname, NOT c.relispartition
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
)
SELECT n.nspname::text AS schema, t.relname::text AS name, t.heir
  FROM tree AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
 WHERE t.relkind IN ('r', 'f')
 ORDER BY t.oid

-- name: portable
-- The columns of the table $1, each with whether it only means the same elsewhere as text: types of
-- users, those that hold an oid of this database, and those without a binary form.
SELECT a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       t.oid >= 12000 AND t.typnamespace <> 'pg_catalog'::regnamespace
         OR e.typsend = 0
         OR e.oid IN ('regproc'::regtype, 'regprocedure'::regtype, 'regoper'::regtype,
                      'regoperator'::regtype, 'regclass'::regtype, 'regtype'::regtype,
                      'regconfig'::regtype, 'regdictionary'::regtype, 'regnamespace'::regtype,
                      'regrole'::regtype, 'regcollation'::regtype) AS as_text
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
  JOIN pg_catalog.pg_type AS e
       ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END
 WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum

-- name: absent
-- Which of the things of the kinds $1, in the schemas $2, of the names $3 are not there: their places.
SELECT w.place
  FROM unnest($1::text[], $2::text[], $3::text[])
       WITH ORDINALITY AS w (kind, schema, name, place)
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
 WHERE NOT CASE
       WHEN w.kind = 'schema'
       THEN EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = w.name)
       WHEN w.kind = 'role'
       THEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = w.name)
       WHEN w.kind = 'tablespace'
       THEN EXISTS (SELECT FROM pg_catalog.pg_tablespace WHERE spcname = w.name)
       WHEN w.kind = 'extension'
       THEN EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = w.name)
       WHEN w.kind = 'publication'
       THEN EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = w.name)
       WHEN w.kind = 'table'
       THEN EXISTS (SELECT FROM pg_catalog.pg_class
                     WHERE relnamespace = n.oid AND relname = w.name AND relkind IN ('r', 'p', 'f'))
       WHEN w.kind = 'type'
       THEN EXISTS (SELECT FROM pg_catalog.pg_type AS x, pg_catalog.pg_identify_object(
                           'pg_catalog.pg_type'::regclass, x.oid, 0) AS o
                     WHERE x.typnamespace = n.oid AND o.identity = w.name)
       WHEN w.kind IN ('function', 'procedure', 'aggregate')
       THEN EXISTS (SELECT FROM pg_catalog.pg_proc AS x, pg_catalog.pg_identify_object(
                           'pg_catalog.pg_proc'::regclass, x.oid, 0) AS o
                     WHERE x.pronamespace = n.oid AND o.identity = w.name)
       WHEN w.kind = 'collation'
       THEN EXISTS (SELECT FROM pg_catalog.pg_collation AS x, pg_catalog.pg_identify_object(
                           'pg_catalog.pg_collation'::regclass, x.oid, 0) AS o
                     WHERE x.collnamespace = n.oid AND o.identity = w.name)
       WHEN w.kind = 'operator'
       THEN EXISTS (SELECT FROM pg_catalog.pg_operator AS x, pg_catalog.pg_identify_object(
                           'pg_catalog.pg_operator'::regclass, x.oid, 0) AS o
                     WHERE x.oprnamespace = n.oid AND o.identity = w.name)
       ELSE true
       END
 ORDER BY w.place

-- name: unreadable
-- Which of the types $1 are not there.
SELECT t.name FROM pg_catalog.unnest($1::text[]) AS t (name)
 WHERE pg_catalog.to_regtype(t.name) IS NULL
