"""Alembic, made re-entrant: the only package that imports it."""
