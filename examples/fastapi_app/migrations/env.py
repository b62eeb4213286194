"""What Alembic and schemakit run to migrate."""

from models import Base

from schemakit.env import run

run(target_metadata=Base.metadata)
