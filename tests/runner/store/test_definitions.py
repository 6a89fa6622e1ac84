"""The specs that a run used are kept as they were, once each, and as long as a run refers to them.

On both databases.
"""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from wegent_runner.runs.used import AttemptRecord, UsedObject, used_object
from wegent_runner.store import definitions
from wegent_runner.store.failures import Fenced
from wegent_runner.store.retention import YOUNG_S
from wegent_runner.store.transcripts import TranscriptStore

LATER_MS = 1 << 60
"""A time after every write of a test."""


def used(plural: str, name: str, generation: int = 1, **spec: Any) -> UsedObject:
    metadata = {"namespace": "ns", "name": name, "uid": f"{name}-uid", "generation": generation}
    return used_object(plural, {"metadata": metadata, "spec": spec})


GHOST = used("ghosts", "g", systemPrompt="You help. é😀")
GHOST_2 = used("ghosts", "g", 2, systemPrompt="You refuse.")
MODEL = used("models", "m", provider="openai", model="gpt")


async def begin(
    store: TranscriptStore, *objects: UsedObject, uid: str = "u", attempt: int = 1
) -> None:
    await store.open(uid, attempt, namespace="ns", name="t", prompt="Hi", used=objects)


async def count(database: AsyncEngine, table: str) -> int:
    async with database.connect() as connection:
        found: int = await connection.scalar(text(f"SELECT count(*) FROM {table}"))
        return found


def record(attempt: int, *objects: UsedObject) -> AttemptRecord:
    return AttemptRecord(attempt, tuple(it.version for it in objects))


async def test_the_versions_and_specs_are_read_as_they_were(store: TranscriptStore) -> None:
    await begin(store, GHOST, MODEL)
    assert await store.records("u") == [record(1, GHOST, MODEL)]
    found = await store.definitions("u")
    assert {hash_: json.loads(body) for hash_, body in found.items()} == {
        GHOST.version.hash: GHOST.spec,
        MODEL.version.hash: MODEL.spec,
    }
    assert await store.records("absent") == []
    assert await store.definitions("absent") == {}


async def test_an_attempt_with_another_prompt_adds_a_record(
    store: TranscriptStore, database: AsyncEngine
) -> None:
    await begin(store, GHOST, MODEL)
    await begin(store, GHOST, MODEL, attempt=2)
    await begin(store, GHOST_2, MODEL, attempt=3)
    await begin(store, GHOST_2, MODEL, attempt=4)
    assert await store.records("u") == [record(1, GHOST, MODEL), record(3, GHOST_2, MODEL)]
    assert await count(database, "definitions") == 3


async def test_a_model_that_is_called_later_is_added_to_its_attempt(
    store: TranscriptStore,
) -> None:
    fallback = used("models", "f", provider="openai", model="mini")
    await begin(store, GHOST, MODEL)
    await store.use("u", 1, [GHOST, MODEL, fallback])
    await store.use("u", 1, [GHOST, MODEL, fallback])
    assert await store.records("u") == [record(1, GHOST, MODEL, fallback)]
    await begin(store, GHOST, MODEL, attempt=2)
    with pytest.raises(Fenced):
        await store.use("u", 1, [GHOST_2])
    assert await store.records("u") == [
        record(1, GHOST, MODEL, fallback),
        record(2, GHOST, MODEL),
    ]


async def test_an_attempt_that_finds_the_answer_used_nothing(store: TranscriptStore) -> None:
    await begin(store, GHOST)
    await store.close("u", 1, {"phase": "Completed"})
    await begin(store, GHOST_2, attempt=2)
    assert await store.records("u") == [record(1, GHOST)]


async def test_a_spec_is_kept_once_and_goes_with_the_last_run_that_used_it(
    store: TranscriptStore, database: AsyncEngine
) -> None:
    twin = used("ghosts", "twin", systemPrompt="You help. é😀")
    await begin(store, GHOST, MODEL, uid="a")
    await begin(store, GHOST, twin, uid="b")
    assert await count(database, "definitions") == 2
    assert list(await store.definitions("b")) == [GHOST.version.hash]
    await store.delete(["a"], LATER_MS)
    assert await count(database, "definitions") == 1
    assert list(await store.definitions("b")) == [GHOST.version.hash]
    await store.delete(["b"], LATER_MS)
    assert await count(database, "definitions") == 0
    assert await count(database, "run_definitions") == 0


async def test_a_spec_in_recent_use_outlives_its_runs(
    store: TranscriptStore, database: AsyncEngine
) -> None:
    """A run that begins now may have looked for it already."""
    await begin(store, GHOST)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE runs SET used_at = 1"))
    await store.delete(["u"], 2)
    assert await count(database, "runs") == 0
    assert await count(database, "definitions") == 1
    await begin(store, GHOST, uid="v")
    assert list(await store.definitions("v")) == [GHOST.version.hash]


async def test_a_use_puts_off_the_deletion_of_an_old_spec(
    store: TranscriptStore, database: AsyncEngine
) -> None:
    await begin(store, GHOST)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE definitions SET used_at = 1"))
    await begin(store, GHOST, uid="v")
    async with database.connect() as connection:
        assert await connection.scalar(text("SELECT used_at FROM definitions")) > 1


def test_a_spec_is_kept_for_longer_than_its_last_use_stays_unwritten() -> None:
    assert definitions.RECENT_MS < YOUNG_S * 1000 / 2


async def test_a_restored_task_keeps_its_record(store: TranscriptStore) -> None:
    await begin(store, GHOST, MODEL)
    await store.adopt("new", ["u"], namespace="ns", name="t")
    assert await store.records("new") == [record(1, GHOST, MODEL)]
    assert await store.records("u") == []
    assert len(await store.definitions("new")) == 2


async def test_long_specs_are_read_one_by_one(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "MAX_DEFINITION_CHARACTERS", 1000)
    long = [used("skills", f"s{i}", content=str(i) * 600) for i in range(3)]
    await begin(store, *long)
    hashes = [it.version.hash for it in long]
    assert list(await store.definitions("u")) == hashes[:1]
    assert list(await store.definitions("u", hashes[2])) == hashes[2:]
    await begin(store, *long, uid="other")
    assert await store.definitions("absent", hashes[2]) == {}, "another run's"


async def test_thousands_of_objects_are_recorded(store: TranscriptStore) -> None:
    many = [used("skills", f"s{i}", content=str(i)) for i in range(2000)]
    await begin(store, *many)
    assert await store.records("u") == [record(1, *many)]
    assert len(await store.definitions("u")) == 2000


async def test_runs_that_begin_at_once_share_the_specs(
    store: TranscriptStore, database: AsyncEngine
) -> None:
    both = [GHOST, MODEL]
    await asyncio.gather(
        *(begin(store, *both[:: 1 if i % 2 else -1], uid=f"u{i}") for i in range(50))
    )
    assert await count(database, "definitions") == 2
    assert await count(database, "run_definitions") == 100
