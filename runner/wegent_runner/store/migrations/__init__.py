"""The migrations of the store's tables, which Alembic runs when the runner starts."""
