-- The portrait of a table. The blocks below are put together, by UNION ALL, into one statement that
-- begins with the blocks `tree`, `parts` and `walks`, or `tree` and `alone`, so that everything is read in one round trip and of one
-- moment. Before it goes `look`, by which blocks are left out: where others may tie something to the
-- table between the two, they may as well do so after them.
-- Each row: the block's name, the oid of the relation that it belongs to (0: the portrait itself), a
-- place in an order, and a JSON object whose keys are the fields of the value in `portrait.py`.
-- A line that ends in "-- from 15" is for PostgreSQL 15 and newer, one in "-- until 14" for older.
-- Read with the settings of `pinned` alone: what the server writes as SQL depends on them.

-- name: tree
-- The table with its partitions (with :heirs, also what inherits from it otherwise), and whatever
-- depends on them, directly or not: each with the longest way to it, as an order in which they can
-- be made.
WITH RECURSIVE descent (oid, level) AS (
  SELECT CAST(CAST(:oid AS bigint) AS oid), 0
   UNION ALL
  SELECT i.inhrelid, descent.level + 1
    FROM descent
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = descent.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
     AND (c.relispartition OR CAST(:heirs AS bool))
),
-- Of several parents, from which a table may inherit, the lowest one counts.
tree (oid, level) AS MATERIALIZED (
  SELECT oid, max(level) FROM descent GROUP BY oid
)

-- name: parts
-- What goes where the tables of the tree go.
,
row_type (oid, relation) AS MATERIALIZED (
  SELECT k.oid, c.oid
    FROM tree
    JOIN pg_catalog.pg_class AS c USING (oid)
    JOIN pg_catalog.pg_type AS t ON t.oid = c.reltype
    CROSS JOIN LATERAL (VALUES (t.oid), (t.typarray)) AS k (oid)
   WHERE k.oid <> 0
),
part (classid, objid) AS MATERIALIZED (
  SELECT 'pg_catalog.pg_class'::regclass::oid, oid FROM tree
   UNION ALL
  SELECT 'pg_catalog.pg_type'::regclass, oid FROM row_type
   UNION ALL
  SELECT 'pg_catalog.pg_class'::regclass, i.indexrelid
    FROM tree JOIN pg_catalog.pg_index AS i ON i.indrelid = tree.oid
   UNION ALL
  SELECT 'pg_catalog.pg_attrdef'::regclass, d.oid
    FROM tree JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = tree.oid
   UNION ALL
  SELECT 'pg_catalog.pg_constraint'::regclass, con.oid
    FROM tree JOIN pg_catalog.pg_constraint AS con ON con.conrelid = tree.oid
   UNION ALL
  SELECT 'pg_catalog.pg_trigger'::regclass, t.oid
    FROM tree JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = tree.oid
   UNION ALL
  SELECT 'pg_catalog.pg_policy'::regclass, p.oid
    FROM tree JOIN pg_catalog.pg_policy AS p ON p.polrelid = tree.oid
   UNION ALL
  SELECT 'pg_catalog.pg_rewrite'::regclass, r.oid
    FROM tree JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = tree.oid
   UNION ALL
  SELECT 'pg_catalog.pg_statistic_ext'::regclass, s.oid
    FROM tree JOIN pg_catalog.pg_statistic_ext AS s ON s.stxrelid = tree.oid
   UNION ALL
  SELECT d.classid, d.objid
    FROM tree
    CROSS JOIN LATERAL (
      SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d
       WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = tree.oid
         AND d.refobjsubid <> 0 AND d.classid = 'pg_catalog.pg_class'::regclass
         AND d.deptype IN ('a', 'i') OFFSET 0) AS d
    JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind = 'S'
)

-- name: look
-- Whether anything may depend on the parts, and whether they may need anything: sure only if not.
-- And in which catalogs there is something to look for.
SELECT EXISTS (
         SELECT FROM part
           JOIN pg_catalog.pg_depend AS d
             ON d.refclassid = part.classid AND d.refobjid = part.objid
            AND d.deptype IN ('n', 'a', 'i')
           LEFT JOIN pg_catalog.pg_class AS c
             ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
          WHERE coalesce(c.relkind <> 't', true)
            AND NOT EXISTS (SELECT FROM part AS own WHERE own.classid = d.classid
                                                      AND own.objid = d.objid)),
       EXISTS (
         SELECT FROM part
           JOIN pg_catalog.pg_depend AS d
             ON d.classid = part.classid AND d.objid = part.objid AND d.deptype IN ('n', 'a')
            AND d.refobjid >= 16384 AND d.refclassid <> 'pg_catalog.pg_namespace'::regclass
          WHERE NOT EXISTS (SELECT FROM part AS own WHERE own.classid = d.refclassid
                                                      AND own.objid = d.refobjid)),
       ARRAY(SELECT c.relname::text
               FROM part JOIN pg_catalog.pg_class AS c ON c.oid = part.classid
              UNION SELECT 'pg_publication' FROM pg_catalog.pg_publication
              UNION SELECT 'pg_inherits' FROM tree WHERE level > 0)

