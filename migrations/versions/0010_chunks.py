"""Chunks, a hundred partitions of them: every row of a collection lies in one.

The key is `abs(hashtext(collection_id::text) % 100)`. PostgreSQL chooses the partition before any
row trigger runs, so no trigger on `chunks` could compute it. A row without a key therefore goes to
the partition for NULL, whose trigger computes the key and inserts the row once more; with the key
given, nothing of that happens. docs/reference-layout.md says what this costs and what it cannot do.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010_chunks"
down_revision = "0009_operations_index"
branch_labels = None
depends_on = None

PARTITIONS = 100

# The same formula stands in the CHECK of `chunks`, where it must not depend on a search_path.
KEY = f"abs(hashtext(collection_id::text) % {PARTITIONS})"

GET_PARTITION_KEY = f"""
CREATE FUNCTION get_partition_key(collection_id uuid) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT {KEY} $$
"""

# Without a collection there is no key: then NOT NULL refuses the row, as in any other table.
REDIRECT = """
CREATE FUNCTION redirect_chunk() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.collection_id IS NULL THEN
        RETURN NEW;
    END IF;
    NEW.partition_key := get_partition_key(NEW.collection_id);
    INSERT INTO chunks VALUES (NEW.*);
    RETURN NULL;
END
$$;
CREATE TRIGGER chunk_partition_trigger BEFORE INSERT ON chunks_unkeyed
    FOR EACH ROW EXECUTE FUNCTION redirect_chunk()
"""

# An UPDATE chooses the partition after its row triggers, so here the key may be computed. A key
# that is set by the statement itself is left alone, and tested by the CHECK.
MOVE = """
CREATE FUNCTION move_chunk() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.partition_key := get_partition_key(NEW.collection_id);
    RETURN NEW;
END
$$;
CREATE TRIGGER chunk_move_trigger BEFORE UPDATE OF collection_id ON chunks
    FOR EACH ROW WHEN (NEW.collection_id <> OLD.collection_id
                       AND NEW.partition_key = OLD.partition_key)
    EXECUTE FUNCTION move_chunk()
"""

# Whatever search_path a writer has, and whatever temporary tables: it is these `chunks` they mean.
PIN = """
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOREACH function IN ARRAY ARRAY['redirect_chunk()', 'move_chunk()']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp',
                       function, current_schema());
    END LOOP;
END
$$
"""

COMMENTS = f"""
COMMENT ON FUNCTION get_partition_key(uuid) IS
    'The partition_key of a collection''s chunks: 0 to {PARTITIONS - 1}.';
COMMENT ON FUNCTION redirect_chunk() IS 'Inserts a chunk without a key once more, with it.';
COMMENT ON FUNCTION move_chunk() IS 'Gives a chunk that changes its collection the key of that.';
COMMENT ON TABLE chunks_unkeyed IS
    'Always empty: a chunk without a key comes here, and its trigger sends it where it belongs.'
"""


def upgrade() -> None:
    op.execute(GET_PARTITION_KEY)
    create_chunks()
    create_indexes()
    op.execute(";\n".join(partitions()))
    op.execute(REDIRECT)
    op.execute(MOVE)
    op.execute(PIN)
    op.execute(COMMENTS)


def downgrade() -> None:
    op.drop_table("chunks")
    for function in ("move_chunk()", "redirect_chunk()", "get_partition_key(uuid)"):
        op.execute(f"DROP FUNCTION {function}")


def create_chunks() -> None:
    op.create_table(
        "chunks",
        # bigserial, not an identity: up to PostgreSQL 16 a partition has no identity of its own,
        # and a bulk load may write to the partition.
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column(
            "partition_key",
            sa.Integer(),
            nullable=False,
            comment="get_partition_key(collection_id). Give it, or leave it to the trigger.",
        ),
        sa.Column("document_id", sa.Uuid(), comment="NULL: cut from no document."),
        sa.Column("chunking_config_id", sa.BigInteger(), comment="Settings it was cut with."),
        sa.Column(
            "chunk_index",
            sa.Integer(),
            nullable=False,
            comment="Its place in the document, from 0.",
        ),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("start_offset", sa.Integer(), comment="In characters of the document."),
        sa.Column("end_offset", sa.Integer(), comment="In characters; the one after its last."),
        sa.Column("token_count", sa.Integer()),
        sa.Column(
            "embedding_vector_id",
            sa.String(255),
            comment="Its vector in the vector store; NULL: not embedded yet.",
        ),
        sa.Column(
            "metadata", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("id", "collection_id", "partition_key", name=op.f("pk_chunks")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_chunks_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["chunking_config_id"],
            ["chunking_configs.id"],
            name=op.f("fk_chunks_chunking_config_id_chunking_configs"),
            ondelete="SET NULL",
        ),
        sa.CheckConstraint(
            f"partition_key = {KEY}", name=op.f("ck_chunks_partition_key_of_collection_id")
        ),
        sa.CheckConstraint("chunk_index >= 0", name=op.f("ck_chunks_chunk_index_not_negative")),
        sa.CheckConstraint(
            "end_offset >= start_offset", name=op.f("ck_chunks_end_offset_not_before_start")
        ),
        comment="Pieces of documents, as they are embedded and found.",
        postgresql_partition_by="LIST (partition_key)",
    )


def create_indexes() -> None:
    op.create_index(
        "ix_chunks_collection_id_document_id_chunk_index",
        "chunks",
        ["collection_id", "document_id", "chunk_index"],
    )
    op.create_index(
        "ix_chunks_document_id_chunk_index",
        "chunks",
        ["document_id", "chunk_index"],
        postgresql_where=sa.text("document_id IS NOT NULL"),
    )
    op.create_index("ix_chunks_chunking_config_id", "chunks", ["chunking_config_id"])
    op.create_index("ix_chunks_created_at", "chunks", ["created_at"], postgresql_using="brin")
    op.create_index(
        "ix_chunks_not_embedded",
        "chunks",
        ["collection_id", "id"],
        postgresql_where=sa.text("embedding_vector_id IS NULL"),
    )


def partitions() -> list[str]:
    return [
        *(
            f"CREATE TABLE chunk_part_{key} PARTITION OF chunks FOR VALUES IN ({key})"
            for key in range(PARTITIONS)
        ),
        "CREATE TABLE chunks_unkeyed PARTITION OF chunks FOR VALUES IN (NULL)",
    ]
