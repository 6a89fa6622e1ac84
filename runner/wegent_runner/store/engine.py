"""The connection to the database: SQLite on a volume, or PostgreSQL."""

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from wegent_runner.store.failures import as_store_errors

MIGRATIONS: Final = Path(__file__).parent / "migrations"
TIMEOUT_S: Final = 10.0
"""Seconds for one read or write. A database that is slower counts as failed."""
MIGRATION_TIMEOUT_S: Final = 600.0
"""Seconds for a migration and the wait for another runner's, as in the chart's startupProbe."""
MIGRATION_LOCK: Final = 0x57E6E47
"""Key of PostgreSQL's advisory lock: of several runners that start, one migrates."""
DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
READING: Final = "wegent_reading"
"""Execution option of a connection that only reads."""


class StoreUrlError(ValueError):
    """The URL of the store names no database that is supported."""


def connect(url: str, timeout_s: float = TIMEOUT_S) -> AsyncEngine:
    """Return the engine of a database.

    Args:
        url: ``sqlite:////path/to/file`` or ``postgresql://user:password@host/database``.
        timeout_s: Seconds for a connection, for a statement, and for a lock.

    Raises:
        StoreUrlError: the URL is neither.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:  # its message has the password
        raise StoreUrlError("the store's URL can't be read") from None
    name = parsed.get_backend_name()
    if name not in DRIVERS:
        raise StoreUrlError("the store's URL must begin with sqlite:// or postgresql://")
    parsed = parsed.set(drivername=DRIVERS[name])
    if name == "postgresql":
        return _postgresql(parsed, timeout_s)
    return _sqlite(parsed, timeout_s, pool_timeout=timeout_s)


def _sqlite(url: Any, timeout_s: float, **options: Any) -> AsyncEngine:
    engine = create_async_engine(url, connect_args={"timeout": timeout_s}, **options)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _postgresql(url: Any, timeout_s: float) -> AsyncEngine:
    milliseconds = str(int(timeout_s * 1000))
    return create_async_engine(
        url,
        pool_size=10,
        max_overflow=10,
        pool_timeout=timeout_s,
        pool_pre_ping=True,  # a server that has started again costs no error
        pool_recycle=1800,
        connect_args={
            "timeout": timeout_s,
            "command_timeout": timeout_s,
            "server_settings": {
                "application_name": "wegent-runner",
                # A runner that dies in the midst of a transaction must not hold its locks for long.
                "idle_in_transaction_session_timeout": milliseconds,
                "lock_timeout": milliseconds,
            },
        },
    )


async def migrate(engine: AsyncEngine) -> None:
    """Bring the tables to the newest version. Runners that start together wait for one another.

    Raises:
        StoreError: the database failed.
    """
    # Its statements, and the wait for another runner's, take longer than the pool's connections
    # allow.
    if engine.dialect.name != "postgresql":
        patient = _sqlite(engine.url, MIGRATION_TIMEOUT_S, poolclass=NullPool)
        async with as_store_errors(MIGRATION_TIMEOUT_S), patient.begin() as connection:
            await connection.run_sync(_upgrade)
        return
    patient = create_async_engine(
        engine.url,
        poolclass=NullPool,
        connect_args={
            "timeout": TIMEOUT_S,
            "server_settings": {"application_name": "wegent-runner"},
        },
    )
    async with as_store_errors(MIGRATION_TIMEOUT_S), patient.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _: object) -> None:
    # sqlite3 begins no transaction for DDL, and a deferred one for the rest. A migration that is
    # killed would leave half its tables; so transactions are begun here.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # A power cut must not lose the transcript of a Task that is Completed.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once if another has written
    # meanwhile; one that begins as a writer waits for its turn.
    reading = connection.get_execution_options().get(READING)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
