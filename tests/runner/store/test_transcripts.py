"""Transcripts are stored whole, and an attempt that is over can't write, on both databases."""

import asyncio
import random
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from wegent_runner.runs.items import Message, ToolCall, ToolResult
from wegent_runner.store import transcripts
from wegent_runner.store.failures import Fenced, StoreError
from wegent_runner.store.transcript import Transcript
from wegent_runner.store.transcripts import TranscriptStore


async def begin(
    store: TranscriptStore, uid: str = "u", attempt: int = 1, previous: str | None = None
) -> Transcript:
    return await store.open(
        uid, attempt, namespace="ns", name="t", prompt=f"ask {uid}", previous=previous
    )


async def test_a_run_is_stored_and_read(store: TranscriptStore) -> None:
    assert await store.get("u") is None
    assert (await begin(store)).items == ()
    first = Message(0, 1, 1, "one é😀", bot="ns/b")
    second = Message(1, 1, first.end, "", status="incomplete")
    await store.add("u", first)
    await store.add("u", second)
    await store.close("u", 1, {"phase": "Completed", "message": "x\x00y"})
    found = await store.get("u")
    assert found == Transcript(
        "u", "ns", "t", 1, None, "ask u", (first, second),
        {"phase": "Completed", "message": "x\x00y"},
    )  # fmt: skip


async def test_a_later_attempt_goes_on_with_what_is_stored(store: TranscriptStore) -> None:
    await begin(store)
    await store.add("u", Message(0, 1, 1, "kept"))
    await store.close("u", 1, {"phase": "Failed"})
    again = await begin(store, attempt=2)
    assert [it.text for it in again.items] == ["kept"]
    assert again.outcome is None
    assert again.attempt == 2


async def test_the_answer_and_the_end_of_a_run_are_stored_together(
    store: TranscriptStore,
) -> None:
    await begin(store)
    answer = Message(0, 1, 1, "cut", status="incomplete")
    await store.close("u", 1, {"phase": "Completed"}, answer)
    again = await begin(store, attempt=2)
    assert again.items == (answer,)
    assert again.outcome == {"phase": "Completed"}
    with pytest.raises(Fenced):
        await store.close("u", 1, {"phase": "Failed"}, Message(1, 1, answer.end, "late"))
    assert await store.get("u") == again


async def test_a_lower_attempt_can_write_nothing(store: TranscriptStore) -> None:
    await begin(store, attempt=1)
    await begin(store, attempt=2)
    with pytest.raises(Fenced):
        await store.add("u", Message(0, 1, 1, "late"))
    with pytest.raises(Fenced):
        await store.close("u", 1, {"phase": "Completed"})
    with pytest.raises(Fenced):
        await begin(store, attempt=1)
    found = await store.get("u")
    assert found is not None
    assert (found.items, found.outcome, found.attempt) == ((), None, 2)


async def test_nothing_is_written_for_a_deleted_run(store: TranscriptStore) -> None:
    await begin(store)
    await store.add("u", Message(0, 1, 1, "x"))
    await store.delete(["u", "absent"])
    assert await store.get("u") is None
    with pytest.raises(Fenced):
        await store.add("u", Message(1, 1, 7, "y"))


async def test_of_attempts_that_begin_at_once_the_highest_stays(store: TranscriptStore) -> None:
    for number in range(10):
        uid = f"u{number}"
        attempts = random.Random(number).sample(range(1, 9), 8)
        begun = await asyncio.gather(
            *(begin(store, uid, attempt) for attempt in attempts), return_exceptions=True
        )
        assert all(isinstance(it, Transcript | Fenced) for it in begun), begun
        found = await store.get(uid)
        assert found is not None
        assert found.attempt == 8
        assert isinstance(begun[attempts.index(8)], Transcript)


