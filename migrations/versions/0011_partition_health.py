"""How the chunks lie in their partitions: views, functions, and figures for each collection.

What is counted over `chunks` is counted in one pass. Partitions come from the catalog, so that an
empty one counts and there may be any number of them. Chance alone makes partitions uneven, by
1/sqrt(n) for n chunks each: none is judged before there are a thousand chunks for each.
"""

from alembic import op

revision = "0011_partition_health"
down_revision = "0010_chunks"
branch_labels = None
depends_on = None

PARTITION_FOR_COLLECTION = """
CREATE FUNCTION get_partition_for_collection(collection_id uuid) RETURNS regclass
    LANGUAGE sql STABLE STRICT AS $$
    SELECT partition FROM chunk_partitions
    WHERE partition_num = get_partition_key(get_partition_for_collection.collection_id)
$$
"""

SKEW_STATUS = """
CREATE FUNCTION partition_skew_status(skew numeric, average numeric) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN average < 1000 THEN 'TOO FEW CHUNKS'
                WHEN abs(skew) >= 0.5 THEN 'UNBALANCED'
                WHEN abs(skew) >= 0.3 THEN 'WARNING'
                ELSE 'HEALTHY' END
$$
"""

# The partition for NULL is none of them: nothing stays there.
CHUNK_PARTITIONS = """
CREATE VIEW chunk_partitions AS
SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM '^FOR VALUES IN [(](\\d+)[)]$')::integer
           AS partition_num,
       c.relname::text AS partition_name,
       c.oid::regclass AS partition
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'chunks'::regclass AND NOT i.inhdetachpending
  AND pg_get_expr(c.relpartbound, c.oid) <> 'FOR VALUES IN (NULL)'
"""

# The one pass over `chunks` that the views below share; what they do not ask for is not computed.
PARTITION_STATS = """
CREATE VIEW partition_stats AS
SELECT p.partition_num, p.partition_name,
       coalesce(s.chunk_count, 0) AS chunk_count,
       coalesce(s.collection_count, 0) AS collection_count,
       coalesce(s.document_count, 0) AS document_count,
       s.avg_content_length, s.total_content_length,
       coalesce(s.chunks_last_hour, 0) AS chunks_last_hour,
       s.oldest_chunk, s.newest_chunk
FROM chunk_partitions AS p
LEFT JOIN (
    SELECT partition_key, count(*) AS chunk_count,
           count(DISTINCT collection_id) AS collection_count,
           count(DISTINCT document_id) AS document_count,
           round(avg(length(content)), 1) AS avg_content_length,
           sum(length(content)) AS total_content_length,
           count(*) FILTER (WHERE created_at >= now() - interval '1 hour') AS chunks_last_hour,
           min(created_at) AS oldest_chunk, max(created_at) AS newest_chunk
    FROM chunks GROUP BY partition_key
) AS s ON s.partition_key = p.partition_num
"""

CHUNK_DISTRIBUTION = """
CREATE VIEW partition_chunk_distribution AS
SELECT partition_num, partition_name, chunk_count,
       coalesce(round(100 * chunk_count / nullif(total, 0), 2), 0) AS chunk_percentage,
       round(skew, 4) AS relative_skew,
       partition_skew_status(skew, average) AS partition_status
FROM (
    SELECT partition_num, partition_name, chunk_count, total, average,
           chunk_count / nullif(average, 0) - 1 AS skew
    FROM (
        SELECT partition_num, partition_name, chunk_count,
               sum(chunk_count) OVER () AS total, avg(chunk_count) OVER () AS average
        FROM partition_stats
    ) AS counted
) AS compared
"""

