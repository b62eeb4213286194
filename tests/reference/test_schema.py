"""The reference schema as it stands at head, written out."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

TABLES = {
    "users": "id username email full_name password_hash is_active is_superuser created_at"
    " updated_at last_login_at",
    "api_keys": "id user_id name key_hash is_active created_at last_used_at expires_at",
    "refresh_tokens": "id user_id token_hash created_at expires_at revoked_at",
    "collections": "id owner_id name description vector_store_name embedding_model quantization"
    " chunk_size chunk_overlap is_public status status_message document_count vector_count"
    " total_size_bytes meta created_at updated_at default_chunking_config_id chunks_total_count"
    " chunking_completed_at chunking_strategy chunking_config",
    "collection_permissions": "id collection_id user_id api_key_id permission created_at",
    "collection_resource_limits": "id collection_id max_documents max_storage_bytes"
    " max_operations_per_hour created_at updated_at",
    "collection_sources": "id collection_id source_type source_path document_count size_bytes meta"
    " created_at last_indexed_at",
    "operations": "id collection_id user_id type status config task_id error_message created_at"
    " started_at completed_at",
    "collection_audit_log": "id collection_id operation_id user_id action details ip_address"
    " user_agent created_at",
    "documents": "id collection_id source_id file_name file_path file_size mime_type content_hash"
    " status error_message meta created_at updated_at chunking_config_id chunks_count"
    " chunking_started_at chunking_completed_at",
    "operation_metrics": "id operation_id metric_name metric_value recorded_at",
    "chunking_strategies": "id name description version is_active created_at meta",
    "chunking_configs": "id strategy_id config_hash config_data created_at use_count last_used_at",
    "chunks": "id collection_id partition_key document_id chunking_config_id chunk_index content"
    " start_offset end_offset token_count embedding_vector_id metadata created_at updated_at",
}

VIEWS = {
    "active_chunking_configs": "id config_hash config_data strategy_name strategy_version"
    " use_count last_used_at",
    "chunk_partitions": "partition_num partition_name partition",
    "collection_chunking_stats": "collection_id collection_name chunk_count document_count"
    " config_count avg_content_length total_tokens first_chunk last_chunk",
    "partition_chunk_distribution": "partition_num partition_name chunk_count chunk_percentage"
    " relative_skew partition_status",
    "partition_distribution": "total_chunks partition_count used_partitions empty_partitions"
    " avg_chunks min_chunks max_chunks stddev_chunks max_skew_ratio distribution_status",
    "partition_health": "partition_num partition_name live_rows dead_rows dead_percentage"
    " needs_vacuum partition_status last_vacuum last_analyze",
    "partition_health_summary": "partition_num partition_name chunk_count chunk_percentage"
    " relative_skew total_bytes size_percentage dead_percentage needs_vacuum chunks_last_hour"
    " hour_percentage partition_status",
    "partition_hot_spots": "partition_num partition_name chunks_last_hour chunks_last_day"
    " chunks_last_week hour_percentage day_percentage week_percentage",
    "partition_size_distribution": "partition_num partition_name table_bytes index_bytes"
    " total_bytes size_percentage",
    "partition_stats": "partition_num partition_name chunk_count collection_count document_count"
    " avg_content_length total_content_length chunks_last_hour oldest_chunk newest_chunk",
}

ENUMS = {
    "collection_status": ["pending", "ready", "processing", "error", "degraded"],
    "document_status": ["pending", "processing", "completed", "failed", "deleted"],
    "operation_status": ["pending", "processing", "completed", "failed", "cancelled"],
    "operation_type": ["index", "append", "reindex", "remove_source", "delete"],
    "permission_type": ["read", "write", "admin"],
}

FOREIGN_KEYS = {
    ("api_keys", "user_id", "users", "CASCADE"),
    ("chunking_configs", "strategy_id", "chunking_strategies", "RESTRICT"),
    ("chunks", "chunking_config_id", "chunking_configs", "SET NULL"),
    ("chunks", "collection_id", "collections", "CASCADE"),
    ("collection_audit_log", "collection_id", "collections", "SET NULL"),
    ("collection_audit_log", "operation_id", "operations", "SET NULL"),
    ("collection_audit_log", "user_id", "users", "SET NULL"),
    ("collection_permissions", "api_key_id", "api_keys", "CASCADE"),
    ("collection_permissions", "collection_id", "collections", "CASCADE"),
    ("collection_permissions", "user_id", "users", "CASCADE"),
    ("collection_resource_limits", "collection_id", "collections", "CASCADE"),
    ("collection_sources", "collection_id", "collections", "CASCADE"),
    ("collections", "default_chunking_config_id", "chunking_configs", "SET NULL"),
    ("collections", "owner_id", "users", "RESTRICT"),
    ("documents", "chunking_config_id", "chunking_configs", "SET NULL"),
    ("documents", "collection_id", "collections", "CASCADE"),
    ("documents", "source_id", "collection_sources", "SET NULL"),
    ("operation_metrics", "operation_id", "operations", "CASCADE"),
    ("operations", "collection_id", "collections", "CASCADE"),
    ("operations", "user_id", "users", "SET NULL"),
    ("refresh_tokens", "user_id", "users", "CASCADE"),
}

RELATION_COLUMNS = """
SELECT c.relname, string_agg(a.attname, ' ' ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
  AND c.relkind::text = ANY (string_to_array(:kinds, ' ')) AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY c.relname
"""

FOREIGN_KEY_RULES = """
SELECT k.conrelid::regclass::text, a.attname, k.confrelid::regclass::text, CASE k.confdeltype
    WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
    WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' END
FROM pg_constraint AS k
JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND k.conparentid = 0
"""

UNINDEXED_FOREIGN_KEYS = """
SELECT k.conname FROM pg_constraint AS k
WHERE k.contype = 'f' AND NOT EXISTS (
    SELECT FROM pg_index AS i
    WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1] AND i.indpred IS NULL
)
"""

# The names the convention in migrations/env.py asks for, against those the server holds.
MISNAMED = """
WITH named AS (
    SELECT k.conname AS name, k.contype::text AS kind, k.conrelid::regclass::text AS tab,
           k.confrelid::regclass::text AS target,
           (SELECT string_agg(a.attname, '_' ORDER BY u.position)
            FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, position)
            JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns
    FROM pg_constraint AS k
    WHERE k.connamespace = 'public'::regnamespace AND k.contype IN ('p', 'u', 'f', 'c')
      AND k.conrelid <> 'alembic_version'::regclass
      AND NOT (SELECT relispartition FROM pg_class WHERE oid = k.conrelid)
)
SELECT name FROM named WHERE CASE kind
    WHEN 'p' THEN name <> 'pk_' || tab
    WHEN 'u' THEN name <> 'uq_' || tab || '_' || columns
    WHEN 'f' THEN name <> 'fk_' || tab || '_' || columns || '_' || target
    WHEN 'c' THEN NOT starts_with(name, 'ck_' || tab || '_') END
