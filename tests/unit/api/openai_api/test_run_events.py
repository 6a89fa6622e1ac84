"""A run's events, with restarts, as a client of OpenAI's API may see them."""

from typing import Any

import pytest

from tests.unit.api.openai_api.frames import encoded
from wegent_api.openai_api.run_events import (
    Ending,
    Lasting,
    Output,
    TextIsRejected,
    TextIsVoid,
    event_id,
    sequence_number,
)
from wegent_api.runs.blocks import RunEvent, events_in

ADDED = RunEvent("response.output_item.added", {}, "1.2")
PART = RunEvent("response.content_part.added", {}, "1.3")


def delta(position: int, attempt: int = 1) -> RunEvent:
    return RunEvent("response.output_text.delta", {"delta": "x"}, f"{attempt}.{position}")


def restarted(valid_until: int, attempt: int = 2) -> RunEvent:
    return RunEvent("run.restarted", {"valid_until": valid_until}, f"{attempt}.{valid_until}")


def done(position: int, text: str) -> RunEvent:
    item = {"id": "msg_0", "content": [{"type": "output_text", "text": text}]}
    data = {"output_index": position, "item": item}
    return RunEvent("response.output_item.done", data, f"1.{position}")


def test_blocks_are_read() -> None:
    whole = encoded(ADDED, delta(4)) + b':\n\nevent: run.waiting\ndata: {"a": "b: c"}\n\n'
    assert list(events_in(whole)) == [ADDED, delta(4), RunEvent("run.waiting", {"a": "b: c"})]


@pytest.mark.parametrize("id_", ["1.2", "1.4000000", "2.1", "7.12345", "20.1"])
def test_a_sequence_number_names_attempt_and_position(id_: str) -> None:
    number = sequence_number(RunEvent("", {}, id_))
    assert event_id(number) == id_
    assert number < 1 << 53


def test_a_first_attempt_has_its_positions_as_numbers() -> None:
    assert sequence_number(delta(4711)) == 4711


def test_the_opening_is_held_until_there_is_text() -> None:
    lasting = Lasting()
    assert lasting.take(ADDED) == []
    assert lasting.take(PART) == []
    assert lasting.take(delta(4)) == [ADDED, PART, delta(4)]
    assert lasting.take(delta(9)) == [delta(9)]


def commentary(kind: str, position: int, text: str = "") -> RunEvent:
    content = [{"type": "output_text", "text": text}] if text else []
    item = {"id": "msg_0", "phase": "commentary", "bot": "n/b", "content": content}
    return RunEvent(kind, {"output_index": 3, "item": item}, f"2.{position}")


OPENED = commentary("response.output_item.added", 2)
CLOSED = commentary("response.output_item.done", 10, "Hmm.")


def test_a_message_that_is_no_answer_is_reasoning_as_a_whole() -> None:
    lasting = Lasting()
    assert [lasting.take(it) for it in (OPENED, PART, delta(7, 2))] == [[], [], []]
    added, last = lasting.take(CLOSED)
    reasoning = {"id": "msg_0", "type": "reasoning", "bot": "n/b"}
    summary = [{"type": "summary_text", "text": "Hmm."}]
    assert added == RunEvent(
        ADDED.type, {"output_index": 3, "item": {**reasoning, "summary": []}}, "2.9"
    )
    assert last == RunEvent(
        CLOSED.type, {"output_index": 3, "item": {**reasoning, "summary": summary}}, "2.10"
    )
    assert lasting.take(delta(20, 2)) == [delta(20, 2)], "an answer follows"
    assert Lasting(9).take(CLOSED) == [last], "the client left in between"


def test_a_restart_within_reasoning_is_not_seen() -> None:
    lasting = Lasting()
    for event in (OPENED, PART, delta(7, 2)):
        lasting.take(event)
    assert lasting.take(restarted(1)) == []
    assert len(lasting.take(CLOSED)) == 2


def test_reasoning_is_no_text_of_an_answer() -> None:
    output = Output()
    output.take(CLOSED)
    output.take(done(20, "Yes."))
    ending = Ending.of({"phase": "Completed"}, output.items)
    assert ending.text == "Yes."
    assert [it.get("type") for it in ending.items] == ["reasoning", None]


def replied(position: int, kind: str = "confirmation") -> RunEvent:
    item = {"type": "mcp_approval_response", "kind": kind, "decision": "reply"}
    return RunEvent(CLOSED.type, {"output_index": 9, "item": item}, f"1.{position}")


def test_a_reply_to_a_stage_rejects_the_text_before_it() -> None:
    lasting = Lasting()
    assert lasting.take(replied(2)) == [replied(2)], "there is no text that it could reject"
    lasting.take(delta(9))
    assert lasting.take(replied(11, "approval")) == [replied(11, "approval")]
    with pytest.raises(TextIsRejected):
        lasting.take(replied(13))
    message: dict[str, Any] = {"type": "message", "content": []}
    items = [{"id": "a", **message}, replied(13).data["item"], {"id": "b", **message}]
    ending = Ending.of({"phase": "Completed"}, items)
    assert [it["type"] for it in ending.items] == ["reasoning", "mcp_approval_response", "message"]


def test_an_item_is_the_same_in_a_transcript_and_in_a_stream() -> None:
    output = Output()
    output.take(done(20, "Yes."))
    stored = [{**item, "attempt": 1} for item in output.items]
    told = {"phase": "Completed"}
    assert Ending.of(told, stored) == Ending.of(told, output.items)


def test_a_restart_before_any_text_is_not_seen() -> None:
    lasting = Lasting()
    lasting.take(ADDED)
    lasting.take(PART)
    assert lasting.take(restarted(1)) == []
    lasting.take(ADDED)
    assert lasting.take(delta(4, attempt=2)) == [ADDED, delta(4, attempt=2)]


def test_a_restart_after_text_is_told() -> None:
    lasting = Lasting()
    lasting.take(delta(9))
    with pytest.raises(TextIsVoid):
        lasting.take(restarted(1))


def test_a_restart_after_the_last_event_that_was_sent_keeps_it() -> None:
    lasting = Lasting(20)
    assert lasting.take(restarted(20)) == []
    with pytest.raises(TextIsVoid):
        Lasting(21).take(restarted(20))


def test_the_output_drops_what_a_restart_drops() -> None:
    output = Output()
    for event in (done(10, "a"), done(20, "b"), restarted(10), done(30, "c")):
        output.take(event)
    assert Ending("Completed", output.items).text == "a\n\nc"


def test_without_a_transcript_the_result_is_the_output() -> None:
    assert Ending.of({"phase": "Completed", "result": "Done."}, []).text == "Done."
    assert Ending.of({"phase": "Failed"}, []).items == []