DISTRIBUTION = """
CREATE VIEW partition_distribution AS
SELECT total_chunks, partition_count, used_partitions,
       partition_count - used_partitions AS empty_partitions,
       round(average, 2) AS avg_chunks, min_chunks, max_chunks,
       round(deviation, 2) AS stddev_chunks,
       round(max_chunks / nullif(average, 0), 4) AS max_skew_ratio,
       CASE WHEN average < 1000 THEN 'TOO FEW CHUNKS'
            WHEN max_chunks > 1.2 * average THEN 'REBALANCE NEEDED'
            WHEN max_chunks > 1.1 * average THEN 'WARNING'
            ELSE 'HEALTHY' END AS distribution_status
FROM (
    SELECT sum(chunk_count) AS total_chunks, count(*) AS partition_count,
           count(*) FILTER (WHERE chunk_count > 0) AS used_partitions,
           avg(chunk_count) AS average, min(chunk_count) AS min_chunks,
           max(chunk_count) AS max_chunks, stddev_pop(chunk_count) AS deviation
    FROM partition_stats
) AS counted
"""

SIZE_DISTRIBUTION = """
CREATE VIEW partition_size_distribution AS
SELECT partition_num, partition_name, table_bytes, index_bytes,
       table_bytes + index_bytes AS total_bytes,
       round(100 * (table_bytes + index_bytes) / sum(table_bytes + index_bytes) OVER (), 2)
           AS size_percentage
FROM (
    SELECT partition_num, partition_name, pg_table_size(partition) AS table_bytes,
           pg_indexes_size(partition) AS index_bytes
    FROM chunk_partitions
) AS measured
"""

# Of the server's own statistics, which cost nothing to read and lag a little.
HEALTH = """
CREATE VIEW partition_health AS
SELECT partition_num, partition_name, live_rows, dead_rows, dead_percentage,
       dead_percentage > 10 AND dead_rows > 50 AS needs_vacuum,
       CASE WHEN average < 1000 THEN 'TOO FEW CHUNKS'
            WHEN live_rows > 1.2 * average THEN 'HOT'
            WHEN live_rows < 0.8 * average THEN 'COLD'
            ELSE 'NORMAL' END AS partition_status,
       last_vacuum, last_analyze
FROM (
    SELECT partition_num, partition_name, live_rows, dead_rows, avg(live_rows) OVER () AS average,
           coalesce(round(100.0 * dead_rows / nullif(live_rows + dead_rows, 0), 2), 0)
               AS dead_percentage,
           last_vacuum, last_analyze
    FROM (
        SELECT partition_num, partition_name,
               pg_stat_get_live_tuples(partition) AS live_rows,
               pg_stat_get_dead_tuples(partition) AS dead_rows,
               greatest(pg_stat_get_last_vacuum_time(partition),
                        pg_stat_get_last_autovacuum_time(partition)) AS last_vacuum,
               greatest(pg_stat_get_last_analyze_time(partition),
                        pg_stat_get_last_autoanalyze_time(partition)) AS last_analyze
        FROM chunk_partitions
    ) AS told
) AS compared
"""

HOT_SPOTS = """
CREATE VIEW partition_hot_spots AS
SELECT partition_num, partition_name, chunks_last_hour, chunks_last_day, chunks_last_week,
       coalesce(round(100 * chunks_last_hour / nullif(sum(chunks_last_hour) OVER (), 0), 2), 0)
           AS hour_percentage,
       coalesce(round(100 * chunks_last_day / nullif(sum(chunks_last_day) OVER (), 0), 2), 0)
           AS day_percentage,
       coalesce(round(100 * chunks_last_week / nullif(sum(chunks_last_week) OVER (), 0), 2), 0)
           AS week_percentage
FROM (
    SELECT p.partition_num, p.partition_name,
           coalesce(s.chunks_last_hour, 0) AS chunks_last_hour,
           coalesce(s.chunks_last_day, 0) AS chunks_last_day,
           coalesce(s.chunks_last_week, 0) AS chunks_last_week
    FROM chunk_partitions AS p
    LEFT JOIN (
        SELECT partition_key,
               count(*) FILTER (WHERE created_at >= now() - interval '1 hour') AS chunks_last_hour,
               count(*) FILTER (WHERE created_at >= now() - interval '1 day') AS chunks_last_day,
               count(*) AS chunks_last_week
        FROM chunks WHERE created_at >= now() - interval '7 days' GROUP BY partition_key
    ) AS s ON s.partition_key = p.partition_num
) AS counted
"""

