"""The writes that restore a Task: the CRD's own rules accept each."""

from typing import Any

import pytest

from tests.support.tasks import RAN, ended, pending, running, waiting
from wegent_crds.kinds.task_status import TaskStatus
from wegent_operator.trash.task_replay import steps_to

BORN: dict[str, Any] = TaskStatus().body()
USAGE = {"inputTokens": 7, "outputTokens": 4, "cachedInputTokens": 0, "modelRequests": 1}
KEPT: dict[str, dict[str, Any]] = {
    "never looked at": BORN,
    "pending": pending(),
    "pending once more": pending(attempts=2) | {"message": "Its lease ran out."},
    "running": running(),
    "completed": ended("Completed"),
    "completed at the third attempt": ended("Completed", attempts=3),
    "given back and pending": pending(attempts=3) | {"releases": 2, "usage": USAGE, "ran": RAN},
    "given back before it completed": ended(
        "Completed", attempts=3, releases=2, usage=USAGE, ran=RAN
    ),
    "given back and cancelled": ended("Cancelled", attempts=0) | {"attempts": 1, "releases": 1},
    "failed with half a result": ended("Failed", result="Half of it."),
    "cancelled": ended("Cancelled"),
    "cancelled before it was claimed": ended("Cancelled", attempts=0),
    "cancelled before it was claimed again": ended("Cancelled", attempts=0) | {"attempts": 2},
    "waiting": waiting(),
    "waiting once more": waiting(attempts=3, usage=USAGE, ran=RAN),
    "not answered": ended("Failed", attempts=0) | {"attempts": 2, "releases": 2},
}
WRITES = dict(zip(KEPT, (0, 0, 2, 2, 2, 2, 2, 4, 3, 2, 2, 1, 3, 2, 2, 3), strict=True))


def there(status: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "status": status}


def merged(status: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Apply a merge patch, and the schema's defaults, as the API server would."""
    result = {key: value for key, value in {**status, **patch}.items() if value is not None}
    return TaskStatus.model_validate(result).body()


def assert_allowed(before: dict[str, Any], after: dict[str, Any]) -> None:
    was, is_ = TaskStatus.model_validate(before), TaskStatus.model_validate(after)
    said = [rule.message for rule in TaskStatus.transitions if not rule.check(was, is_)]
    assert not said, said


def claimable(status: dict[str, Any]) -> bool:
    ready = any(it["type"] == "Ready" and it["status"] == "True" for it in status["conditions"])
    return ready and status["phase"] == "Pending"


@pytest.mark.parametrize("which", KEPT)
def test_each_write_is_allowed_and_none_makes_it_claimable(which: str) -> None:
    status, patches = BORN, steps_to(KEPT[which], there(BORN))
    assert len(patches) == WRITES[which]
    for patch in patches:
        after = merged(status, patch)
        assert_allowed(status, after)
        assert not claimable(after)
        status = after
    kept = TaskStatus.model_validate(KEPT[which]).body()
    if kept["phase"] == "Running":
        assert (status["phase"], status["attempts"]) == ("Pending", kept["attempts"])
        assert "claim" not in status
    else:
        times = ("startTime", "completionTime")
        asked = ("waitingFor", "waitingSince")
        own = ("phase", "attempts", "releases", *times, *asked, "result", "message", "usage", "ran")
        assert {it: status.get(it) for it in own} == {it: kept.get(it) for it in own}


@pytest.mark.parametrize("done", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("which", KEPT)
def test_a_second_try_goes_on_where_the_first_one_ended(which: str, done: int) -> None:
    patches = steps_to(KEPT[which], there(BORN))
    status = BORN
    for patch in patches[:done]:
        status = merged(status, patch)
    assert steps_to(KEPT[which], there(status)) == patches[done:]


def test_what_ended_is_said_to_be_ready_as_it_was() -> None:
    patches = steps_to(ended("Completed"), there(BORN))
    conditions = patches[-1]["conditions"]
    assert {(it["type"], it["status"], it["observedGeneration"]) for it in conditions} == {
        ("ResolvedRefs", "True", 1),
        ("Ready", "True", 1),
    }
    assert patches[-1]["observedGeneration"] == 1