async def test_two_writers_that_race_leave_the_items_of_one(store: TranscriptStore) -> None:
    """The older writer's items come all before its successor begins, and none after."""

    async def older(uid: str) -> int:
        start = 1
        for index in range(50):
            item = Message(index, 1, start, "old")
            try:
                await store.add(uid, item)
            except Fenced:
                return index
            start = item.end
        return 50

    async def newer(uid: str) -> Transcript:
        await asyncio.sleep(0.01)
        carried = await begin(store, uid, 2)
        last = carried.items[-1].end if carried.items else 1
        await store.add(uid, Message(len(carried.items), 2, last, "new"))
        return carried

    for number in range(5):
        uid = f"u{number}"
        await begin(store, uid)
        written, carried = await asyncio.gather(older(uid), newer(uid))
        found = await store.get(uid)
        assert found is not None
        assert len(carried.items) == written
        assert [it.text for it in found.items] == ["old"] * written + ["new"]


async def test_two_hundred_writes_at_once_all_succeed(store: TranscriptStore) -> None:
    async def run(uid: str) -> None:
        await begin(store, uid)
        await store.add(uid, Message(0, 1, 1, uid))
        await store.close(uid, 1, {"phase": "Completed"})

    uids = [f"u{number}" for number in range(200)]
    await asyncio.gather(*map(run, uids))
    for uid in uids:
        found = await store.get(uid)
        assert found is not None
        assert found.items[0].text == uid


async def test_writes_that_are_cancelled_leave_the_store_usable(store: TranscriptStore) -> None:
    chance = random.Random(5)
    for number in range(40):
        writing = asyncio.create_task(begin(store, f"c{number}"))
        await asyncio.sleep(chance.uniform(0, 0.01))
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    await asyncio.gather(*(begin(store, f"u{number}") for number in range(30)))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\x00b", "a�b"),
        ("half \ud83d of a pair", "half � of a pair"),
        ("é😀\u2028\U0010ffff", "é😀\u2028\U0010ffff"),
        ("x" * (4 << 20), "x" * (4 << 20)),
        ("😀" * (1 << 20), "😀" * (1 << 20)),
    ],
    ids=["nul", "surrogate", "unicode", "4 MiB", "4 MiB of emoji"],
)
async def test_any_text_is_stored_at_its_length(
    store: TranscriptStore, text: str, stored: str
) -> None:
    await store.open("u", 1, namespace="ns", name="t", prompt=text)
    await store.add("u", Message(0, 1, 1, text))
    found = await store.get("u")
    assert found is not None
    assert found.prompt == stored
    assert found.items[0].text == stored
    assert len(stored) == len(text)


async def conversation(store: TranscriptStore, uid: str) -> list[str]:
    found = await store.conversation(uid)
    assert found.whole
    return [it.uid for it in found.transcripts]


async def test_a_conversation_is_returned_with_its_oldest_turn_first(
    store: TranscriptStore,
) -> None:
    await begin(store, "a")
    await begin(store, "b", previous="a")
    await begin(store, "c", previous="b")
    assert await conversation(store, "c") == ["a", "b", "c"]
    await store.delete(["a"])
    assert await conversation(store, "c") == ["b", "c"]
    assert await conversation(store, "absent") == []


async def test_a_conversation_that_leads_back_to_itself_ends(store: TranscriptStore) -> None:
    await begin(store, "a", previous="b")
    await begin(store, "b", previous="a")
    assert await conversation(store, "b") == ["a", "b"]


async def test_a_long_conversation_is_loaded_up_to_its_maximum_size(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "MAX_CONVERSATION_BYTES", 1000)
    for number, letters in enumerate(["o" * 100, "😀" * 50, "n" * 700, "b" * 2000]):
        uid = f"u{number}"
        await begin(store, uid, previous=f"u{number - 1}" if number else None)
        await store.add(uid, Message(0, 1, 1, letters))
    for uid, loaded, whole in [("u3", ["u3"], False), ("u2", ["u1", "u2"], False)]:
        found = await store.conversation(uid)
        assert [it.uid for it in found.transcripts] == loaded
        assert found.whole is whole
    assert await conversation(store, "u1") == ["u0", "u1"]


async def test_more_turns_than_the_maximum_are_left_out(
    store: TranscriptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "MAX_TURNS", 2)
    await begin(store, "a")
    await begin(store, "b", previous="a")
    await begin(store, "c", previous="b")
    assert await conversation(store, "b") == ["a", "b"]
    found = await store.conversation("c")
    assert [it.uid for it in found.transcripts] == ["b", "c"]
    assert not found.whole


