"""Run migrations on the connection that `apps.study.storage` hands over."""

from __future__ import annotations

from alembic import context

from apps.study.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite can undo changes of tables as well: a migration that breaks off leaves the database as it was.
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
