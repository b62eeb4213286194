"""Where a collection's content comes from, and the documents found there."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_documents"
down_revision = "0002_collections"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_collection_sources()
    op.execute(
        "CREATE TYPE document_status AS ENUM"
        " ('pending', 'processing', 'completed', 'failed', 'deleted')"
    )
    op.execute("COMMENT ON TYPE document_status IS 'How far a document has been processed.'")
    create_documents()


def downgrade() -> None:
    op.drop_table("documents")
    op.execute("DROP TYPE document_status")
    op.drop_table("collection_sources")


def create_collection_sources() -> None:
    op.create_table(
        "collection_sources",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column(
            "source_type",
            sa.String(50),
            nullable=False,
            server_default="directory",
            comment="Which connector reads it.",
        ),
        sa.Column(
            "source_path", sa.Text(), nullable=False, comment="Path or address, for the connector."
        ),
        sa.Column("document_count", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column(
            "meta", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "last_indexed_at", sa.DateTime(timezone=True), comment="NULL: never read so far."
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_sources")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_sources_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "collection_id",
            "source_path",
            name=op.f("uq_collection_sources_collection_id_source_path"),
        ),
        sa.CheckConstraint(
            "document_count >= 0 AND size_bytes >= 0",
            name=op.f("ck_collection_sources_counts_not_negative"),
        ),
        comment="Places a collection is filled from.",
    )


def create_documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column(
            "source_id",
            sa.BigInteger(),
            comment="Where it was found; NULL once that source is removed.",
        ),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("file_path", sa.Text(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False, comment="In bytes."),
        sa.Column("mime_type", sa.String(255)),
        sa.Column(
            "content_hash",
            sa.String(64),
            nullable=False,
            comment="SHA-256 of the content, in hex: the same file is indexed once.",
        ),
        sa.Column(
            "status",
            postgresql.ENUM(name="document_status", create_type=False),
            nullable=False,
            server_default="pending",
        ),
        sa.Column("error_message", sa.Text()),
        sa.Column(
            "meta", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_documents_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["collection_sources.id"],
            name=op.f("fk_documents_source_id_collection_sources"),
            ondelete="SET NULL",
        ),
        sa.UniqueConstraint(
            "collection_id", "content_hash", name=op.f("uq_documents_collection_id_content_hash")
        ),
        sa.CheckConstraint("file_size >= 0", name=op.f("ck_documents_file_size_not_negative")),
        comment="Files of a collection.",
    )
    op.create_index("ix_documents_collection_id_status", "documents", ["collection_id", "status"])
    op.create_index("ix_documents_source_id", "documents", ["source_id"])