HEALTH_SUMMARY = """
CREATE VIEW partition_health_summary AS
SELECT c.partition_num, c.partition_name, c.chunk_count,
       coalesce(round(100 * c.chunk_count / nullif(c.total, 0), 2), 0) AS chunk_percentage,
       round(c.chunk_count / nullif(c.average, 0) - 1, 4) AS relative_skew,
       s.total_bytes, s.size_percentage, h.dead_percentage, h.needs_vacuum,
       c.chunks_last_hour,
       coalesce(round(100 * c.chunks_last_hour / nullif(c.last_hour, 0), 2), 0) AS hour_percentage,
       partition_skew_status(c.chunk_count / nullif(c.average, 0) - 1, c.average)
           AS partition_status
FROM (
    SELECT partition_num, partition_name, chunk_count, chunks_last_hour,
           sum(chunk_count) OVER () AS total, avg(chunk_count) OVER () AS average,
           sum(chunks_last_hour) OVER () AS last_hour
    FROM partition_stats
) AS c
JOIN partition_size_distribution AS s USING (partition_num)
JOIN partition_health AS h USING (partition_num)
"""

# A partition is hot that takes an eighth of what is written, and at least twice its share.
ANALYZE_SKEW = """
CREATE FUNCTION analyze_partition_skew()
    RETURNS TABLE (metric text, value numeric, status text, details text)
    LANGUAGE sql STABLE AS $$
    WITH figures AS MATERIALIZED (SELECT * FROM partition_health_summary),
    totals AS (
        SELECT count(*) AS partitions, avg(chunk_count) AS average,
               count(*) FILTER (WHERE chunk_count > 0) AS used,
               coalesce(max(abs(relative_skew)), 0) AS skew,
               max(total_bytes) / avg(total_bytes) - 1 AS size_skew,
               count(*) FILTER (WHERE partition_status = 'UNBALANCED') AS unbalanced,
               sum(chunks_last_hour) AS last_hour
        FROM figures
    ),
    hot AS (
        SELECT count(*) AS partitions,
               string_agg(partition_name, ', ' ORDER BY partition_num) AS names
        FROM figures, totals
        WHERE hour_percentage >= greatest(12.5, 200.0 / totals.partitions) AND last_hour >= 1000
    ),
    measured AS (
        SELECT 'chunk_distribution' AS metric, skew AS value,
               partition_skew_status(skew, average) AS status,
               format('%s of %s partitions used', used, partitions) AS details
        FROM totals
        UNION ALL
        SELECT 'size_distribution', round(size_skew, 4),
               partition_skew_status(size_skew, average),
               format('the largest has %s times the average', round(size_skew + 1, 2))
        FROM totals
        UNION ALL
        SELECT 'partition_health', unbalanced,
               CASE WHEN average < 1000 THEN 'TOO FEW CHUNKS'
                    WHEN unbalanced >= 0.2 * partitions THEN 'UNBALANCED'
                    WHEN unbalanced > 0 THEN 'WARNING'
                    ELSE 'HEALTHY' END,
               format('%s of %s partitions are unbalanced', unbalanced, partitions)
        FROM totals
        UNION ALL
        SELECT 'hot_partitions', hot.partitions,
               CASE WHEN last_hour < 1000 THEN 'TOO FEW CHUNKS'
                    WHEN hot.partitions > 0 THEN 'WARNING'
                    ELSE 'HEALTHY' END,
               coalesce(names, 'none')
        FROM hot, totals
    )
    SELECT metric, value, CASE status WHEN 'UNBALANCED' THEN 'CRITICAL' ELSE status END, details
    FROM measured
$$
"""

