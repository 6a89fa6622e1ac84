"""Migrations, and databases that are lost, silent or full."""

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.runner.store.test_transcripts import begin
from tests.support.postgres import Postgres
from tests.support.relay import link_to
from tests.support.waiting import eventually
from wegent_runner.runs.items import Message
from wegent_runner.store.engine import MIGRATION_LOCK, StoreUrlError, connect, migrate
from wegent_runner.store.failures import StoreError
from wegent_runner.store.transcripts import TranscriptStore


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "u:secret@nonsense", ""])
def test_other_urls_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(StoreUrlError) as refused:
        connect(url)
    assert "secret" not in str(refused.value)


async def test_migrations_run_once_and_runners_that_start_together_wait(database_url: str) -> None:
    engines = [connect(database_url, timeout_s=60) for _ in range(4)]
    try:
        await asyncio.gather(*map(migrate, engines))
        await migrate(engines[0])
        for engine in engines:
            await begin(TranscriptStore(engine), "u")
        async with engines[0].connect() as connection:
            versions = await connection.execute(text("SELECT version_num FROM alembic_version"))
            assert len(versions.all()) == 1
    finally:
        for engine in engines:
            await engine.dispose()


async def test_a_migration_may_take_longer_than_a_write(database_url: str) -> None:
    holder, engine = connect(database_url), connect(database_url, timeout_s=1)
    try:
        async with holder.begin() as connection:  # locks the whole database of SQLite
            if holder.dialect.name == "postgresql":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            migrating = asyncio.create_task(migrate(engine))
            done, _ = await asyncio.wait([migrating], timeout=2.5)
            assert not done, migrating
        await migrating
        await begin(TranscriptStore(engine))
    finally:
        await holder.dispose()
        await engine.dispose()


async def test_a_failed_migration_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise OSError("killed")

    engine = connect(database_url)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("alembic.op.create_index", killed)
            with pytest.raises(StoreError):
                await migrate(engine)
        await migrate(engine)
        await begin(TranscriptStore(engine))
    finally:
        await engine.dispose()


async def test_an_unreachable_database_is_a_store_error(tmp_path: Path) -> None:
    for url in (
        f"sqlite:///{tmp_path}/absent/store.db",
        "postgresql://u:secret@127.0.0.1:1/d",
    ):
        engine = connect(url)
        with pytest.raises(StoreError) as failed:
            await migrate(engine)
        assert "secret" not in str(failed.value)
        await engine.dispose()


async def test_a_wrong_password_is_a_store_error(postgres: Postgres) -> None:
    engine = connect(f"postgresql://wegent:wrong@127.0.0.1:{postgres.port}/postgres")
    with pytest.raises(StoreError, match="InvalidPassword"):
        await migrate(engine)
    await engine.dispose()


async def test_terminated_connections_cost_an_error_at_most_and_then_it_works_again(
    postgres: Postgres, postgres_database: str
) -> None:
    engine = connect(postgres.url(postgres_database))
    await migrate(engine)
    store, holder = TranscriptStore(engine), connect(postgres.url(postgres_database))
    terminate = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        f" WHERE datname = '{postgres_database}' AND pid <> pg_backend_pid()"
    )
    try:
        await asyncio.gather(*(begin(store, f"u{number}") for number in range(5)))
        assert int(postgres.sql(terminate)) > 0
        await begin(store, "after")  # idle connections are checked before they are used
        async with holder.begin() as connection:
            await connection.execute(text("UPDATE runs SET attempt = attempt"))
            writing = asyncio.create_task(store.add("u1", Message(0, 1, 1, "x")))
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            await eventually(lambda: postgres.sql(waiting) == "1", within_s=30, what="a wait")
            postgres.sql(f"{terminate} AND wait_event_type = 'Lock'")
            with pytest.raises(StoreError):
                await writing
        await store.add("u1", Message(0, 1, 1, "x"))
        await begin(store, "again")
    finally:
        await holder.dispose()
        await engine.dispose()


async def test_a_stopped_server_is_a_store_error_and_a_started_one_works(
    postgres: Postgres, postgres_database: str
) -> None:
    engine = connect(postgres.url(postgres_database), timeout_s=2)
    await migrate(engine)
    failures: list[StoreError] = []
    store = TranscriptStore(engine, timeout_s=2, failed=failures.append)
    try:
        await begin(store)
        postgres.stop()
        try:
            with pytest.raises(StoreError):
                await store.add("u", Message(0, 1, 1, "x"))
            with pytest.raises(StoreError):
                await store.get("u")
        finally:
            postgres.start()
        await store.add("u", Message(0, 1, 1, "x"))
        assert len(failures) == 2
    finally:
        await engine.dispose()


async def test_a_silent_database_is_a_store_error_in_time(
    postgres: Postgres, postgres_database: str
) -> None:
    """A connection that takes bytes and answers nothing, as after a network's partition."""
    async with link_to(f"tcp://127.0.0.1:{postgres.port}") as link:
        engine = connect(postgres.url(postgres_database, link.port), timeout_s=1)
        await migrate(engine)
        store = TranscriptStore(engine, timeout_s=1)
        try:
            await begin(store)
            link.stall()
            asked = time.monotonic()
            results = await asyncio.gather(
                *(store.add("u", Message(number, 1, 1, "x")) for number in range(25)),
                return_exceptions=True,
            )
            assert all(isinstance(it, StoreError) for it in results), results
            assert time.monotonic() - asked < 8
            link.flow()
            link.cut()
            await begin(store, "again")
        finally:
            link.flow()
            await engine.dispose()


async def test_a_lock_that_another_holds_is_a_store_error_in_time(
    database: AsyncEngine, database_url: str
) -> None:
    await begin(TranscriptStore(database))
    other = connect(database_url, timeout_s=1)
    store = TranscriptStore(other, timeout_s=2)
    try:
        async with database.begin() as connection:
            await connection.execute(text("UPDATE runs SET attempt = attempt"))
            asked = time.monotonic()
            with pytest.raises(StoreError):
                await store.add("u", Message(0, 1, 1, "x"))
            assert time.monotonic() - asked < 5
            assert await store.get("u") is not None, "readers don't wait for a writer"
        await store.add("u", Message(0, 1, 1, "x"))
    finally:
        await other.dispose()


async def test_a_full_sqlite_is_a_store_error_that_names_it_and_room_mends_it(
    tmp_path: Path,
) -> None:
    engine = connect(f"sqlite:///{tmp_path}/store.db")
    await migrate(engine)
    store = TranscriptStore(engine)
    try:
        await begin(store)
        await limit_pages(engine, 20)
        with pytest.raises(StoreError, match="SQLITE_FULL"):
            await store.add("u", Message(0, 1, 1, "x" * 500_000))
        with pytest.raises(StoreError, match="SQLITE_FULL"):
            await store.probe("probe")
        found = await store.get("u")
        assert found is not None
        assert found.items == ()
        await limit_pages(engine, 1 << 30)
        await store.add("u", Message(0, 1, 1, "x" * 500_000))
        await store.probe("probe")
        assert await store.get("probe") is None
    finally:
        await engine.dispose()


async def limit_pages(engine: AsyncEngine, pages: int) -> None:
    """Limit the size of a SQLite file, on all connections of the pool."""

    def limit(connection: object, *_: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(f"PRAGMA max_page_count={pages}")
        cursor.close()

    event.listen(engine.sync_engine, "checkout", limit)
    async with engine.connect():
        pass
