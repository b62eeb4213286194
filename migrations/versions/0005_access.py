"""Who may do what to a collection, how much of it, and what they did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005_access"
down_revision = "0004_operations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TYPE permission_type AS ENUM ('read', 'write', 'admin')")
    op.execute("COMMENT ON TYPE permission_type IS 'Each one includes those before it.'")
    create_collection_permissions()
    create_collection_resource_limits()
    create_collection_audit_log()


def downgrade() -> None:
    op.drop_table("collection_audit_log")
    op.drop_table("collection_resource_limits")
    op.drop_table("collection_permissions")
    op.execute("DROP TYPE permission_type")


def create_collection_permissions() -> None:
    op.create_table(
        "collection_permissions",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), comment="Set, or api_key_id is; never both."),
        sa.Column("api_key_id", sa.Uuid(), comment="Set, or user_id is; never both."),
        sa.Column(
            "permission",
            postgresql.ENUM(name="permission_type", create_type=False),
            nullable=False,
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_permissions")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_permissions_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_collection_permissions_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["api_key_id"],
            ["api_keys.id"],
            name=op.f("fk_collection_permissions_api_key_id_api_keys"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "collection_id",
            "user_id",
            name=op.f("uq_collection_permissions_collection_id_user_id"),
        ),
        sa.UniqueConstraint(
            "collection_id",
            "api_key_id",
            name=op.f("uq_collection_permissions_collection_id_api_key_id"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(user_id, api_key_id) = 1",
            name=op.f("ck_collection_permissions_one_grantee"),
        ),
        comment="What a user or an API key may do to a collection of someone else.",
    )
    op.create_index("ix_collection_permissions_user_id", "collection_permissions", ["user_id"])
    op.create_index(
        "ix_collection_permissions_api_key_id", "collection_permissions", ["api_key_id"]
    )


def create_collection_resource_limits() -> None:
    op.create_table(
        "collection_resource_limits",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False, comment="At most one row for each."),
        sa.Column(
            "max_documents",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("100000"),
        ),
        sa.Column(
            "max_storage_bytes",
            sa.BigInteger(),
            nullable=False,
            server_default=sa.text("53687091200"),
            comment="50 GiB unless set.",
        ),
        sa.Column(
            "max_operations_per_hour",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("10"),
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_resource_limits")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_resource_limits_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "collection_id", name=op.f("uq_collection_resource_limits_collection_id")
        ),
        sa.CheckConstraint(
            "max_documents > 0 AND max_storage_bytes > 0 AND max_operations_per_hour > 0",
            name=op.f("ck_collection_resource_limits_limits_positive"),
        ),
        comment="Limits of a collection that differ from the application's own.",
    )


def create_collection_audit_log() -> None:
    # What was done outlives those who did it and what it was done to, hence SET NULL throughout.
    op.create_table(
        "collection_audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), comment="NULL once the collection is deleted."),
        sa.Column("operation_id", sa.Uuid(), comment="NULL once the operation is deleted."),
        sa.Column("user_id", sa.BigInteger(), comment="NULL once the user is deleted."),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column(
            "details",
            postgresql.JSONB(),
            nullable=False,
            server_default=sa.text("'{}'::jsonb"),
            comment="Enough to read the entry when what it points to is gone.",
        ),
        sa.Column("ip_address", postgresql.INET()),
        sa.Column("user_agent", sa.Text()),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_audit_log")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_audit_log_collection_id_collections"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operations.id"],
            name=op.f("fk_collection_audit_log_operation_id_operations"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_collection_audit_log_user_id_users"),
            ondelete="SET NULL",
        ),
        sa.CheckConstraint("action <> ''", name=op.f("ck_collection_audit_log_action_not_empty")),
        comment="What was done to collections, by whom and when.",
    )
    op.create_index(
        "ix_collection_audit_log_collection_id_created_at",
        "collection_audit_log",
        ["collection_id", "created_at"],
    )
    op.create_index(
        "ix_collection_audit_log_operation_id", "collection_audit_log", ["operation_id"]
    )
    op.create_index("ix_collection_audit_log_user_id", "collection_audit_log", ["user_id"])