UNION ALL
SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)
  AND NOT starts_with(c.relname, 'ix_' || i.indrelid::regclass::text || '_')
"""


async def every(connection, sql, **parameters):
    return [tuple(row) for row in await connection.execute(text(sql), parameters)]


async def test_tables_and_their_columns(head):
    assert dict(await every(head, RELATION_COLUMNS, kinds="r p")) == TABLES


async def test_views_and_their_columns(head):
    assert dict(await every(head, RELATION_COLUMNS, kinds="v m")) == VIEWS


async def test_enums_and_their_labels(head):
    labels = "SELECT enumtypid::regtype::text, array_agg(enumlabel::text ORDER BY enumsortorder)"
    assert dict(await every(head, f"{labels} FROM pg_enum GROUP BY enumtypid")) == ENUMS


async def test_the_first_column_is_the_primary_key(head):
    """That of a partitioned table holds the partition's key too: PostgreSQL asks for it."""
    keys = "SELECT conrelid::regclass::text, conkey FROM pg_constraint WHERE contype = 'p'"
    ours = "connamespace = 'public'::regnamespace AND conparentid = 0"
    found = dict(await every(head, f"{keys} AND {ours}"))
    del found["alembic_version"]
    assert found == {table: [1] for table in TABLES} | {"chunks": [1, 2, 3]}


async def test_foreign_keys_and_what_a_delete_does(head):
    assert set(await every(head, FOREIGN_KEY_RULES)) == FOREIGN_KEYS


async def test_each_foreign_key_has_an_index(head):
    assert await every(head, UNINDEXED_FOREIGN_KEYS) == []


