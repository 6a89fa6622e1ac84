"""The events of a run, as `make ask` prints them."""

import json
from typing import Any

import httpx
import pytest

from devcluster.errors import ClusterError
from devstack import ask


def shown(*events: dict[str, Any]) -> str:
    lines = [
        line
        for it in events
        for line in (f"event: {it.get('type')}", f"data: {json.dumps(it)}", "")
    ]
    return "".join(ask.texts_of(ask.events_of(lines)))


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "delta": text}


COMPLETED = {"type": "run.ended", "phase": "Completed"}


def test_the_answer_is_the_deltas() -> None:
    waiting = {"type": "run.waiting", "ready": "Unknown", "reason": "Pending", "message": ""}
    assert shown(waiting, {"type": "run.started"}, delta("Hel"), delta("lo"), COMPLETED) == "Hello"


def test_the_answer_of_a_runner_without_streams_is_the_result() -> None:
    assert shown({**COMPLETED, "result": "Hello"}) == "Hello"
    assert shown(delta("Hello"), {**COMPLETED, "result": "Hello"}) == "Hello"


def test_a_restart_is_shown() -> None:
    restarted = {"type": "run.restarted", "attempt": 2, "valid_until": 0}
    assert "starts again" in shown(delta("Hel"), restarted, delta("Hello"), COMPLETED)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"type": "run.ended", "phase": "Failed", "message": "no key"}, "ended as Failed: no key"),
        (
            {"type": "run.waiting", "ready": "False", "reason": "RefNotReady", "message": "spec"},
            "waits: RefNotReady: spec",
        ),
        (
            {
                "type": "run.waiting",
                "ready": "True",
                "reason": "WaitingForAnswer",
                "message": "May it?",
                "waitingFor": [{"id": "mcpr_1_2"}],
            },
            r"waits: WaitingForAnswer: May it\?",
        ),
        ({"kind": "Status", "message": "not found"}, "not found"),
        (delta("Hel"), "the stream ended before the run"),
    ],
)
def test_another_end_is_an_error(event: dict[str, Any], message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        shown(event)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"json": {"kind": "Status", "message": "Team assistant not found"}}, "Team assistant not"),
        ({"text": "gone"}, "422: gone"),
    ],
)
def test_a_refusal_is_told_in_the_apis_words(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        ask._checked(httpx.Response(422, **body))
