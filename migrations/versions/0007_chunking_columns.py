"""How collections and documents were cut: columns only.

Their constraints and indexes follow in 0008, where no table is locked for long.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007_chunking_columns"
down_revision = "0006_chunking"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_to_collections()
    add_to_documents()


def downgrade() -> None:
    for column in (
        "chunking_completed_at",
        "chunking_started_at",
        "chunks_count",
        "chunking_config_id",
    ):
        op.drop_column("documents", column)
    for column in (
        "chunking_config",
        "chunking_strategy",
        "chunking_completed_at",
        "chunks_total_count",
        "default_chunking_config_id",
    ):
        op.drop_column("collections", column)


def add_to_collections() -> None:
    for column in (
        sa.Column(
            "default_chunking_config_id",
            sa.BigInteger(),
            comment="Settings for documents that bring none of their own.",
        ),
        sa.Column(
            "chunks_total_count", sa.BigInteger(), nullable=False, server_default=sa.text("0")
        ),
        sa.Column(
            "chunking_completed_at",
            sa.DateTime(timezone=True),
            comment="When the last document was cut; NULL while any is left.",
        ),
        sa.Column(
            "chunking_strategy",
            sa.String(50),
            comment="Name of the strategy asked for when the collection was made.",
        ),
        sa.Column(
            "chunking_config",
            sa.JSON(),
            comment="Settings asked for when the collection was made, as they came.",
        ),
    ):
        op.add_column("collections", column)


def add_to_documents() -> None:
    for column in (
        sa.Column(
            "chunking_config_id", sa.BigInteger(), comment="Settings its chunks were cut with."
        ),
        sa.Column("chunks_count", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("chunking_started_at", sa.DateTime(timezone=True)),
        sa.Column("chunking_completed_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("documents", column)