-- name: alone
-- The same as `parts` and `walks`, of a tree that nothing is tied to and that needs nothing.
,
part (classid, objid) AS (SELECT CAST(0 AS oid), CAST(0 AS oid) WHERE false),
dependent (classid, objid, depth) AS (SELECT CAST(0 AS oid), CAST(0 AS oid), 0 WHERE false),
outward (classid, objid) AS (SELECT CAST(0 AS oid), CAST(0 AS oid) WHERE false),
shown (oid, level, depth) AS MATERIALIZED (SELECT oid, level, 0 FROM tree)

-- name: walks
,
walk (classid, objid, depth) AS (
  SELECT classid, objid, 0 FROM part
   UNION ALL
  SELECT whole.classid, whole.objid, walk.depth + 1
    FROM walk
    -- OFFSET 0, here and below: by the index, whatever the planner expects of the recursion.
    CROSS JOIN LATERAL (
      SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d
       WHERE d.refclassid = walk.classid AND d.refobjid = walk.objid
         AND d.deptype IN ('n', 'a', 'i') OFFSET 0) AS d
    LEFT JOIN pg_catalog.pg_rewrite AS r
      ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
    -- A rule stands for its view, a view for its row type too; a default, an index or an internal
    -- trigger for nothing that could be lost by itself.
    CROSS JOIN LATERAL (
      SELECT d.classid, d.objid WHERE r.oid IS NULL
       UNION ALL
      SELECT 'pg_catalog.pg_class'::regclass, r.ev_class WHERE r.oid IS NOT NULL
    ) AS whole
   WHERE NOT EXISTS (SELECT FROM part WHERE part.classid = whole.classid
                                        AND part.objid = whole.objid)
     AND NOT (whole.classid = walk.classid AND whole.objid = walk.objid)
     -- A table that inherits goes on without its parent.
     AND NOT (d.classid = 'pg_catalog.pg_class'::regclass
              AND EXISTS (SELECT FROM pg_catalog.pg_inherits
                           WHERE inhrelid = d.objid AND inhparent = walk.objid))
) CYCLE classid, objid SET looped USING path,
dependent (classid, objid, depth) AS MATERIALIZED (
  SELECT classid, objid, max(depth)
    FROM walk
   WHERE depth > 0 AND NOT looped
   GROUP BY classid, objid
),
-- Parts of the tree that need relations which do not depend on it.
outward (classid, objid) AS MATERIALIZED (
  SELECT DISTINCT part.classid, part.objid
    FROM part
    CROSS JOIN LATERAL (
      SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend AS d
       WHERE d.classid = part.classid AND d.objid = part.objid AND d.deptype IN ('n', 'a')
         AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid >= 16384
      OFFSET 0) AS d
   WHERE part.classid IN ('pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_trigger'::regclass,
                          'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_rewrite'::regclass)
     AND NOT EXISTS (SELECT FROM part AS own WHERE own.classid = d.refclassid
                                               AND own.objid = d.refobjid)
     AND NOT EXISTS (SELECT FROM dependent AS along WHERE along.classid = d.refclassid
                                                      AND along.objid = d.refobjid)
),
-- What the parts need of what users have made, and what that needs in turn; an array stands for the
-- type of its elements.
reach (classid, objid, depth) AS (
  SELECT part.classid, part.objid, 0 FROM part
   UNION
  SELECT d.refclassid,
         CASE WHEN t.typelem <> 0 AND t.typcategory = 'A' THEN t.typelem ELSE d.refobjid END,
         reach.depth + 1
    FROM reach
    CROSS JOIN LATERAL (
      SELECT reach.classid, reach.objid
       UNION ALL
      SELECT 'pg_catalog.pg_class'::regclass, typrelid FROM pg_catalog.pg_type
       WHERE reach.classid = 'pg_catalog.pg_type'::regclass AND reach.depth > 0
         AND oid = reach.objid AND typrelid <> 0
       UNION ALL
      SELECT 'pg_catalog.pg_constraint'::regclass, oid FROM pg_catalog.pg_constraint
       WHERE reach.classid = 'pg_catalog.pg_type'::regclass AND reach.depth > 0
         AND contypid = reach.objid
    ) AS carrier (classid, objid)
    CROSS JOIN LATERAL (
      SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend AS d
       WHERE d.classid = carrier.classid AND d.objid = carrier.objid AND d.deptype = 'n'
         AND d.refobjid >= 16384 AND d.refclassid <> 'pg_catalog.pg_namespace'::regclass
      OFFSET 0) AS d
    LEFT JOIN pg_catalog.pg_type AS t
      ON d.refclassid = 'pg_catalog.pg_type'::regclass AND t.oid = d.refobjid
   WHERE reach.depth < 20
     AND (reach.depth = 0 OR reach.classid IN ('pg_catalog.pg_type'::regclass,
                                               'pg_catalog.pg_proc'::regclass))
),
needed (classid, objid, depth) AS MATERIALIZED (
  SELECT reach.classid, reach.objid, max(reach.depth)
    FROM reach
    LEFT JOIN pg_catalog.pg_class AS c
      ON reach.classid = 'pg_catalog.pg_class'::regclass AND c.oid = reach.objid
   WHERE reach.depth > 0
     AND coalesce(c.relkind NOT IN ('i', 'I'), true)
     AND NOT EXISTS (SELECT FROM part WHERE part.classid = reach.classid
                                        AND part.objid = reach.objid)
   GROUP BY reach.classid, reach.objid
),
-- Who needs that, with the schema he lies in: what a domain's check or a composite type's column
-- needs, the type does.
users (needclass, need, classid, objid, schema) AS MATERIALIZED (
  SELECT n.classid, n.objid,
         CASE WHEN coalesce(c.reltype, con.contypid, 0) <> 0 THEN 'pg_catalog.pg_type'::regclass
              ELSE d.classid END,
         CASE WHEN c.reltype <> 0 THEN c.reltype
              WHEN con.contypid <> 0 THEN con.contypid ELSE d.objid END,
         coalesce(r.relnamespace, con.connamespace, p.pronamespace, t.typnamespace)
    FROM needed AS n
    CROSS JOIN LATERAL (
      SELECT n.objid
       UNION ALL
      SELECT typarray FROM pg_catalog.pg_type
       WHERE n.classid = 'pg_catalog.pg_type'::regclass AND oid = n.objid AND typarray <> 0
    ) AS spelling (objid)
    CROSS JOIN LATERAL (
      SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d
       WHERE d.refclassid = n.classid AND d.refobjid = spelling.objid
         AND d.deptype IN ('n', 'a') OFFSET 0) AS d
    LEFT JOIN pg_catalog.pg_class AS c
      ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'c'
    LEFT JOIN pg_catalog.pg_constraint AS con
      ON d.classid = 'pg_catalog.pg_constraint'::regclass AND con.oid = d.objid
    LEFT JOIN pg_catalog.pg_proc AS p
      ON d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid
    LEFT JOIN pg_catalog.pg_type AS t
      ON d.classid = 'pg_catalog.pg_type'::regclass AND t.oid = d.objid
    LEFT JOIN pg_catalog.pg_class AS r ON r.oid = CASE d.classid
      WHEN 'pg_catalog.pg_class'::regclass THEN d.objid
      WHEN 'pg_catalog.pg_attrdef'::regclass
        THEN (SELECT adrelid FROM pg_catalog.pg_attrdef WHERE oid = d.objid)
      WHEN 'pg_catalog.pg_trigger'::regclass
        THEN (SELECT tgrelid FROM pg_catalog.pg_trigger WHERE oid = d.objid)
      WHEN 'pg_catalog.pg_policy'::regclass
        THEN (SELECT polrelid FROM pg_catalog.pg_policy WHERE oid = d.objid)
      WHEN 'pg_catalog.pg_rewrite'::regclass
        THEN (SELECT ev_class FROM pg_catalog.pg_rewrite WHERE oid = d.objid) END
),
shown (oid, level, depth) AS MATERIALIZED (
  SELECT oid, level, 0 FROM tree
   UNION ALL
  SELECT d.objid, 0, d.depth
    FROM dependent AS d
    JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind IN ('v', 'm')
   WHERE d.classid = 'pg_catalog.pg_class'::regclass
)

