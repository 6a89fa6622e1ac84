"""What is to be done about a call that a former attempt has left without a result."""

from dataclasses import replace
from typing import get_args

import pytest

from wegent_runner.agents.journal import next_of, steps_of
from wegent_runner.agents.questions import asked_of
from wegent_runner.runs.items import (
    UNPLACED,
    Answer,
    Decision,
    Message,
    Question,
    QuestionKind,
    ToolCall,
    ToolResult,
)
from wegent_runner.runs.log import RunLog


def call_of(*, attempt: int = 1, repeatable: bool = False, held: bool = False) -> ToolCall:
    return ToolCall(0, attempt, 1, "{}", "s", "t", repeatable, held)


def asked(
    decision: Decision | None, attempt: int = 1, approver: str = ""
) -> list[tuple[Question, Answer | None]]:
    question = Question(1, 1, 3, "?", "approval", call_of(), approver=approver)
    if decision is None:
        return [(question, None)]
    return [(question, Answer(2, attempt, 5, "", question, decision))]


@pytest.mark.parametrize(
    ("call", "needs_approval", "then"),
    [
        (call_of(attempt=2), False, "run"),
        (call_of(attempt=2), True, "ask approval"),
        (call_of(attempt=1), False, "ask repeat"),
        (call_of(attempt=1, repeatable=True), False, "run"),
        # Without an approval it was never made.
        (call_of(attempt=1, held=True), True, "ask approval"),
        (call_of(attempt=1, held=True), False, "run"),
        # It needed none when it was begun.
        (call_of(attempt=1), True, "ask repeat"),
        (call_of(attempt=1, repeatable=True), True, "ask approval"),
    ],
)
def test_a_call_that_nobody_was_asked_about(
    call: ToolCall,
    needs_approval: bool,  # noqa: FBT001
    then: str,
) -> None:
    assert next_of(call, [], 2, needs_approval=needs_approval) == then


@pytest.mark.parametrize(
    ("decision", "answered_in", "repeatable", "then"),
    [
        (None, 1, False, "wait"),
        (None, 1, True, "wait"),
        ("approve", 2, False, "run"),
        ("deny", 1, False, "deny"),
        ("reply", 1, False, "deny"),
        # The attempt that had the answer may have made the call before it was killed.
        ("approve", 1, False, "ask repeat"),
        ("approve", 1, True, "run"),
    ],
)
def test_a_call_that_people_were_asked_about(
    decision: Decision | None,
    answered_in: int,
    repeatable: bool,  # noqa: FBT001
    then: str,
) -> None:
    call = call_of(repeatable=repeatable)
    assert next_of(call, asked(decision, answered_in), 2, needs_approval=True) == then


@pytest.mark.parametrize(
    ("decision", "answered_in", "repeatable", "needs_approval", "then"),
    [
        (None, 1, False, True, "ask approval"),
        (None, 1, False, False, "run"),
        # The permission is void, and the call may have been made with it.
        ("approve", 1, False, True, "ask repeat"),
        ("approve", 1, False, False, "ask repeat"),
        ("approve", 1, True, True, "ask approval"),
        ("approve", 1, True, False, "run"),
        # A denial is no permission.
        ("deny", 1, False, True, "deny"),
        ("deny", 2, False, False, "deny"),
    ],
)
def test_a_call_that_others_were_asked_about(
    decision: Decision | None,
    answered_in: int,
    repeatable: bool,  # noqa: FBT001
    needs_approval: bool,  # noqa: FBT001
    then: str,
) -> None:
    call = call_of(repeatable=repeatable, held=True)
    others = asked(decision, answered_in, "home")
    assert next_of(call, others, 2, needs_approval=needs_approval) == then
    question = Question(3, 2, 7, "?", "repeat", call)
    again = [*others, (question, Answer(4, 2, 9, "", question, "approve"))]
    assert next_of(call, again, 2, needs_approval=needs_approval) == "run"


def test_the_question_about_a_call_names_its_approvers_before_the_arguments() -> None:
    """The message is cut in the Task's status."""
    call = replace(call_of(), text="x" * 2000, bot="ns/b")
    for kind in get_args(QuestionKind):
        words = asked_of(call, kind, "home")
        assert "Only editors of the namespace home can approve." in words[:200]
        assert "Only" not in asked_of(call, kind)


def test_the_steps_of_a_thread_are_its_own() -> None:
    log = RunLog(1)
    log.add(Message(*UNPLACED, "I look.", step=0))
    first = log.add(ToolCall(*UNPLACED, "{}", "s", "a", step=0))
    second = log.add(ToolCall(*UNPLACED, "{}", "s", "b", step=0))
    log.add(Message(*UNPLACED, "A member's.", thread="0/1", step=0))
    done = log.add(ToolResult(*UNPLACED, "2", second))
    (step,) = steps_of(log.items, "0")
    assert step.message is not None
    assert (step.message.text, step.calls, step.results) == (
        "I look.",
        (first, second),
        (None, done),
    )
    assert step.open_calls == [first]
    log.add(ToolResult(*UNPLACED, "1", first))
    log.begin(step=1)
    log.append("cut o")
    log.finish("incomplete", stopped=True)
    (step,) = steps_of(log.items, "0")
    assert step.told().results == ("1", "2")
