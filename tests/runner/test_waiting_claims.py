"""Claims that end with questions to people, and the answers that the next claim reads."""

from typing import Any

import pytest

from tests.runner.one_task import OneTask, pending
from tests.runner.test_claim import LEASE_S, now_s
from tests.runner.test_worker import Bench
from tests.support.virtual_time import in_virtual_time
from wegent_crds.kinds.task import TaskSpec
from wegent_crds.kinds.task_questions import ANSWERS_MAX, QUESTIONS_MAX
from wegent_crds.kinds.task_status import TaskStatus
from wegent_crds.phases import Phase
from wegent_runner.claims.claim import Claim
from wegent_runner.claims.outcome import Outcome
from wegent_runner.claims.questions import Question, questions_status, room_of
from wegent_runner.plan.answers import Answer, answers_of

QUESTION = Question("call_1", "approval", "ns/bot", "May the Bot delete it?", "delete", "{}")


def many(count: int, **texts: str) -> tuple[Question, ...]:
    words = {"message": "May it?", "arguments": "{}"} | texts
    return tuple(
        Question(f"call_{i}", "approval", "ns/bot", tool="t", **words) for i in range(count)
    )


async def ends(api: OneTask, outcome: Outcome) -> Outcome:
    """Claim the Task and end the work with ``outcome``."""
    claim = await Claim.take(api.client, api.task, "wegent-runner-a", LEASE_S, clock=now_s)
    assert claim is not None
    claim.usage = {"modelRequests": 3}

    async def work() -> Outcome:
        return outcome

    return await claim.run(work())


def assert_waits(status: dict[str, Any]) -> None:
    assert status["phase"] == "Waiting"
    assert [it["id"] for it in status["waitingFor"]] == ["call_1"]
    assert status["message"] == "Waiting for an answer: May the Bot delete it?"
    assert (status["attempts"], status["releases"]) == (1, 1)
    assert status["usage"] == {"modelRequests": 3}
    assert "waitingSince" in status
    assert {"claim", "startTime", "completionTime", "result"}.isdisjoint(status)


@pytest.mark.parametrize("fault", ["", "lost", "refused", "hangs after it"])
@in_virtual_time
async def test_a_run_with_a_question_lets_go_of_its_task(fault: Any) -> None:
    api = OneTask(pending())
    api.faults["PATCH"] = ["", fault]
    outcome = await ends(api, Outcome.waiting((QUESTION,)))
    assert outcome.phase is Phase.WAITING
    assert_waits(api.status)


@in_virtual_time
async def test_a_question_of_a_task_that_changes_meanwhile_is_asked_all_the_same() -> None:
    """The operator cancels a Waiting Task, so the runner need not know."""
    api = OneTask(pending())
    claim = await Claim.take(api.client, api.task, "wegent-runner-a", LEASE_S, clock=now_s)
    assert claim is not None
    claim.usage = {"modelRequests": 3}

    async def work() -> Outcome:
        api.cancel()
        return Outcome.waiting((QUESTION,))

    assert (await claim.run(work())).phase is Phase.WAITING
    assert_waits(api.status)


@in_virtual_time
async def test_a_task_that_asks_for_ever_fails_with_the_reason() -> None:
    answers = [{"id": f"call_{i}", "decision": "approve"} for i in range(ANSWERS_MAX)]
    api = OneTask(pending(answers=answers))
    outcome = await ends(api, Outcome.waiting((QUESTION,)))
    assert (outcome.phase, outcome.reason) == (Phase.FAILED, "TooManyQuestions")
    assert "64 answers and 1 more questions" in api.status["message"]
    assert api.status["usage"] == {"modelRequests": 3}
    assert "completionTime" in api.status


@pytest.mark.parametrize(("left", "phase"), [(416, Phase.WAITING), (415, Phase.FAILED)])
@in_virtual_time
async def test_a_task_whose_prompt_leaves_no_room_for_an_answer_fails(
    left: int, phase: Phase
) -> None:
    api = OneTask(pending(prompt="p" * (131072 - 1 - left), instructions="i"))
    outcome = await ends(api, Outcome.waiting((QUESTION,)))
    assert outcome.phase is phase
    if phase is Phase.FAILED:
        assert "no room for the answers" in api.status["message"]


def test_the_room_is_counted_as_the_schema_counts_it() -> None:
    spec = {
        "botRef": {"name": "b"},
        "prompt": "Do it.",
        "instructions": "Soon.",
        "history": [{"role": "user", "content": "Who?"}],
        "answers": [{"id": "a", "decision": "deny", "text": "No.", "by": "ada"}],
    }
    model = TaskSpec.model_validate(spec)
    assert room_of(spec) == 131072 - model.text_characters - model.answer_characters
    assert room_of(spec) == 131072 - 15 - 38


@in_virtual_time
async def test_the_last_possible_questions_are_asked() -> None:
    api = OneTask(pending())
    assert (await ends(api, Outcome.waiting(many(QUESTIONS_MAX)))).phase is Phase.WAITING
    assert len(api.status["waitingFor"]) == QUESTIONS_MAX


@pytest.mark.parametrize("count", [1, 2, 16, QUESTIONS_MAX])
def test_texts_are_cut_to_what_the_schema_takes(count: int) -> None:
    questions = many(count, message="m" * 100_000, arguments="a" * 100_000)
    asked = questions_status(questions)
    TaskStatus.model_validate(
        {"phase": "Waiting", "waitingFor": asked, "waitingSince": "2026-01-31T12:00:00Z"}
    )
    assert all(it["message"].endswith("…") and it["arguments"].endswith("…") for it in asked)


def test_a_short_question_stays_as_it_is() -> None:
    assert questions_status((QUESTION,)) == [
        {
            "id": "call_1",
            "kind": "approval",
            "bot": "ns/bot",
            "message": "May the Bot delete it?",
            "tool": "delete",
            "arguments": "{}",
        }
    ]


async def test_the_log_of_a_run_that_waits_ends_without_an_outcome() -> None:
    """Readers then look where the Task goes on; it isn't at its end."""
    bench = Bench()
    bench.work = lambda _: Outcome.waiting((QUESTION,))
    await bench.end("Waiting")
    assert bench.closed == [("Waiting", None)]
    await bench.stop()


def test_answers_are_read_from_the_spec() -> None:
    task = pending(
        answers=[
            {"id": "call_1", "decision": "approve", "by": "ada"},
            {"id": "call_2", "decision": "deny", "text": "Not that one.", "by": "ada"},
        ]
    )
    assert answers_of(task) == {
        "call_1": Answer("approve", by="ada"),
        "call_2": Answer("deny", "Not that one.", "ada"),
    }
    assert answers_of(pending()) == {}