-- name: relations
-- The tables of the tree, from the top, and the views that depend on them.
SELECT c.oid,
       row_number() OVER (ORDER BY shown.depth, shown.level, n.nspname, c.relname)::int,
       jsonb_build_object(
         'schema', n.nspname, 'name', c.relname, 'oid', c.oid::bigint, 'kind', c.relkind,
         'depth', shown.depth,
         'owner', pg_catalog.pg_get_userbyid(c.relowner),
         'acl', c.relacl::text[],
         'persistence', c.relpersistence,
         'tablespace', (SELECT spcname FROM pg_catalog.pg_tablespace WHERE oid = c.reltablespace),
         'access_method', (SELECT amname FROM pg_catalog.pg_am WHERE oid = c.relam),
         'options', coalesce(c.reloptions, '{}'),
         'toast_options', coalesce((SELECT reloptions FROM pg_catalog.pg_class
                                     WHERE oid = c.reltoastrelid), '{}'),
         'replica_identity', c.relreplident,
         'row_security', c.relrowsecurity, 'force_row_security', c.relforcerowsecurity,
         'of_type', CASE WHEN c.reloftype <> 0
                         THEN pg_catalog.format_type(c.reloftype, NULL) END,
         'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
         'security_labels', coalesce(
           (SELECT jsonb_agg(jsonb_build_object(
                     'provider', l.provider, 'label', l.label,
                     'column', (SELECT attname FROM pg_catalog.pg_attribute
                                 WHERE attrelid = l.objoid AND attnum = l.objsubid
                                   AND l.objsubid <> 0)) ORDER BY l.objsubid, l.provider)
              FROM pg_catalog.pg_seclabel AS l
             WHERE l.classoid = 'pg_catalog.pg_class'::regclass AND l.objoid = c.oid), '[]'),
         'parents', coalesce(
           (SELECT jsonb_agg(jsonb_build_object('schema', pn.nspname, 'name', p.relname)
                             ORDER BY i.inhseqno)
              FROM pg_catalog.pg_inherits AS i
              JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
              JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
             WHERE i.inhrelid = c.oid), '[]'),
         'bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
         'detach_pending', EXISTS (SELECT FROM pg_catalog.pg_inherits
                                    WHERE inhrelid = c.oid AND inhdetachpending),
         'partition_key', CASE WHEN c.relkind = 'p'
                               THEN pg_catalog.pg_get_partkeydef(c.oid) END,
         'definition', CASE WHEN c.relkind IN ('v', 'm')
                            THEN pg_catalog.pg_get_viewdef(c.oid) END,
         'populated', c.relispopulated,
         'entangled', c.relkind IN ('v', 'm') AND EXISTS (
           SELECT FROM pg_catalog.pg_rewrite AS r
             JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass
              AND d.objid = r.oid AND d.refobjid >= 16384 AND d.refobjid <> c.oid
            WHERE r.ev_class = c.oid
              AND d.refclassid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass,
                                   'pg_catalog.pg_operator'::regclass)
              AND NOT EXISTS (SELECT FROM part WHERE part.classid = d.refclassid
                                                 AND part.objid = d.refobjid)
              AND NOT EXISTS (SELECT FROM dependent AS along WHERE along.classid = d.refclassid
                                                               AND along.objid = d.refobjid)),
         'server', (SELECT s.srvname FROM pg_catalog.pg_foreign_table AS ft
                      JOIN pg_catalog.pg_foreign_server AS s ON s.oid = ft.ftserver
                     WHERE ft.ftrelid = c.oid),
         'server_options', coalesce((SELECT ftoptions FROM pg_catalog.pg_foreign_table
                                      WHERE ftrelid = c.oid), '{}'))
  FROM shown
  JOIN pg_catalog.pg_class AS c USING (oid)
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace

