"""Long-running work on collections, and what was measured while it ran."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_operations"
down_revision = "0003_documents"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TYPE operation_type AS ENUM"
        " ('index', 'append', 'reindex', 'remove_source', 'delete')"
    )
    op.execute("COMMENT ON TYPE operation_type IS 'What is done to a collection.'")
    op.execute(
        "CREATE TYPE operation_status AS ENUM"
        " ('pending', 'processing', 'completed', 'failed', 'cancelled')"
    )
    op.execute("COMMENT ON TYPE operation_status IS 'How far an operation has come.'")
    create_operations()
    create_operation_metrics()


def downgrade() -> None:
    op.drop_table("operation_metrics")
    op.drop_table("operations")
    op.execute("DROP TYPE operation_status")
    op.execute("DROP TYPE operation_type")


def create_operations() -> None:
    op.create_table(
        "operations",
        sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column(
            "user_id", sa.BigInteger(), comment="Who asked for it; NULL once that user is deleted."
        ),
        sa.Column(
            "type", postgresql.ENUM(name="operation_type", create_type=False), nullable=False
        ),
        sa.Column(
            "status",
            postgresql.ENUM(name="operation_status", create_type=False),
            nullable=False,
            server_default="pending",
        ),
        sa.Column(
            "config",
            postgresql.JSONB(),
            nullable=False,
            server_default=sa.text("'{}'::jsonb"),
            comment="Parameters it was started with.",
        ),
        sa.Column("task_id", sa.String(255), comment="Id of the job in the task queue."),
        sa.Column("error_message", sa.Text()),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column(
            "completed_at",
            sa.DateTime(timezone=True),
            comment="When it ended, however it ended.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_operations_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_operations_user_id_users"),
            ondelete="SET NULL",
        ),
        sa.UniqueConstraint("task_id", name=op.f("uq_operations_task_id")),
        sa.CheckConstraint(
            "completed_at >= started_at", name=op.f("ck_operations_completed_after_start")
        ),
        comment="Work on a collection that a background worker does.",
    )
    op.create_index("ix_operations_collection_id", "operations", ["collection_id"])
    op.create_index("ix_operations_user_id", "operations", ["user_id"])
    op.create_index(
        "ix_operations_unfinished",
        "operations",
        ["created_at"],
        postgresql_where=sa.text("status IN ('pending', 'processing')"),
    )


def create_operation_metrics() -> None:
    op.create_table(
        "operation_metrics",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column(
            "metric_name",
            sa.String(100),
            nullable=False,
            comment="What was measured; the unit is part of the name.",
        ),
        sa.Column("metric_value", sa.Double(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation_metrics")),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operations.id"],
            name=op.f("fk_operation_metrics_operation_id_operations"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "metric_name <> ''", name=op.f("ck_operation_metrics_metric_name_not_empty")
        ),
        comment="Measurements taken while an operation ran.",
    )
    op.create_index(
        "ix_operation_metrics_operation_id_metric_name",
        "operation_metrics",
        ["operation_id", "metric_name"],
    )
    op.create_index("ix_operation_metrics_recorded_at", "operation_metrics", ["recorded_at"])
