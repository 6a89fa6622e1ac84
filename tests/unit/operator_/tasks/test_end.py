"""The conditions of a Task after the phase Pending."""

from typing import Any

import pytest

from tests.support.tasks import condition, ended, running
from tests.unit.objects import state
from wegent_crds.phases import FINAL, Phase
from wegent_operator.state.objects import TaskState
from wegent_operator.state.tasks import MESSAGE_MAX
from wegent_operator.tasks.end import with_progress

NOW = "2026-02-02T00:00:00Z"


def task(status: dict[str, Any], generation: int = 2, **spec: Any) -> TaskState:
    metadata = {"generation": generation}
    return state("Task", "t", spec, status={"observedGeneration": 1, **status}, metadata=metadata)


def told(before: TaskState) -> TaskState:
    return with_progress(before, before.progress.phase, before.progress.message, NOW)


def said(after: TaskState) -> dict[str, tuple[str, str]]:
    return {it.type: (it.status, it.reason) for it in after.conditions}


KEPT = {"ResolvedRefs": ("True", "ResolvedRefs"), "Ready": ("True", "Ready")}


@pytest.mark.parametrize(
    ("phase", "conditions"),
    [
        (Phase.COMPLETED, {"Complete": ("True", "Completed")}),
        (Phase.FAILED, {"Failed": ("True", "TaskFailed"), "Stalled": ("True", "TaskFailed")}),
        (Phase.CANCELLED, {"Failed": ("True", "Cancelled")}),
    ],
)
def test_each_end(phase: Phase, conditions: dict[str, tuple[str, str]]) -> None:
    after = told(task(ended(phase)))
    assert said(after) == KEPT | conditions
    assert after.observed_generation == after.generation
    assert {it.message for it in after.conditions if it.type in conditions} == {"It ended."}
    assert told(after) == after, "it is written once"


@pytest.mark.parametrize("phase", FINAL)
@pytest.mark.parametrize("value", ["False", "Unknown"])
def test_no_ready_that_is_not_true_is_left(phase: Phase, value: str) -> None:
    ready = {"type": "Ready", "status": value, "reason": "Any", "lastTransitionTime": NOW}
    assert "Ready" not in said(told(task(ended(phase, attempts=0, conditions=[ready]))))


def test_no_task_that_has_ended_is_said_to_wait_for_a_runner() -> None:
    served, unserved = condition("Served"), condition("Served", "False")
    assert "Served" in said(told(task(running(conditions=[unserved]))))
    assert "Served" in said(told(task(ended("Completed", conditions=[served]))))
    assert "Served" not in said(told(task(ended("Completed", conditions=[unserved]))))


def test_an_edit_while_it_runs_is_acknowledged_and_a_cancellation_only_by_the_end() -> None:
    edited, cancelled = task(running()), task(running(), cancel=True)
    assert said(told(edited)) == KEPT
    assert told(edited).observed_generation == 2
    assert told(cancelled) == cancelled
    assert with_progress(cancelled, Phase.CANCELLED, "", NOW).observed_generation == 2


def test_what_a_runner_has_said_stays_and_what_is_missing_is_added() -> None:
    by_runner = {"type": "Failed", "status": "True", "reason": "Quota", "lastTransitionTime": NOW}
    conditions = [*ended("Failed")["conditions"], by_runner]
    after = said(told(task(ended("Failed", conditions=conditions))))
    assert after["Failed"] == ("True", "Quota")
    assert after["Stalled"] == ("True", "TaskFailed")


def test_of_a_long_message_the_beginning_is_kept() -> None:
    after = told(task(ended("Failed", message="\U0001f600" * 4096)))
    [failed] = [it for it in after.conditions if it.type == "Failed"]
    assert failed.message == "\U0001f600" * (MESSAGE_MAX - 1) + "\u2026"