-- name: columns
SELECT a.attrelid,
       a.attnum::int,
       jsonb_build_object(
         'name', a.attname,
         'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
         'collation', CASE WHEN a.attcollation <> t.typcollation
                           THEN (SELECT format('%I.%I', n.nspname, co.collname)
                                   FROM pg_catalog.pg_collation AS co
                                   JOIN pg_catalog.pg_namespace AS n ON n.oid = co.collnamespace
                                  WHERE co.oid = a.attcollation) END,
         'not_null', a.attnotnull,
         'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
         'entangled', EXISTS (SELECT FROM outward
                               WHERE classid = 'pg_catalog.pg_attrdef'::regclass AND objid = d.oid),
         'generated', a.attgenerated, 'identity', a.attidentity,
         'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END,
         'compression', a.attcompression,
         'statistics', nullif(a.attstattarget, -1),
         'options', coalesce(a.attoptions, '{}'),
         'server_options', coalesce(a.attfdwoptions, '{}'),
         'comment', pg_catalog.col_description(a.attrelid, a.attnum),
         'acl', a.attacl::text[],
         'local', a.attislocal, 'inherited', a.attinhcount)
  FROM shown
  CROSS JOIN LATERAL (
    SELECT * FROM pg_catalog.pg_attribute
     WHERE attrelid = shown.oid AND attnum > 0 AND NOT attisdropped OFFSET 0) AS a
  JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum

-- name: constraints
-- Without constraint triggers, which are triggers, and without the rows that stand for a foreign
-- key at each partition of the table it refers to.
SELECT con.conrelid,
       row_number() OVER (ORDER BY con.conrelid, con.conname)::int,
       jsonb_build_object(
         'name', con.conname, 'kind', con.contype,
         'definition', pg_catalog.pg_get_constraintdef(con.oid),
         'columns', coalesce(
           (SELECT jsonb_agg(a.attname ORDER BY k.place)
              FROM unnest(con.conkey) WITH ORDINALITY AS k (number, place)
              JOIN pg_catalog.pg_attribute AS a
                ON a.attrelid = con.conrelid AND a.attnum = k.number), '[]'),
         'validated', con.convalidated,
         'enforced', con.conenforced, -- from 18
         'deferrable', con.condeferrable, 'deferred', con.condeferred,
         'no_inherit', con.connoinherit AND con.contype IN ('c', 'n'),
         'local', con.conislocal, 'inherited', con.coninhcount,
         'cloned', con.conparentid <> 0,
         'index', CASE WHEN con.contype IN ('p', 'u', 'x')
                       THEN (SELECT relname FROM pg_catalog.pg_class WHERE oid = con.conindid) END,
         'references', (SELECT jsonb_build_object('schema', n.nspname, 'name', c.relname)
                          FROM pg_catalog.pg_class AS c
                          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                         WHERE c.oid = con.confrelid),
         'comment', pg_catalog.obj_description(con.oid, 'pg_constraint'))
  FROM shown
  JOIN pg_catalog.pg_constraint AS con ON con.conrelid = shown.oid
  LEFT JOIN pg_catalog.pg_constraint AS above ON above.oid = con.conparentid
 WHERE con.contype <> 't'
   AND above.conrelid IS DISTINCT FROM con.conrelid

