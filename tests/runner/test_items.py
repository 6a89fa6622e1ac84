"""Items of all kinds keep their positions when they are stored, and are read from any of them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.runner.store.databases import database, database_url, store
from wegent_runner.runs.items import (
    UNPLACED,
    Answer,
    Event,
    Message,
    Question,
    ToolCall,
    ToolResult,
    output_items,
    place_of,
)
from wegent_runner.runs.log import LogFull, RunLog
from wegent_runner.store.transcripts import TranscriptStore

__all__ = ["database", "database_url", "store"]


def fill(log: RunLog, chance: random.Random, count: int) -> None:
    """Add some items of all kinds."""
    open_calls: list[ToolCall] = []
    open_questions: list[Question] = []
    for number in range(count):
        kind = chance.choice(["say", "stream", "drop", "call", "result", "ask", "answer"])
        if kind == "say":
            log.add(Message(*UNPLACED, "whole é", bot="ns/b", thread="1", final=False))
        elif kind in {"stream", "drop"}:
            log.begin("ns/b", step=number)
            for piece in ("a", "bc", "", "😀"):
                log.append(piece)
            if kind == "stream":
                log.finish()
            else:
                log.discard()
        elif kind == "call":
            open_calls.append(log.add(ToolCall(*UNPLACED, "{}", "time", "now")))
        elif kind == "result" and open_calls:
            call = open_calls.pop(chance.randrange(len(open_calls)))
            log.add(ToolResult(*UNPLACED, "noon", call, chance.choice(["completed", "failed"])))
        elif kind == "ask":
            about = open_calls[-1] if open_calls else None
            open_questions.append(log.add(Question(*UNPLACED, "May I?", "approval", about)))
        elif kind == "answer" and open_questions:
            log.add(Answer(*UNPLACED, "", open_questions.pop(), "approve", "alice"))


def read_all(log: RunLog, position: int = 0) -> list[Event]:
    events: list[Event] = []
    while more := log.read(position):
        events += more
        position = more[-1].position
    return events


@given(st.randoms(use_true_random=False), st.integers(0, 30))
def test_positions_grow_by_the_events_and_characters(chance: random.Random, count: int) -> None:
    log = RunLog(1)
    fill(log, chance, count)
    log.close({"phase": "Completed"})
    position = 0
    for event in read_all(log):
        grown = event.position - position
        position = event.position
        if event.type == "response.output_text.delta":
            assert grown == len(event.data["delta"])
        elif event.type != "run.restarted":
            assert grown >= 1
    assert position == log.end


@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_a_cut_at_any_event_loses_none_and_repeats_none(chance: random.Random, count: int) -> None:
    log = RunLog(1)
    fill(log, chance, count)
    log.close({"phase": "Completed"})
    whole = [it for it in read_all(log) if it.type != "run.restarted"]
    for cut in range(len(whole)):
        rest = [it for it in read_all(log, whole[cut].position) if it.type != "run.restarted"]
        assert rest == whole[cut + 1 :]


@given(st.randoms(use_true_random=False), st.integers(0, 40))
def test_places_are_those_of_the_output_without_gaps(chance: random.Random, count: int) -> None:
    log = RunLog(1)
    fill(log, chance, count)
    output = output_items(log.items)
    opened = [it for it in log.items if not isinstance(it, ToolResult)]
    assert [place_of(it) for it in opened] == list(range(len(output)))
    assert [it["id"] for it in output] == [it.id for it in opened]
    assert all(place_of(it) == place_of(it.call) for it in log.items if isinstance(it, ToolResult))


@given(st.randoms(use_true_random=False))
def test_openais_client_knows_the_events(chance: random.Random) -> None:
    log, client = RunLog(1), TypeAdapter[ResponseStreamEvent](ResponseStreamEvent)
    fill(log, chance, 5)
    for event in read_all(log):
        if event.type.startswith("response."):
            number = {"type": event.type, "sequence_number": event.position}
            assert client.validate_python({**event.data, **number}).type == event.type


@pytest.mark.parametrize("seed", range(5))
async def test_stored_items_are_those_of_the_log(store: TranscriptStore, seed: int) -> None:
    log = RunLog(1)
    fill(log, random.Random(seed), 40)
    await store.open("u", 1, namespace="ns", name="t", prompt="q")
    await store.add("u", *log.items)
    stored = await store.get("u")
    assert stored is not None
    assert list(stored.items) == list(log.items)
    assert read_all(RunLog(1, stored.items))[-1:] == read_all(log)[-1:]


def test_all_texts_together_are_bounded() -> None:
    log = RunLog(1, max_characters=10)
    call = log.add(ToolCall(*UNPLACED, "{}", "time", "now"))
    with pytest.raises(LogFull):
        log.add(ToolResult(*UNPLACED, "123456789", call))
    log.add(ToolResult(*UNPLACED, "12345678", call))
    with pytest.raises(LogFull):
        log.add(Message(*UNPLACED, "x"))
