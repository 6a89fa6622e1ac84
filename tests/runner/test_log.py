"""A reader gets each character once and in order, however its stream is cut."""

import asyncio
import random
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegent_runner.runs.hub import Hub
from wegent_runner.runs.items import FIRST_POSITION, Event, Message, restarted
from wegent_runner.runs.log import READ_POSITIONS, LogFull, RunLog
from wegent_runner.serve.sse import PIECE_BYTES, stream

TEXTS = st.lists(st.lists(st.text(max_size=40), max_size=8), min_size=1, max_size=4)


class Reader:
    """A viewer that keeps the texts it has read, and drops what it is told to drop."""

    def __init__(self) -> None:
        self.attempt, self.position = 0, 0
        self.pieces: list[tuple[int, str]] = []
        self.outcome: dict[str, object] | None = None

    def take(self, attempt: int, events: Iterable[Event]) -> None:
        for event in events:
            if event.type == "run.restarted":
                valid = event.data["valid_until"]
                self.pieces = [it for it in self.pieces if it[0] <= valid]
            elif event.type == "response.output_text.delta":
                self.pieces.append((event.position, event.data["delta"]))
            elif event.type == "run.ended":
                self.outcome = event.data
            self.attempt, self.position = attempt, event.position

    def resume(self, log: RunLog) -> None:
        self.position, first = log.resume(self.attempt, self.position)
        self.take(log.attempt, first)
        while events := log.read(self.position):
            self.take(log.attempt, events)

    @property
    def text(self) -> str:
        return "".join(piece for _, piece in self.pieces)


@given(TEXTS, st.randoms(use_true_random=False))
def test_cut_anywhere_and_resumed_the_text_is_the_same(
    texts: list[list[str]], chance: random.Random
) -> None:
    log, readers = RunLog(1), [Reader() for _ in range(3)]
    for chunks in texts:
        log.begin("ns/b")
        for chunk in chunks:
            log.append(chunk)
            for reader in readers:
                if chance.random() < 0.5:
                    reader.resume(log)
        log.finish()
    log.close({"phase": "Completed"})
    whole = "".join(map("".join, texts))
    for reader in readers:
        reader.resume(log)
        assert reader.text == whole
        assert reader.outcome == {"phase": "Completed"}
        assert reader.position == log.end


@given(TEXTS, st.randoms(use_true_random=False))
def test_stored_messages_give_the_events_and_positions_that_were_streamed(
    texts: list[list[str]], chance: random.Random
) -> None:
    live = RunLog(1)
    for chunks in texts:
        live.begin()
        for chunk in chunks:
            live.append(chunk)
        live.finish()
    stored = RunLog(1, list(live.items))
    for cut in {chance.randint(0, live.end) for _ in range(8)}:
        assert stored.read(cut) == live.read(cut)
    assert stored.end == live.end


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_a_call_that_is_made_again_replaces_its_text(first: str, lost: str, again: str) -> None:
    log, early, late = RunLog(1), Reader(), Reader()
    log.begin()
    log.append(first)
    log.finish()
    log.begin()
    log.append(lost)
    early.resume(log)
    log.discard()
    log.begin()
    log.append(again)
    early.resume(log)
    late.resume(log)
    assert early.text == late.text == first + again
    log.finish()
    early.resume(log)
    assert early.position == log.end
    assert early.text == first + again


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1), st.text())
def test_a_later_attempt_goes_on_after_the_last_finished_message(
    kept: str, lost: str, again: str, more: str
) -> None:
    first, reader = RunLog(1), Reader()
    first.begin()
    first.append(kept)
    first.finish()
    first.begin()
    first.append(lost)
    reader.resume(first)
    second = RunLog(2, list(first.items))
    second.begin()
    second.append(again)
    reader.resume(second)
    assert reader.text == kept + again
    second.append(more)
    second.finish()
    second.close({})
    reader.resume(second)
    assert reader.text == kept + again + more


async def test_readers_wait_for_more_and_for_the_end() -> None:
    log = RunLog(1)
    log.begin()
    waiting = asyncio.create_task(log.wait(log.end))
    await asyncio.sleep(0)
    assert not waiting.done()
    log.append("x")
    await asyncio.wait_for(waiting, 30)
    log.finish("incomplete")
    log.close({})
    await asyncio.wait_for(log.wait(log.end), 30)


async def test_a_delta_that_no_reader_waits_for_wakes_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[asyncio.Event] = []

    class Counted(asyncio.Event):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr("wegent_runner.runs.log.asyncio.Event", Counted)
    log = RunLog(1)
    log.begin()
    for _ in range(10):
        log.append("x")
    assert not made
    waiting = [asyncio.create_task(log.wait(log.end)) for _ in range(3)]
    await asyncio.sleep(0)
    log.append("x")
    log.append("x")
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    assert len(made) == 1


def test_the_first_events_of_a_message_are_built_for_new_readers_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = RunLog(1)
    log.begin()
    log.append("x")
    position = log.read(0)[-1].position
    log.append("y")
    monkeypatch.setattr("wegent_runner.runs.log.opening", None)
    assert [event.data["delta"] for event in log.read(position)] == ["y"]


async def test_readers_of_a_run_that_is_given_up_wait_no_longer() -> None:
    log = RunLog(1)
    log.begin()
    waiting = asyncio.create_task(log.wait(log.end))
    await asyncio.sleep(0)
    log.abandon()
    await asyncio.wait_for(waiting, 30)
    assert log.ended
    assert "run.ended" not in [event.type for event in log.read(0)]


