"""The fixtures of the store's tests."""

from tests.runner.store.databases import database, database_url, store

__all__ = ["database", "database_url", "store"]