async def test_names_follow_the_convention(head):
    assert await every(head, MISNAMED) == []


async def test_constraints_and_indexes_are_valid(head):
    constraints = "SELECT conname FROM pg_constraint WHERE NOT convalidated"
    indexes = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    assert await every(head, f"{constraints} UNION ALL {indexes}") == []


async def test_moments_carry_a_time_zone(head):
    without = "SELECT attrelid::regclass::text, attname FROM pg_attribute"
    kind = "atttypid = 'timestamp without time zone'::regtype AND attnum > 0"
    ours = "attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
    assert await every(head, f"{without} WHERE {kind} AND {ours}") == []


async def test_each_relation_has_a_comment(head):
    silent = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    rest = "relkind IN ('r', 'p', 'v', 'm') AND obj_description(oid, 'pg_class') IS NULL"
    rest += " AND NOT relispartition"
    assert await every(head, f"{silent} AND {rest}") == [("alembic_version",)]


async def test_the_wide_index_has_taken_the_place_of_the_narrow_one(head):
    names = "SELECT indexname FROM pg_indexes WHERE tablename = 'operations' ORDER BY indexname"
    assert await every(head, names) == [
        ("ix_operations_collection_id_type_status",),
        ("ix_operations_unfinished",),
        ("ix_operations_user_id",),
        ("pk_operations",),
        ("uq_operations_task_id",),
    ]


async def test_the_seeded_strategies(head):
    seeded = "SELECT id, name, version, is_active FROM chunking_strategies ORDER BY id"
    assert await every(head, seeded) == [
        (1, "character", "1.0.0", True),
        (2, "recursive", "1.0.0", True),
        (3, "markdown", "1.0.0", True),
        (4, "semantic", "1.0.0", False),
        (5, "hierarchical", "1.0.0", False),
        (6, "hybrid", "1.0.0", False),
    ]


async def test_a_new_strategy_gets_the_next_id(head):
    insert = "INSERT INTO chunking_strategies (name) VALUES ('sliding') RETURNING id > 6, version"
    assert await every(head, insert) == [(True, "1.0.0")]


async def test_active_configs_are_those_of_active_strategies(head):
    columns = "chunking_configs (strategy_id, config_hash, config_data)"
    config = json.dumps({"size": 100})
    for strategy, key in ((2, "a" * 64), (4, "b" * 64)):
        values = {"strategy": strategy, "key": key, "config": config}
        await head.execute(
            text(f"INSERT INTO {columns} VALUES (:strategy, :key, CAST(:config AS json))"), values
        )
    active = "SELECT strategy_name, config_hash FROM active_chunking_configs"
    assert await every(head, active) == [("recursive", "a" * 64)]


REFUSED = {
    "ck_collections_overlap_within_chunk": """
        INSERT INTO collections
            (owner_id, name, vector_store_name, embedding_model, chunk_size, chunk_overlap)
        VALUES (1, 'notes', 'notes', 'some-model', 100, 100)
    """,
    "ck_collection_permissions_one_grantee": """
        INSERT INTO collection_permissions (collection_id, permission)
        VALUES (gen_random_uuid(), 'read')
    """,
    "ck_operations_completed_after_start": """
        INSERT INTO operations (collection_id, type, started_at, completed_at)
        VALUES (gen_random_uuid(), 'index', '2025-01-02 00:00+00', '2025-01-01 00:00+00')
    """,
    "uq_chunking_strategies_name": """
        INSERT INTO chunking_strategies (name) VALUES ('recursive')
    """,
    "fk_chunking_configs_strategy_id_chunking_strategies": """
        INSERT INTO chunking_configs (strategy_id, config_hash, config_data) VALUES (99, 'c', '{}')
    """,
}


@pytest.mark.parametrize("constraint", REFUSED)
async def test_what_the_schema_refuses(head, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        await head.execute(text(REFUSED[constraint]))


async def test_two_spellings_of_an_email_are_one_user(head):
    insert = "INSERT INTO users (username, email, password_hash) VALUES (:name, :email, '-')"
    await head.execute(text(insert), {"name": "ada", "email": "Ada@example.org"})
    with pytest.raises(IntegrityError, match="ix_users_email_lower"):
        await head.execute(text(insert), {"name": "ada2", "email": "ada@example.org"})
