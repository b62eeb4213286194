"""Constraints and indexes for the columns of 0007, without a long lock.

A constraint is added NOT VALID, which reads no row, and validated in a statement of its own, which
lets writers go on; an index is built concurrently. Each step commits by itself and begins by
removing what an interrupted run left, so the revision can be run again from the top.
"""

from alembic import op

revision = "0008_chunking_constraints"
down_revision = "0007_chunking_columns"
branch_labels = None
depends_on = None

FOREIGN_KEYS = (
    (
        "collections",
        "default_chunking_config_id",
        "fk_collections_default_chunking_config_id_chunking_configs",
    ),
    ("documents", "chunking_config_id", "fk_documents_chunking_config_id_chunking_configs"),
)
CHECKS = (
    ("collections", "chunks_total_count >= 0", "ck_collections_chunks_total_count_not_negative"),
    ("documents", "chunks_count >= 0", "ck_documents_chunks_count_not_negative"),
    (
        "documents",
        "chunking_completed_at >= chunking_started_at",
        "ck_documents_chunking_completed_after_start",
    ),
)
INDEXES = (
    (
        "collections",
        "default_chunking_config_id",
        "ix_collections_default_chunking_config_id",
    ),
    ("documents", "chunking_config_id", "ix_documents_chunking_config_id"),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for table, column, name in INDEXES:
            drop_index(table, name)
            op.create_index(name, table, [column], postgresql_concurrently=True)
        for table, column, name in FOREIGN_KEYS:
            drop_constraint(table, name)
            add_foreign_key(table, column, name)
            validate(table, name)
        for table, condition, name in CHECKS:
            drop_constraint(table, name)
            op.create_check_constraint(op.f(name), table, condition, postgresql_not_valid=True)
            validate(table, name)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for table, _, name in (*CHECKS, *FOREIGN_KEYS):
            drop_constraint(table, name)
        for table, _, name in INDEXES:
            drop_index(table, name)


def add_foreign_key(table: str, column: str, name: str) -> None:
    op.create_foreign_key(
        op.f(name),
        table,
        "chunking_configs",
        [column],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )


def validate(table: str, name: str) -> None:
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def drop_constraint(table: str, name: str) -> None:
    op.drop_constraint(op.f(name), table, if_exists=True)


def drop_index(table: str, name: str) -> None:
    op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