COLLECTION_STATS = """
CREATE MATERIALIZED VIEW collection_chunking_stats AS
SELECT c.id AS collection_id, c.name AS collection_name,
       coalesce(s.chunk_count, 0) AS chunk_count,
       coalesce(s.document_count, 0) AS document_count,
       coalesce(s.config_count, 0) AS config_count,
       s.avg_content_length, s.total_tokens, s.first_chunk, s.last_chunk
FROM collections AS c
LEFT JOIN (
    SELECT collection_id, count(*) AS chunk_count,
           count(DISTINCT document_id) AS document_count,
           count(DISTINCT chunking_config_id) AS config_count,
           round(avg(length(content)), 1) AS avg_content_length,
           sum(token_count) AS total_tokens,
           min(created_at) AS first_chunk, max(created_at) AS last_chunk
    FROM chunks GROUP BY collection_id
) AS s ON s.collection_id = c.id;
CREATE UNIQUE INDEX ix_collection_chunking_stats_collection_id
    ON collection_chunking_stats (collection_id)
"""

# CONCURRENTLY: readers go on, and it may run in a transaction.
REFRESH = """
CREATE FUNCTION refresh_collection_chunking_stats() RETURNS void
    LANGUAGE sql AS $$
    REFRESH MATERIALIZED VIEW CONCURRENTLY collection_chunking_stats
$$
"""

# Whatever search_path the caller has, and whatever temporary tables: it is these views they mean.
PIN = """
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOREACH function IN ARRAY ARRAY[
        'get_partition_for_collection(uuid)', 'analyze_partition_skew()',
        'refresh_collection_chunking_stats()']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp',
                       function, current_schema());
    END LOOP;
END
$$
"""

VIEWS = {
    "chunk_partitions": "The partitions of chunks, as the catalog has them.",
    "partition_stats": "What lies in each partition; reads all chunks once.",
    "partition_chunk_distribution": "How far each partition is from an equal share of the chunks.",
    "partition_distribution": "How evenly the chunks lie, in one row.",
    "partition_size_distribution": "What each partition takes on disk; reads no chunk.",
    "partition_health": "What the statistics tell of each partition; reads no chunk.",
    "partition_hot_spots": "Where the chunks of the last hour, day and week went.",
    "partition_health_summary": "Share, size, statistics and traffic of each partition.",
}
FUNCTIONS = {
    "get_partition_for_collection(uuid)": "The partition that a collection''s chunks lie in.",
    "partition_skew_status(numeric, numeric)": "Judges how far a partition is from the average.",
    "analyze_partition_skew()": "The verdict on all partitions, a row for each question.",
    "refresh_collection_chunking_stats()": "Brings collection_chunking_stats up to date.",
}


def upgrade() -> None:
    op.execute(SKEW_STATUS)
    for view in (
        CHUNK_PARTITIONS,
        PARTITION_STATS,
        CHUNK_DISTRIBUTION,
        DISTRIBUTION,
        SIZE_DISTRIBUTION,
        HEALTH,
        HOT_SPOTS,
        HEALTH_SUMMARY,
    ):
        op.execute(view)
    op.execute(PARTITION_FOR_COLLECTION)
    op.execute(ANALYZE_SKEW)
    op.execute(COLLECTION_STATS)
    op.execute(REFRESH)
    op.execute(PIN)
    comment()


def downgrade() -> None:
    op.execute("DROP FUNCTION refresh_collection_chunking_stats()")
    op.execute("DROP MATERIALIZED VIEW collection_chunking_stats")
    op.execute("DROP FUNCTION analyze_partition_skew()")
    op.execute("DROP FUNCTION get_partition_for_collection(uuid)")
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW {view}")
    op.execute("DROP FUNCTION partition_skew_status(numeric, numeric)")


def comment() -> None:
    for view, text in VIEWS.items():
        op.execute(f"COMMENT ON VIEW {view} IS '{text}'")
    for function, text in FUNCTIONS.items():
        op.execute(f"COMMENT ON FUNCTION {function} IS '{text}'")
    op.execute(
        "COMMENT ON MATERIALIZED VIEW collection_chunking_stats IS"
        " 'Figures of each collection, as of its last refresh.'"
    )
