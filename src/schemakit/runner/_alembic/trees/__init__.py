"""Partitioned tables in Alembic's words: operations, how they are rendered, what differs."""
