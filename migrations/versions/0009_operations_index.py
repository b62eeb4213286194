"""One index for the question the workers ask: is such an operation under way on this collection?

It begins with collection_id, so it serves the foreign key too, and the narrower index goes.
Each step commits by itself; what an interrupted run left is removed first.
"""

from alembic import op

revision = "0009_operations_index"
down_revision = "0008_chunking_constraints"
branch_labels = None
depends_on = None

NARROW = "ix_operations_collection_id"
WIDE = "ix_operations_collection_id_type_status"


def upgrade() -> None:
    replace(NARROW, WIDE, ["collection_id", "type", "status"])


def downgrade() -> None:
    replace(WIDE, NARROW, ["collection_id"])


def replace(old: str, new: str, columns: list[str]) -> None:
    with op.get_context().autocommit_block():
        drop(new)
        op.create_index(new, "operations", columns, postgresql_concurrently=True)
        drop(old)


def drop(name: str) -> None:
    op.drop_index(name, "operations", if_exists=True, postgresql_concurrently=True)
