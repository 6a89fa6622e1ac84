"""The steps that a Task takes by itself: pure functions of its progress.

A Task changes without a writer when it is to be cancelled, takes too long, has a silent
claimant, waits for answers that are there or don't come, or has been finished for long enough.
``next_step`` returns the next change and its time; the caller sets a timer. The answer follows from
stored fields, so that no deadline is lost with the operator.

Several deadlines may have passed, for example while the operator was down. The earliest one
counts, so that the result is the same as with a running operator.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from wegent_crds.phases import FINAL, Phase
from wegent_operator.state.conditions import rfc3339
from wegent_operator.state.tasks import TaskProgress, Wait

CANCEL_GRACE_S: Final = 30
"""Time that a runner has to stop a Task after the request to cancel it."""
MAX_ATTEMPTS: Final = 6
"""Number of claims that may expire before the Task has failed, because the Task itself may kill
its runners. Claims that were given back on purpose don't count. It is the default
``backoffLimit`` of a Job."""
NEVER_ENDS: Final = datetime.max.replace(tzinfo=UTC)


class Cause(StrEnum):
    """Cause for which the operator changes a Task; it is the reason of the Event."""

    CANCELLED = "Cancelled"
    """``spec.cancel`` is set, and no runner has begun, or the runner didn't stop."""
    TIMED_OUT = "TimedOut"
    """``spec.timeoutSeconds`` have passed."""
    LEASE_RAN_OUT = "LeaseRanOut"
    """The claim wasn't renewed; another runner may claim the Task."""
    GIVEN_UP = "GivenUp"
    """The claim wasn't renewed, and no further attempt is allowed."""
    ANSWERED = "Answered"
    """Each question of a Waiting Task has an answer; a runner may claim the Task."""
    NOT_ANSWERED = "NotAnswered"
    """``spec.waitTimeoutSeconds`` have passed, and a question has no answer."""
    COLLECTED = "Collected"
    """``spec.ttlSecondsAfterFinished`` have passed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """First sights, on the operator's clock, of facts that are stored without a time."""

    claim: datetime
    """First sight of the current claim. The lease runs from then on."""
    cancel: datetime
    """First sight of the request to cancel the Task."""
    start: datetime
    """First sight of the current attempt. ``spec.timeoutSeconds`` run from then on."""
    wait: datetime
    """First sight of the current wait. ``spec.waitTimeoutSeconds`` run from then on."""


@dataclass(frozen=True, slots=True)
class TaskStep:
    """One change that is due at a certain time."""

    due: datetime
    cause: Cause
    to: Phase | None
    """The new phase of the Task; None if the Task is deleted."""
    message: str


def next_step(task: TaskProgress, seen: Seen) -> TaskStep | None:
    """Return the next step of a Task that nobody writes; None if there is none."""
    steps = _steps(task, seen)
    return min(steps, key=lambda step: step.due) if steps else None


def _steps(task: TaskProgress, seen: Seen) -> list[TaskStep]:
    if task.phase in FINAL:
        return _collection(task)
    if task.phase is Phase.PENDING:
        if not task.cancel:
            return []
        return [
            TaskStep(
                seen.cancel, Cause.CANCELLED, Phase.CANCELLED, "Cancelled before it was claimed"
            )
        ]
    if task.wait is not None:
        return _end_of_wait(task, task.wait, seen)
    return [*_cancellation(task, seen), *_timeout(task, seen), *_expiry(task, seen)]


def _collection(task: TaskProgress) -> list[TaskStep]:
    if task.ttl_s is None or task.ended_at is None:
        return []
    # A Task that was restored from the trash has ended long ago, and is still wanted.
    since = max(task.ended_at, task.created_at or task.ended_at)
    message = f"Deleted after spec.ttlSecondsAfterFinished: {task.ttl_s} s after completionTime"
    return [TaskStep(_after(since, task.ttl_s), Cause.COLLECTED, None, message)]


def _cancellation(task: TaskProgress, seen: Seen) -> list[TaskStep]:
    if not task.cancel:
        return []
    message = f"Cancelled; {_holder(task)} did not stop within {CANCEL_GRACE_S} s"
    due = _after(seen.cancel, CANCEL_GRACE_S)
    return [TaskStep(due, Cause.CANCELLED, Phase.CANCELLED, message)]


def _end_of_wait(task: TaskProgress, wait: Wait, seen: Seen) -> list[TaskStep]:
    if task.cancel:
        message = "Cancelled while it waited for an answer"
        return [TaskStep(seen.cancel, Cause.CANCELLED, Phase.CANCELLED, message)]
    # An answer is stored without a time. One that is there came in time.
    if not wait.open:
        return [TaskStep(seen.wait, Cause.ANSWERED, Phase.PENDING, "Answered; waiting for a claim")]
    left = "1 question is open" if wait.open == 1 else f"{wait.open} questions are open"
    message = f"Not answered within spec.waitTimeoutSeconds: {wait.timeout_s} s; {left}"
    due = _after(seen.wait, wait.timeout_s)
    return [TaskStep(due, Cause.NOT_ANSWERED, Phase.FAILED, message)]


def _timeout(task: TaskProgress, seen: Seen) -> list[TaskStep]:
    if task.timeout_s is None or task.started_at is None:
        return []
    message = f"Not completed within spec.timeoutSeconds: {task.timeout_s} s"
    return [TaskStep(_after(seen.start, task.timeout_s), Cause.TIMED_OUT, Phase.FAILED, message)]


def _expiry(task: TaskProgress, seen: Seen) -> list[TaskStep]:
    if task.claim is None:
        return []
    due = _after(seen.claim, task.claim.lease_s)
    ran_out = (
        f"the lease of {task.claim.holder} expired after {task.claim.lease_s} s without a renewal"
    )
    if task.cancel:
        return [TaskStep(due, Cause.CANCELLED, Phase.CANCELLED, f"Cancelled; {ran_out}")]
    if task.attempts - task.releases >= MAX_ATTEMPTS:
        message = f"Failed after {task.attempts} attempts: {ran_out}"
        return [TaskStep(due, Cause.GIVEN_UP, Phase.FAILED, message)]
    message = f"Waiting for another claim after attempt {task.attempts}: {ran_out}"
    return [TaskStep(due, Cause.LEASE_RAN_OUT, Phase.PENDING, message)]


def step_status(step: TaskStep, now: datetime) -> dict[str, Any]:
    """Return the changes of a step to a Task's status, as a merge patch."""
    status: dict[str, Any] = {
        "phase": step.to,
        "message": step.message,
        **dict.fromkeys(("claim", "waitingFor", "waitingSince")),
    }
    if step.to in FINAL:
        status["completionTime"] = rfc3339(now)
    else:
        status["startTime"] = None
    return status


def _holder(task: TaskProgress) -> str:
    return task.claim.holder if task.claim else "its holder"


def _after(moment: datetime, seconds: int) -> datetime:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return NEVER_ENDS
