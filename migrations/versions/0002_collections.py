"""Collections of documents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_collections"
down_revision = "0001_users"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TYPE collection_status AS ENUM"
        " ('pending', 'ready', 'processing', 'error', 'degraded')"
    )
    op.execute("COMMENT ON TYPE collection_status IS 'Whether a collection can be searched.'")
    create_collections()


def downgrade() -> None:
    op.drop_table("collections")
    op.execute("DROP TYPE collection_status")


def create_collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column(
            "owner_id",
            sa.BigInteger(),
            nullable=False,
            comment="A user who owns collections cannot be deleted: they are handed over first.",
        ),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column(
            "vector_store_name",
            sa.String(255),
            nullable=False,
            comment="Name of the collection in the vector store.",
        ),
        sa.Column("embedding_model", sa.String(255), nullable=False),
        sa.Column(
            "quantization",
            sa.String(20),
            nullable=False,
            server_default="float16",
            comment="Number format of the stored vectors.",
        ),
        sa.Column(
            "chunk_size",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("1000"),
            comment="Length of a chunk, in tokens.",
        ),
        sa.Column(
            "chunk_overlap",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("200"),
            comment="What neighbouring chunks share, in tokens.",
        ),
        sa.Column(
            "is_public",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="Everyone may read.",
        ),
        sa.Column(
            "status",
            postgresql.ENUM(name="collection_status", create_type=False),
            nullable=False,
            server_default="pending",
        ),
        sa.Column("status_message", sa.Text(), comment="Why the status is what it is."),
        sa.Column("document_count", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("vector_count", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("total_size_bytes", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column(
            "meta", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["users.id"],
            name=op.f("fk_collections_owner_id_users"),
            ondelete="RESTRICT",
        ),
        sa.UniqueConstraint("name", name=op.f("uq_collections_name")),
        sa.UniqueConstraint("vector_store_name", name=op.f("uq_collections_vector_store_name")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_collections_name_not_empty")),
        sa.CheckConstraint("chunk_size > 0", name=op.f("ck_collections_chunk_size_positive")),
        sa.CheckConstraint(
            "chunk_overlap >= 0 AND chunk_overlap < chunk_size",
            name=op.f("ck_collections_overlap_within_chunk"),
        ),
        sa.CheckConstraint(
            "document_count >= 0 AND vector_count >= 0 AND total_size_bytes >= 0",
            name=op.f("ck_collections_counts_not_negative"),
        ),
        comment="Documents that are embedded alike and searched together.",
    )
    op.create_index("ix_collections_owner_id", "collections", ["owner_id"])
    op.create_index("ix_collections_status", "collections", ["status"])
    op.create_index(
        "ix_collections_public",
        "collections",
        ["created_at"],
        postgresql_where=sa.text("is_public"),
    )
