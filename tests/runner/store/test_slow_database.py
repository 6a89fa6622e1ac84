"""Operations that take too long fail, and leave no lock in SQLite."""

import asyncio
import gc
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from wegent_runner.runs.items import Message
from wegent_runner.store import operations
from wegent_runner.store.engine import connect, migrate
from wegent_runner.store.failures import StoreError
from wegent_runner.store.transcripts import TranscriptStore

ROUNDS = 12
AT_ONCE = 10


@pytest.fixture
def without_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_garbage_collection")
async def test_a_timeout_leaves_no_lock_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that is cancelled in its thread holds SQLite's lock until it is collected."""
    monkeypatch.setattr(operations, "GRACE_S", 0.0)
    engine = connect(f"sqlite:///{tmp_path}/store.db", 5.0)
    await migrate(engine)
    patient, chance, failed = TranscriptStore(engine, 5.0), random.Random(2), 0

    async def write(name: str) -> None:
        nonlocal failed
        store = TranscriptStore(engine, chance.uniform(0.001, 0.03))
        try:
            await store.open(name, 1, namespace="ns", name=name, prompt="q" * 1000)
            await store.add(name, Message(0, 1, 1, "y" * 1000))
            await store.close(name, 1, {})
            await store.get(name)
        except StoreError:
            failed += 1
        await store.finished()

    for number in range(ROUNDS):
        await asyncio.gather(*(write(f"u{number}-{it}") for it in range(AT_ONCE)))
        await patient.open(f"p{number}", 1, namespace="ns", name="p", prompt="q")
    await patient.end()
    assert failed > 0
