"""The connection to the database: SQLite on a volume, or PostgreSQL."""

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S: Final = 10
MIGRATION_LOCK: Final = 0x57E6E47
"""Key of PostgreSQL's advisory lock: of several runners that start, one migrates."""
DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class StoreUrlError(ValueError):
    """The URL of the store names no database that is supported."""


def connect(url: str) -> AsyncEngine:
    """Return the engine of a database.

    Args:
        url: ``sqlite:////path/to/file`` or ``postgresql://user:password@host/database``.

    Raises:
        StoreUrlError: the URL is neither.
    """
    parsed = make_url(url)
    name = parsed.get_backend_name()
    if name not in DRIVERS:
        raise StoreUrlError("the store's URL must begin with sqlite:// or postgresql://")
    parsed = parsed.set(drivername=DRIVERS[name])
    if name == "postgresql":
        return create_async_engine(
            parsed, pool_size=10, max_overflow=10, pool_pre_ping=True, pool_recycle=1800
        )
    engine = create_async_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


async def migrate(engine: AsyncEngine) -> None:
    """Bring the tables to the newest version. Runners that start together wait for one another."""
    async with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
