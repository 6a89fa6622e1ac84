"""Both databases of the store: a test that asks for ``database_url`` runs on each."""

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.postgres import Postgres, postgres_server
from wegent_runner.store.engine import connect, migrate
from wegent_runner.store.transcripts import TranscriptStore


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # Not pytest's folders: only their owner can enter them, and the server has another user.
    folder = Path(tempfile.mkdtemp(prefix="wegent-postgres-"))
    try:
        with postgres_server(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[str]:
    """The name of a new database."""
    name = f"t{uuid.uuid4().hex}"
    postgres.sql(f"CREATE DATABASE {name}")
    yield name
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url(request.getfixturevalue("postgres_database"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(database_url)
    await migrate(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(database: AsyncEngine) -> AsyncIterator[TranscriptStore]:
    store = TranscriptStore(database)
    yield store
    await store.end()
