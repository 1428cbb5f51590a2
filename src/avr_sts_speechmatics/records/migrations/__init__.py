"""Migrations of the tables, by Alembic; `records/schema.py` runs them."""
