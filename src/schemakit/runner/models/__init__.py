"""Layouts on SQLAlchemy's tables: declared, created, filled and asked."""