async def test_a_restored_task_takes_its_former_transcript_over(store: TranscriptStore) -> None:
    await begin(store, "old")
    await store.add("old", Message(0, 1, 1, "answer"))
    await store.close("old", 1, {"phase": "Completed"})
    await begin(store, "next", previous="old")
    assert not await store.adopt("new", ["lost", "old"], namespace="other", name="t")
    assert not await store.adopt("new", ["lost", "old"], namespace="ns", name="other")
    assert await store.adopt("new", ["lost", "old"], namespace="ns", name="t")
    assert not await store.adopt("new", ["lost", "old"], namespace="ns", name="t")
    assert await store.get("old") is None
    found = await store.get("new")
    assert found is not None
    assert found.items[0].text == "answer"
    assert found.outcome == {"phase": "Completed"}
    assert await conversation(store, "next") == ["new", "next"]


async def test_readers_that_adopt_at_once_move_a_transcript_once(store: TranscriptStore) -> None:
    for number in range(20):
        old, new = f"old{number}", f"new{number}"
        await begin(store, old)
        await store.add(old, Message(0, 1, 1, "answer"))
        moved = await asyncio.gather(
            *(store.adopt(new, [old], namespace="ns", name="t") for _ in range(8))
        )
        assert sorted(moved) == [False] * 7 + [True]
        found = await store.get(new)
        assert found is not None
        assert found.items[0].text == "answer"


async def test_a_row_that_the_database_refuses_is_no_lost_database(database: AsyncEngine) -> None:
    failures: list[StoreError] = []
    store = TranscriptStore(database, failed=failures.append)
    await begin(store)
    unknown: Any = None
    with pytest.raises(StoreError, match=r"NotNullViolation|CONSTRAINT"):
        await store.add("u", Message(0, 1, 1, "x", bot=unknown))
    assert failures == []


async def test_an_item_that_was_written_without_an_answer_is_written_again(
    database: AsyncEngine,
) -> None:
    store = TranscriptStore(database)
    await begin(store)
    first, second = Message(0, 1, 1, "x"), Message(1, 1, 7, "y")
    await store.add("u", first)
    await store.add("u", first, second)
    stored = await store.get("u")
    assert stored is not None
    assert stored.items == (first, second)


async def test_an_item_without_the_one_it_belongs_to_is_left_out(database: AsyncEngine) -> None:
    store = TranscriptStore(database)
    await begin(store)
    call = ToolCall(0, 1, 1, "{}", "s", "t", place=0)
    await store.add("u", ToolResult(1, 1, 3, "lost", call, place=0), Message(2, 1, 5, "kept"))
    stored = await store.get("u")
    assert stored is not None
    assert [item.text for item in stored.items] == ["kept"]


async def test_many_readers_leave_connections_to_writers(database: AsyncEngine) -> None:
    failures: list[StoreError] = []
    store = TranscriptStore(database, 1.0, failures.append)
    leave = asyncio.Event()

    async def read() -> None:
        async with store._read():
            await leave.wait()

    readers = [asyncio.create_task(read()) for _ in range(30)]
    await asyncio.sleep(0.1)
    await asyncio.wait_for(begin(store), 30)
    leave.set()
    await asyncio.gather(*readers)
    assert failures == []


async def test_a_restored_task_that_has_run_keeps_its_own_transcript(
    store: TranscriptStore,
) -> None:
    await begin(store, "old")
    await begin(store, "new")
    assert not await store.adopt("new", ["lost", "old"], namespace="ns", name="t")
    assert await store.get("old") is not None


async def test_unused_runs_come_in_pages(store: TranscriptStore) -> None:
    for number in range(5):
        await begin(store, f"u{number}")
    far = 1 << 50
    assert await store.unused_since(far, limit=2) == ["u0", "u1"]
    assert await store.unused_since(far, after="u1", limit=9) == ["u2", "u3", "u4"]
    assert await store.unused_since(1) == []
    await store.delete(["u0"], before_ms=1)
    assert await store.get("u0") is not None, "it was written since"