async def test_readers_of_a_log_that_is_replaced_wait_no_longer() -> None:
    hub, former, log = Hub(), RunLog(1), RunLog(2)
    hub.add("u", former)
    waiting = asyncio.create_task(former.wait(FIRST_POSITION))
    await asyncio.sleep(0)
    hub.add("u", log)
    await asyncio.wait_for(waiting, 30)
    assert former.abandoned
    assert not log.ended
    assert hub.get("u") is log


def test_a_run_that_writes_too_much_is_stopped() -> None:
    log = RunLog(2, [Message(0, 1, 1, "abc")], max_characters=8)
    log.begin()
    log.append("defgh")
    with pytest.raises(LogFull):
        log.append("i")


@given(
    st.lists(
        st.lists(st.tuples(st.text(min_size=1, max_size=9), st.booleans()), max_size=4),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 1),
    st.randoms(use_true_random=False),
)
def test_dropped_text_stays_with_no_reader_whenever_it_comes_back(
    attempts: list[list[tuple[str, bool]]], paused: int, chance: random.Random
) -> None:
    """Each attempt writes messages, some of which are dropped; the last log is a stored one."""
    readers = [Reader() for _ in range(4)]
    kept: list[Message] = []

    def look(log: RunLog) -> None:
        for reader in readers:
            if chance.random() < 0.4:
                reader.resume(log)

    for number, messages in enumerate(attempts, 1):
        log = RunLog(number, kept)
        for text, is_kept in messages:
            log.begin()
            look(log)
            for character in text:
                log.append(character)
                look(log)
            if is_kept:
                kept.append(log.finish())
            else:
                log.discard()
            look(log)
        if not paused:  # killed in the midst of a message
            log.begin()
            log.append("lost")
            look(log)
    last = RunLog(len(attempts), kept)
    last.close({"phase": "Cancelled"})
    for reader in readers:
        reader.resume(last)
        assert reader.text == "".join(message.text for message in kept)
        assert reader.position == last.end


async def test_a_reader_waits_while_a_call_is_about_to_be_made_again() -> None:
    log = RunLog(1)
    position = log.end
    log.begin()
    log.append("lost")
    log.discard()
    waiting = asyncio.create_task(log.wait(position))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert log.read(position) == []
    log.begin()
    await asyncio.wait_for(waiting, 30)
    assert log.read(position) != []


@pytest.mark.parametrize("seen", [1, 4, 7])
async def test_a_stream_ends_if_its_run_is_given_up_in_a_pause(seen: int) -> None:
    """``seen`` is before, inside and after the dropped text."""
    log = RunLog(1)
    log.begin()
    log.append("abc")
    log.discard()
    assert log.end == 7
    log.abandon()
    async with asyncio.timeout(30):
        pieces = [it async for it in stream(log, 1, seen)]
    told = [b"event: run.restarted" in it for it in pieces]
    assert told == ([True] if seen == 4 else [])


def test_a_text_of_single_characters_takes_little_memory() -> None:
    log, characters = RunLog(1), 200_000
    log.begin()
    tracemalloc.start()
    for _ in range(characters):
        log.append("x")
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 2 * characters
    assert log.finish().text == "x" * characters


@pytest.mark.parametrize("finished", ["finished", ""])
async def test_a_reader_of_a_long_text_gets_it_in_pieces(finished: str) -> None:
    log, text = RunLog(1), "".join(chr(97 + number % 26) for number in range(300_000))
    log.begin()
    for at in range(0, len(text), 7):
        log.append(text[at : at + 7])
    if finished:
        log.finish()
    reader = Reader()
    while events := log.read(reader.position):
        assert events[-1].position - reader.position < 2 * READ_POSITIONS
        reader.take(1, events)
    assert reader.text == text
    assert reader.position == log.end
    log.abandon()
    pieces = [it async for it in stream(log, 0, 0)]
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert b"".join(pieces).count(b"event: response.output_text.delta") < len(text) // 4096 + 99


async def test_a_stream_of_a_stored_run_tells_a_reader_to_drop_text_that_a_retry_dropped() -> None:
    live = RunLog(1)
    live.begin()
    live.append("x" * 30)
    live.discard()
    live.begin()
    live.append("yes")
    kept = live.finish()
    stored = RunLog(1, [kept])
    stored.close({"phase": "Completed"})
    told = b"".join([it async for it in stream(stored, 1, 20)])
    assert told.startswith(b"id: 1.%d\nevent: run.restarted\n" % kept.start)
    assert b'"valid_until":1}' in told
    second = RunLog(2, [kept])
    assert second.resume(1, 20) == (1, [restarted(2, 1, 1)])
    assert second.resume(1, kept.end) == (kept.end, [restarted(2, kept.end, kept.end)])


@pytest.mark.parametrize("position", [4, 9, 10**9])
def test_a_reader_of_an_attempt_that_is_not_known_here_begins_anew(position: int) -> None:
    log, reader = RunLog(1), Reader()
    log.begin("ns/b")
    log.append("a text that is longer than what was read")
    reader.attempt, reader.position, reader.pieces = 9, position, [(position, "of another log")]
    reader.resume(log)
    assert reader.text == "a text that is longer than what was read"
    assert reader.attempt == 1


async def test_a_reader_that_has_the_end_is_told_it_again() -> None:
    """The API proxy takes a stream without the end for a broken one, and tries for a minute."""
    log = RunLog(2)
    log.begin()
    log.append("abc")
    log.finish()
    log.close({"phase": "Completed"})
    async with asyncio.timeout(30):
        (only,) = [it async for it in stream(log, 2, log.end)]
    assert only.startswith(b"id: 2.%d\nevent: run.ended\n" % log.end)
