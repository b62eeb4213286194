"""Ways to cut documents into chunks, and the settings in use."""

import sqlalchemy as sa
from alembic import op

revision = "0006_chunking"
down_revision = "0005_access"
branch_labels = None
depends_on = None

# A fixed moment, so that every database at this revision holds the same rows.
SEED_STRATEGIES = """
INSERT INTO chunking_strategies (name, description, is_active, created_at, meta)
SELECT name, description, is_active, '2025-08-04 00:00:00+00', meta::json
FROM (VALUES
    (1, 'character', 'Pieces of equal length, cut anywhere.', true,
     '{"suits": ["logs", "plain text"]}'),
    (2, 'recursive', 'Cut at paragraphs, then sentences, then words, until a piece fits.', true,
     '{"suits": ["prose", "mixed content"]}'),
    (3, 'markdown', 'Cut at headings; a piece keeps the headings above it.', true,
     '{"suits": ["markdown", "documentation"]}'),
    (4, 'semantic', 'Cut where the meaning of neighbouring sentences parts.', false,
     '{"suits": ["articles", "transcripts"]}'),
    (5, 'hierarchical', 'Large pieces that contain small ones.', false,
     '{"suits": ["books", "reports"]}'),
    (6, 'hybrid', 'The strategy is chosen for each document by its content.', false,
     '{"suits": ["mixed collections"]}')
) AS seed (position, name, description, is_active, meta)
ORDER BY position
"""

CREATE_VIEW = """
CREATE VIEW active_chunking_configs AS
SELECT config.id, config.config_hash, config.config_data, strategy.name AS strategy_name,
       strategy.version AS strategy_version, config.use_count, config.last_used_at
FROM chunking_configs AS config
JOIN chunking_strategies AS strategy ON strategy.id = config.strategy_id
WHERE strategy.is_active
"""


def upgrade() -> None:
    create_chunking_strategies()
    op.execute(SEED_STRATEGIES)
    create_chunking_configs()
    op.execute(CREATE_VIEW)
    op.execute(
        "COMMENT ON VIEW active_chunking_configs IS"
        " 'Settings whose strategy may be chosen for new work.'"
    )


def downgrade() -> None:
    op.execute("DROP VIEW active_chunking_configs")
    op.drop_table("chunking_configs")
    op.drop_table("chunking_strategies")


def create_chunking_strategies() -> None:
    op.create_table(
        "chunking_strategies",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column(
            "version",
            sa.String(20),
            nullable=False,
            server_default="1.0.0",
            comment="Of the implementation: chunks of two versions are not mixed.",
        ),
        sa.Column(
            "is_active",
            sa.Boolean(),
            nullable=False,
            server_default=sa.true(),
            comment="May be chosen for new work.",
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("meta", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunking_strategies")),
        sa.UniqueConstraint("name", name=op.f("uq_chunking_strategies_name")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_chunking_strategies_name_not_empty")),
        comment="Ways to cut a document into chunks.",
    )


def create_chunking_configs() -> None:
    op.create_table(
        "chunking_configs",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("strategy_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "config_hash",
            sa.String(64),
            nullable=False,
            comment="SHA-256 of strategy and settings, in hex: equal settings share a row.",
        ),
        sa.Column(
            "config_data",
            sa.JSON(),
            nullable=False,
            comment="The settings. json, not jsonb: the hash is of this very text.",
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("use_count", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunking_configs")),
        sa.ForeignKeyConstraint(
            ["strategy_id"],
            ["chunking_strategies.id"],
            name=op.f("fk_chunking_configs_strategy_id_chunking_strategies"),
            ondelete="RESTRICT",
        ),
        sa.UniqueConstraint("config_hash", name=op.f("uq_chunking_configs_config_hash")),
        sa.CheckConstraint(
            "use_count >= 0", name=op.f("ck_chunking_configs_use_count_not_negative")
        ),
        comment="Settings of a strategy, each distinct set once.",
    )
    op.create_index("ix_chunking_configs_strategy_id", "chunking_configs", ["strategy_id"])
    op.create_index("ix_chunking_configs_last_used_at", "chunking_configs", ["last_used_at"])
