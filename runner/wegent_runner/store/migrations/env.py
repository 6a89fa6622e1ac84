"""Alembic's entry. The connection comes from :func:`wegent_runner.store.engine.migrate`."""

from alembic import context

from wegent_runner.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by making a new one
)
with context.begin_transaction():
    context.run_migrations()
