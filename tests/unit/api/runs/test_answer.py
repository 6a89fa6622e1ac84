"""Which answers are refused, and why."""

from typing import Any

import pytest

from wegent_api.http.errors import Conflict, Invalid
from wegent_api.runs.answer import check_open
from wegent_api.runs.blocks import events_in
from wegent_api.runs.waiting import open_questions, waiting, waits

ASKED = [{"id": "a"}, {"id": "b"}]


def task(*answered: str, phase: str = "Waiting", **status: Any) -> dict[str, Any]:
    answers = [{"id": id_, "decision": "approve"} for id_ in answered]
    return {
        "spec": {"answers": answers} if answers else {},
        "status": {"phase": phase, "waitingFor": ASKED, "message": "Waiting.", **status},
    }


def test_an_open_question_may_be_answered() -> None:
    check_open(task(), "a")
    check_open(task("a"), "b")


def test_a_question_is_answered_once_whatever_the_phase() -> None:
    for phase in ("Waiting", "Running", "Completed"):
        with pytest.raises(Conflict, match="a has an answer already: approve, by somebody"):
            check_open(task("a", phase=phase), "a")


@pytest.mark.parametrize("phase", ["Pending", "Running", "Completed", "Failed", "Cancelled"])
def test_a_task_that_does_not_wait_takes_no_answer(phase: str) -> None:
    with pytest.raises(Conflict, match=f"the Task is {phase}"):
        check_open(task(phase=phase, waitingFor=None), "a")


def test_other_ids_are_refused_with_those_that_are_open() -> None:
    with pytest.raises(Invalid, match=r"none of the open questions of the Task: b$"):
        check_open(task("a"), "c")


def test_a_stream_tells_the_open_questions() -> None:
    assert open_questions(task("a")) == [{"id": "b"}]
    (event,) = events_in(waiting(task("a")))
    assert event.data == {
        "type": "run.waiting",
        "ready": "True",
        "reason": "WaitingForAnswer",
        "message": "Waiting.",
        "waitingFor": [{"id": "b"}],
    }


def test_a_task_waits_for_a_runner_or_for_people() -> None:
    assert [it for it in ("Pending", "Running", "Waiting", "Failed") if waits(task(phase=it))] == [
        "Pending",
        "Waiting",
    ]
    assert waits({"spec": {}})
