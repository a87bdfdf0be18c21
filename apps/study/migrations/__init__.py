"""Alembic's migrations of a study's database; they run when a study is opened."""

HEAD = "0001"
"""The last migration: a database that has it is opened without loading Alembic, which takes half a second."""
