"""The text of a run, from its events."""

from typing import Any

from wegent_cli.run_text import Ask, End, Note, RunText, Write


def delta(position: int, text: str, item: str = "msg_0") -> tuple[str, dict[str, Any]]:
    data = {"sequence_number": position, "delta": text, "item_id": item}
    return "response.output_text.delta", data


def message(item: str = "msg_0", **fields: Any) -> tuple[str, dict[str, Any]]:
    return "response.output_item.added", {"item": {"type": "message", "id": item, **fields}}


ENDED = ("run.ended", {"phase": "Completed", "usage": {"inputTokens": 1}})


def actions(events: list[tuple[str, dict[str, Any]]], *, live: bool) -> list[Any]:
    run = RunText(live)
    return [action for type_, data in events for action in run.take(type_, data)]


def written(found: list[Any]) -> str:
    return "".join(it.text for it in found if isinstance(it, Write))


def test_live_text_comes_piece_by_piece() -> None:
    found = actions([message(), delta(3, "a"), delta(4, "b"), ENDED], live=True)
    assert found[:2] == [Write("a"), Write("b")]
    assert written(found) == "ab\n"
    assert found[-1] == End("Completed", "", {"inputTokens": 1})


def test_a_pipe_gets_the_whole_text_at_the_end() -> None:
    found = actions([message(), delta(3, "a"), delta(4, "b"), ENDED], live=False)
    assert found[0] == Write("ab")
    assert written(found) == "ab\n"


def test_a_restarted_run_takes_text_back() -> None:
    restarted = ("run.restarted", {"valid_until": 4})
    events = [message(), delta(4, "ab"), delta(6, "cd"), restarted, delta(6, "xy"), ENDED]
    assert written(actions(events, live=False)) == "abxy\n"
    shown = actions(events, live=True)
    assert written(shown) == "abcd\nxy\n"
    assert any(isinstance(it, Note) and "again" in it.text for it in shown)


def test_a_restart_before_any_text_is_silent() -> None:
    events = [("run.restarted", {"valid_until": 1}), message(), delta(4, "a"), ENDED]
    assert not any(isinstance(it, Note) for it in actions(events, live=True))


def test_several_messages_are_on_lines_of_their_own() -> None:
    events = [
        message("msg_0"),
        delta(3, "one"),
        message("msg_1"),
        delta(9, "two", "msg_1"),
        ENDED,
    ]
    for live in (True, False):
        assert written(actions(events, live=live)) == "one\ntwo\n"


def test_commentary_is_not_the_answer() -> None:
    events = [
        message("msg_0", phase="commentary", bot="ns/b"),
        delta(3, "thinking"),
        message("msg_1", bot="ns/c"),
        delta(20, "answer", "msg_1"),
        ENDED,
    ]
    assert written(actions(events, live=False)) == "answer\n"
    shown = actions(events, live=True)
    assert Write("thinking", faint=True) in shown
    assert Note("ns/b:") in shown


def test_an_answer_that_a_person_has_rejected_is_not_the_answer() -> None:
    reply = {"type": "mcp_approval_response", "kind": "confirmation", "decision": "reply"}
    events = [
        message("msg_0"),
        delta(3, "draft"),
        ("response.output_item.done", {"item": reply}),
        message("msg_1"),
        delta(20, "answer", "msg_1"),
        ENDED,
    ]
    assert written(actions(events, live=False)) == "answer\n"
    approved = ("response.output_item.done", {"item": {**reply, "decision": "approve"}})
    assert written(actions([*events[:2], approved, ENDED], live=False)) == "draft\n"


def test_control_characters_are_removed() -> None:
    events = [message(), delta(3, "\x1b[31mred\x07\x9b2J\n\ttab"), ENDED]
    assert written(actions(events, live=True)) == "[31mred2J\n\ttab\n"


def test_a_result_without_a_stream() -> None:
    ended = ("run.ended", {"phase": "Completed", "result": "whole"})
    for live in (True, False):
        assert written(actions([ended], live=live)) == "whole\n"
        with_text = [message(), delta(3, "streamed"), ended]
        assert written(actions(with_text, live=live)) == "streamed\n"


def test_waits_are_told_once() -> None:
    waiting = ("run.waiting", {"reason": "RefNotFound", "message": "no Team", "ready": "False"})
    pending = ("run.waiting", {"reason": "Pending", "message": "", "ready": "Unknown"})
    found = actions([pending, waiting, waiting], live=True)
    assert found == [Note("waits: RefNotFound: no Team")]


def test_questions() -> None:
    question = {"id": "q", "message": "May I?"}
    waiting = ("run.waiting", {"reason": "WaitingForAnswer", "waitingFor": [question]})
    found = actions([message(), delta(3, "text"), waiting], live=True)
    assert found[-1] == Ask([question])
    assert written(found) == "text\n"


def test_a_tool() -> None:
    item = {"type": "mcp_call", "server_label": "files", "name": "read"}
    item["arguments"] = '{"a": 1}'
    failed = {**item, "error": {"content": [{"type": "text", "text": "no\x1b[2J file"}]}}
    events: list[tuple[str, dict[str, Any]]] = [
        ("response.output_item.added", {"item": item}),
        ("response.output_item.done", {"item": failed}),
    ]
    assert actions(events, live=True) == [
        Note('calls files/read {"a": 1}'),
        Note("read failed: no[2J file"),
    ]