-- name: indexes
SELECT i.indrelid,
       row_number() OVER (ORDER BY i.indrelid, c.relname)::int,
       jsonb_build_object(
         'name', c.relname,
         'definition', pg_catalog.pg_get_indexdef(i.indexrelid),
         'tail', substr(pg_catalog.pg_get_indexdef(i.indexrelid), 1 + length(
           CASE WHEN i.indisunique THEN 'CREATE UNIQUE INDEX ' ELSE 'CREATE INDEX ' END
           || quote_ident(c.relname) || ' ON '
           || CASE WHEN c.relkind = 'I' THEN 'ONLY ' ELSE '' END
           || format('%I.%I ', n.nspname, t.relname))),
         'unique', i.indisunique, 'primary', i.indisprimary, 'valid', i.indisvalid,
         'clustered', i.indisclustered, 'replica_identity', i.indisreplident,
         'constraint', (SELECT con.conname FROM pg_catalog.pg_constraint AS con
                         WHERE con.conindid = i.indexrelid AND con.conrelid = i.indrelid
                           AND con.contype IN ('p', 'u', 'x')),
         'parent', (SELECT jsonb_build_object('schema', pn.nspname, 'name', p.relname)
                      FROM pg_catalog.pg_inherits AS h
                      JOIN pg_catalog.pg_class AS p ON p.oid = h.inhparent
                      JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
                     WHERE h.inhrelid = i.indexrelid),
         'tablespace', (SELECT spcname FROM pg_catalog.pg_tablespace WHERE oid = c.reltablespace),
         'options', coalesce(c.reloptions, '{}'),
         'statistics', coalesce(
           (SELECT jsonb_object_agg(a.attnum, a.attstattarget)
              FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0), '{}'),
         'comment', pg_catalog.obj_description(i.indexrelid, 'pg_class'))
  FROM shown
  JOIN pg_catalog.pg_index AS i ON i.indrelid = shown.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace

-- name: triggers
-- Those that a partition got from its parent are internal ones before PostgreSQL 15.
SELECT t.tgrelid,
       row_number() OVER (ORDER BY t.tgrelid, t.tgname)::int,
       jsonb_build_object(
         'name', t.tgname,
         'definition', pg_catalog.pg_get_triggerdef(t.oid),
         'enabled', t.tgenabled,
         'cloned', t.tgparentid <> 0,
         'constraint', t.tgconstraint <> 0,
         'entangled', EXISTS (SELECT FROM outward
                               WHERE classid = 'pg_catalog.pg_trigger'::regclass AND objid = t.oid),
         'comment', pg_catalog.obj_description(t.oid, 'pg_trigger'))
  FROM shown
  JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = shown.oid
  LEFT JOIN pg_catalog.pg_constraint AS con ON con.oid = t.tgconstraint
 WHERE (NOT t.tgisinternal OR t.tgparentid <> 0)
   AND coalesce(con.contype, 't') = 't'

-- name: rules
SELECT r.ev_class,
       row_number() OVER (ORDER BY r.ev_class, r.rulename)::int,
       jsonb_build_object(
         'name', r.rulename,
         'definition', rtrim(pg_catalog.pg_get_ruledef(r.oid), ';'),
         'enabled', r.ev_enabled,
         'entangled', EXISTS (SELECT FROM outward
                               WHERE classid = 'pg_catalog.pg_rewrite'::regclass AND objid = r.oid),
         'comment', pg_catalog.obj_description(r.oid, 'pg_rewrite'))
  FROM shown
  JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = shown.oid
 WHERE r.rulename <> '_RETURN'

-- name: policies
SELECT p.polrelid,
       row_number() OVER (ORDER BY p.polrelid, p.polname)::int,
       jsonb_build_object(
         'name', p.polname,
         'permissive', p.polpermissive,
         'entangled', EXISTS (SELECT FROM outward
                               WHERE classid = 'pg_catalog.pg_policy'::regclass AND objid = p.oid),
         'command', p.polcmd,
         'roles', (SELECT coalesce(jsonb_agg(pg_catalog.pg_get_userbyid(role)
                                             ORDER BY pg_catalog.pg_get_userbyid(role)), '[]')
                     FROM unnest(p.polroles) AS role WHERE role <> 0),
         'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
         'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
         'comment', pg_catalog.obj_description(p.oid, 'pg_policy'))
  FROM shown
  JOIN pg_catalog.pg_policy AS p ON p.polrelid = shown.oid

-- name: statistics
SELECT s.stxrelid,
       row_number() OVER (ORDER BY s.stxrelid, s.stxname)::int,
       jsonb_build_object(
         'schema', n.nspname, 'name', s.stxname,
         'definition', pg_catalog.pg_get_statisticsobjdef(s.oid),
         'owner', pg_catalog.pg_get_userbyid(s.stxowner),
         'target', nullif(s.stxstattarget, -1),
         'comment', pg_catalog.obj_description(s.oid, 'pg_statistic_ext'))
  FROM shown
  JOIN pg_catalog.pg_statistic_ext AS s ON s.stxrelid = shown.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace

