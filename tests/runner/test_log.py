"""A reader gets each character once and in order, however its stream is cut."""

import asyncio
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wegent_runner.runs.items import Event, Message
from wegent_runner.runs.log import LogFull, RunLog

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
        self.take(log.attempt, log.read(self.position))

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
    stored = RunLog(1, list(live.messages))
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
    second = RunLog(2, list(first.messages))
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
    await asyncio.wait_for(waiting, 1)
    log.finish("incomplete")
    log.close({})
    await asyncio.wait_for(log.wait(log.end), 1)


async def test_readers_of_a_run_that_is_given_up_wait_no_longer() -> None:
    log = RunLog(1)
    log.begin()
    waiting = asyncio.create_task(log.wait(log.end))
    await asyncio.sleep(0)
    log.abandon()
    await asyncio.wait_for(waiting, 1)
    assert log.ended
    assert "run.ended" not in [event.type for event in log.read(0)]


def test_a_run_that_writes_too_much_is_stopped() -> None:
    log = RunLog(2, [Message(0, 1, 1, "abc")], max_characters=8)
    log.begin()
    log.append("defgh")
    with pytest.raises(LogFull):
        log.append("i")
