"""Alembic's entry point for the reference application's schema."""

from sqlalchemy import MetaData

from schemakit.env import run

# The names the revisions spell out with `op.f`, as one rule: autogenerate follows it.
target_metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

run(target_metadata=target_metadata)