-- name: sequences
-- Those that a column owns, and those of identity columns.
SELECT d.refobjid,
       row_number() OVER (ORDER BY d.refobjid, d.refobjsubid)::int,
       jsonb_build_object(
         'schema', n.nspname, 'name', c.relname, 'column', a.attname,
         'identity', d.deptype = 'i',
         'type', pg_catalog.format_type(s.seqtypid, NULL),
         'start', s.seqstart, 'increment', s.seqincrement,
         'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle,
         'persistence', c.relpersistence,
         'owner', pg_catalog.pg_get_userbyid(c.relowner),
         'acl', c.relacl::text[],
         'comment', pg_catalog.obj_description(c.oid, 'pg_class'))
  FROM shown
  CROSS JOIN LATERAL (
    SELECT * FROM pg_catalog.pg_depend
     WHERE refclassid = 'pg_catalog.pg_class'::regclass AND refobjid = shown.oid
       AND refobjsubid > 0 AND classid = 'pg_catalog.pg_class'::regclass
       AND deptype IN ('a', 'i') OFFSET 0) AS d
  JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = d.objid
  JOIN pg_catalog.pg_class AS c ON c.oid = d.objid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid

-- name: publications
SELECT r.prrelid,
       row_number() OVER (ORDER BY r.prrelid, p.pubname)::int,
       jsonb_build_object(
         'name', p.pubname, 'scope', 'table',
         'columns', (SELECT jsonb_agg(a.attname ORDER BY a.attnum) -- from 15
                       FROM pg_catalog.pg_attribute AS a -- from 15
                      WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)), -- from 15
         'where', pg_catalog.pg_get_expr(r.prqual, r.prrelid), -- from 15
         'owner', pg_catalog.pg_get_userbyid(p.pubowner))
  FROM shown
  JOIN pg_catalog.pg_publication_rel AS r ON r.prrelid = shown.oid
  JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
 UNION ALL -- from 15
SELECT c.oid, -- from 15
       1000000 + row_number() OVER (ORDER BY c.oid, p.pubname)::int, -- from 15
       jsonb_build_object('name', p.pubname, 'scope', 'schema', -- from 15
                          'owner', pg_catalog.pg_get_userbyid(p.pubowner)) -- from 15
  FROM shown -- from 15
  JOIN pg_catalog.pg_class AS c ON c.oid = shown.oid AND c.relkind IN ('r', 'p') -- from 15
  JOIN pg_catalog.pg_publication_namespace AS s ON s.pnnspid = c.relnamespace -- from 15
  JOIN pg_catalog.pg_publication AS p ON p.oid = s.pnpubid -- from 15
 UNION ALL
SELECT c.oid,
       2000000 + row_number() OVER (ORDER BY c.oid, p.pubname)::int,
       jsonb_build_object('name', p.pubname, 'scope', 'database',
                          'owner', pg_catalog.pg_get_userbyid(p.pubowner))
  FROM shown
  JOIN pg_catalog.pg_class AS c ON c.oid = shown.oid AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_publication AS p ON p.puballtables

-- name: foreign_keys_in
-- Of other tables, to one of the tree.
SELECT 0::oid,
       row_number() OVER (ORDER BY n.nspname, c.relname, con.conname)::int,
       jsonb_build_object(
         'name', con.conname,
         'table', jsonb_build_object('schema', n.nspname, 'name', c.relname),
         'table_kind', c.relkind,
         'owner', pg_catalog.pg_get_userbyid(c.relowner),
         'references', jsonb_build_object('schema', rn.nspname, 'name', r.relname),
         'definition', pg_catalog.pg_get_constraintdef(con.oid),
         'validated', con.convalidated,
         'enforced', con.conenforced, -- from 18
         'comment', pg_catalog.obj_description(con.oid, 'pg_constraint'))
  FROM (SELECT DISTINCT d.objid -- no index finds a foreign key by what it refers to
          FROM tree
         CROSS JOIN LATERAL (
           SELECT objid FROM pg_catalog.pg_depend
            WHERE refclassid = 'pg_catalog.pg_class'::regclass AND refobjid = tree.oid
              AND classid = 'pg_catalog.pg_constraint'::regclass OFFSET 0) AS d) AS known
  JOIN pg_catalog.pg_constraint AS con ON con.oid = known.objid
       AND con.contype = 'f' AND con.conparentid = 0
  JOIN pg_catalog.pg_class AS c ON c.oid = con.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS r ON r.oid = con.confrelid
  JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
 WHERE con.confrelid IN (SELECT oid FROM tree)
   AND con.conrelid NOT IN (SELECT oid FROM tree)

-- name: children
-- Tables that inherit from one of the tree, and are no partitions.
SELECT 0::oid,
       row_number() OVER (ORDER BY n.nspname, c.relname, i.inhseqno)::int,
       jsonb_build_object(
         'table', jsonb_build_object('schema', n.nspname, 'name', c.relname),
         'parent', jsonb_build_object('schema', pn.nspname, 'name', p.relname))
  FROM tree
  JOIN pg_catalog.pg_inherits AS i ON i.inhparent = tree.oid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND NOT c.relispartition
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
  JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace

-- name: routines
-- Functions and procedures that take or give a row, or whose SQL body names a table of the tree.
-- An aggregate (kind a) has no definition: it is reported, and cannot be made anew.
SELECT 0::oid,
       d.depth * 10000 + row_number() OVER (ORDER BY d.depth, n.nspname, p.proname,
         pg_catalog.pg_get_function_identity_arguments(p.oid))::int,
       jsonb_build_object(
         'schema', n.nspname, 'name', p.proname, 'oid', p.oid::bigint, 'kind', p.prokind,
         'depth', d.depth,
         'arguments', pg_catalog.pg_get_function_identity_arguments(p.oid),
         'definition', CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END,
         'extension', (SELECT e.extname FROM pg_catalog.pg_depend AS m
                         JOIN pg_catalog.pg_extension AS e ON e.oid = m.refobjid
                        WHERE m.classid = 'pg_catalog.pg_proc'::regclass AND m.objid = p.oid
                          AND m.refclassid = 'pg_catalog.pg_extension'::regclass
                          AND m.deptype = 'e'),
         'owner', pg_catalog.pg_get_userbyid(p.proowner),
         'acl', p.proacl::text[],
         'comment', pg_catalog.obj_description(p.oid, 'pg_proc'))
  FROM dependent AS d
  JOIN pg_catalog.pg_proc AS p ON p.oid = d.objid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
 WHERE d.classid = 'pg_catalog.pg_proc'::regclass

-- name: mentions
-- Policies and column defaults of other tables that mention the tree: a table, a sequence, a function
-- over its rows.
SELECT 0::oid,
       row_number() OVER (ORDER BY n.nspname, c.relname, p.polname, a.attnum)::int,
       jsonb_build_object(
         'table', jsonb_build_object('schema', n.nspname, 'name', c.relname),
         'owner', pg_catalog.pg_get_userbyid(c.relowner),
         'policy', CASE WHEN p.oid IS NOT NULL THEN jsonb_build_object(
           'name', p.polname,
           'permissive', p.polpermissive,
           'command', p.polcmd,
           'roles', (SELECT coalesce(jsonb_agg(pg_catalog.pg_get_userbyid(role)
                                               ORDER BY pg_catalog.pg_get_userbyid(role)), '[]')
                       FROM unnest(p.polroles) AS role WHERE role <> 0),
           'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
           'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
           'comment', pg_catalog.obj_description(p.oid, 'pg_policy')) END,
         'column', a.attname,
         'default', pg_catalog.pg_get_expr(a.adbin, a.adrelid))
  FROM dependent AS d
  LEFT JOIN pg_catalog.pg_policy AS p
    ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
  LEFT JOIN LATERAL (
    SELECT a.attnum, a.attname, a.attgenerated, ad.adbin, ad.adrelid
      FROM pg_catalog.pg_attrdef AS ad
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
     WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND ad.oid = d.objid OFFSET 0
  ) AS a ON true
  JOIN pg_catalog.pg_class AS c ON c.oid = coalesce(p.polrelid, a.adrelid)
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE coalesce(a.attgenerated, '') = ''
   AND c.oid NOT IN (SELECT oid FROM shown)

-- name: others
-- Whatever else depends on the tree, directly or not: domains and composite types over its rows,
-- policies and defaults of other tables that mention it, operators, casts.
SELECT 0::oid,
       d.depth * 10000 + row_number() OVER (ORDER BY d.depth, o.type, o.identity)::int,
       jsonb_build_object(
         'kind', o.type, 'schema', o.schema, 'name', o.name, 'identity', o.identity,
         'classid', d.classid::bigint, 'oid', d.objid::bigint, 'depth', d.depth)
  FROM dependent AS d
  CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS o
  LEFT JOIN pg_catalog.pg_class AS c
    ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
  LEFT JOIN pg_catalog.pg_type AS t
    ON d.classid = 'pg_catalog.pg_type'::regclass AND t.oid = d.objid
  LEFT JOIN pg_catalog.pg_class AS tc ON tc.oid = t.typrelid
  LEFT JOIN pg_catalog.pg_constraint AS con
    ON d.classid = 'pg_catalog.pg_constraint'::regclass AND con.oid = d.objid
 WHERE d.classid NOT IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_rewrite'::regclass,
                         'pg_catalog.pg_publication_rel'::regclass)
   AND coalesce(c.relkind NOT IN ('v', 'm', 'i', 'I', 't'), true)
   AND coalesce(t.typtype <> 'c' OR tc.relkind = 'c', true)
   AND coalesce(t.typelem = 0 OR t.typtype <> 'b', true)
   AND coalesce(con.contype <> 'f', true)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS own
                     JOIN shown ON shown.oid = own.refobjid AND shown.depth > 0
                    WHERE own.classid = d.classid AND own.objid = d.objid
                      AND own.refclassid = 'pg_catalog.pg_class'::regclass
                      AND own.deptype IN ('a', 'i'))
   AND NOT (d.classid = 'pg_catalog.pg_trigger'::regclass
            AND (SELECT tgisinternal FROM pg_catalog.pg_trigger WHERE oid = d.objid))

-- name: needs
-- What the tree needs of what users have made: types, functions, operator classes, collations and so
-- on, and what those need in turn; and whether anything else needs them, which is neither among them
-- nor lies in a schema that a backup was given.
SELECT 0::oid,
       need.depth * 10000 + row_number() OVER (ORDER BY need.depth, o.type, o.identity)::int,
       jsonb_build_object(
         'kind', o.type, 'schema', coalesce(ns.nspname::text, o.schema),
         'name', coalesce(p.proname::text, t.typname::text, o.name),
         'identity', o.identity,
         'classid', need.classid::bigint, 'oid', need.objid::bigint, 'depth', need.depth,
         'extension', (SELECT e.extname FROM pg_catalog.pg_depend AS m
                         JOIN pg_catalog.pg_extension AS e ON e.oid = m.refobjid
                        WHERE m.classid = need.classid AND m.objid = need.objid
                          AND m.refclassid = 'pg_catalog.pg_extension'::regclass
                          AND m.deptype = 'e'),
         'definition', CASE
           WHEN p.prokind IN ('f', 'p', 'w') THEN pg_catalog.pg_get_functiondef(p.oid)
           WHEN t.typtype = 'e' THEN
             format('CREATE TYPE %I.%I AS ENUM (%s)', ns.nspname, t.typname,
               (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
                  FROM pg_catalog.pg_enum WHERE enumtypid = t.oid))
           WHEN t.typtype = 'c' THEN
             format('CREATE TYPE %I.%I AS (%s)', ns.nspname, t.typname,
               (SELECT string_agg(format('%I %s%s', a.attname,
                         pg_catalog.format_type(a.atttypid, a.atttypmod),
                         CASE WHEN a.attcollation <> at.typcollation
                              THEN (SELECT format(' COLLATE %I.%I', cn.nspname, co.collname)
                                      FROM pg_catalog.pg_collation AS co
                                      JOIN pg_catalog.pg_namespace AS cn
                                        ON cn.oid = co.collnamespace
                                     WHERE co.oid = a.attcollation) ELSE '' END),
                       ', ' ORDER BY a.attnum)
                  FROM pg_catalog.pg_attribute AS a
                  JOIN pg_catalog.pg_type AS at ON at.oid = a.atttypid
                 WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
           WHEN t.typtype = 'd' THEN
             format('CREATE DOMAIN %I.%I AS %s', ns.nspname, t.typname,
               pg_catalog.format_type(t.typbasetype, t.typtypmod))
             || coalesce(' DEFAULT ' || pg_catalog.pg_get_expr(t.typdefaultbin, 0), '')
             || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
             || coalesce((SELECT string_agg(format(' CONSTRAINT %I %s', conname,
                                   pg_catalog.pg_get_constraintdef(oid)), '' ORDER BY conname)
                            FROM pg_catalog.pg_constraint
                           WHERE contypid = t.oid AND contype = 'c'), '') END,
         'arguments', pg_catalog.pg_get_function_identity_arguments(p.oid),
         'owner', pg_catalog.pg_get_userbyid(coalesce(p.proowner, t.typowner)),
         'acl', coalesce(p.proacl, t.typacl)::text[],
         'comment', pg_catalog.obj_description(need.objid, need.classid::regclass::name),
         'needed_by', coalesce((SELECT jsonb_agg(DISTINCT u.objid::bigint)
                                  FROM users AS u
                                  JOIN needed AS n ON n.classid = u.classid AND n.objid = u.objid
                                 WHERE u.need = need.objid AND u.needclass = need.classid), '[]'),
         'shared', EXISTS (
           SELECT FROM users AS u
            WHERE u.need = need.objid AND u.needclass = need.classid
              AND NOT EXISTS (SELECT FROM needed AS n
                               WHERE n.classid = u.classid AND n.objid = u.objid)
              AND NOT EXISTS (SELECT FROM part
                               WHERE part.classid = u.classid AND part.objid = u.objid)
              AND NOT EXISTS (SELECT FROM dependent AS i
                               WHERE i.classid = u.classid AND i.objid = u.objid)
              AND coalesce(pg_catalog.obj_description(u.schema, 'pg_namespace'), '')
                  <> 'schemakit backup'))
  FROM needed AS need
  CROSS JOIN LATERAL pg_catalog.pg_identify_object(need.classid, need.objid, 0) AS o
  LEFT JOIN pg_catalog.pg_proc AS p
    ON need.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = need.objid
  LEFT JOIN pg_catalog.pg_type AS t
    ON need.classid = 'pg_catalog.pg_type'::regclass AND t.oid = need.objid
  LEFT JOIN pg_catalog.pg_namespace AS ns ON ns.oid = coalesce(p.pronamespace, t.typnamespace)
