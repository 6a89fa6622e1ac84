"""The Task's transitions by deadlines, with their times: a table."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.objects import state
from wegent_crds.phases import FINAL, Phase
from wegent_crds.references import ObjectKey
from wegent_operator.state.objects import TaskState
from wegent_operator.state.tasks import Claim, TaskProgress, Wait, task_progress_of
from wegent_operator.tasks.deadlines import (
    CANCEL_GRACE_S,
    MAX_ATTEMPTS,
    NEVER_ENDS,
    Cause,
    Seen,
    TaskStep,
    next_step,
    step_status,
)
from wegent_operator.tasks.first_seen import Sightings

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
PENDING = TaskProgress(
    phase=Phase.PENDING,
    cancel=False,
    timeout_s=None,
    ttl_s=None,
    created_at=START - timedelta(hours=1),
    started_at=None,
    ended_at=None,
    attempts=0,
    claim=None,
)
RUNNING = replace(
    PENDING,
    phase=Phase.RUNNING,
    started_at=START,
    attempts=1,
    claim=Claim("a", 60, "2026-01-31T12:00:00Z"),
)
DONE = replace(
    RUNNING, phase=Phase.COMPLETED, claim=None, ended_at=START + timedelta(minutes=1), ttl_s=600
)
WAITING = replace(
    RUNNING,
    phase=Phase.WAITING,
    claim=None,
    started_at=None,
    releases=1,
    wait=Wait(since=START, timeout_s=600, open=1),
)
ANSWERED = replace(WAITING, wait=Wait(since=START, timeout_s=600, open=0))
ALL_AT_START = Seen(START, START, START, START)


RAN_OUT = "the lease of a expired after 60 s without a renewal"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Case:
    """A Task, the times when its claim and its cancellation were first seen, and the next step."""

    what: str
    task: TaskProgress
    claim_seen: float
    cancel_seen: float
    due: float | None
    """Seconds after START; None if nothing ever happens."""
    cause: Cause | None = None
    to: Phase | None = None


CASES = [
    Case("pending", PENDING, 0, 0, None),
    Case("pending, with a timeout", replace(PENDING, timeout_s=1, ttl_s=1), 0, 0, None),
    Case(
        "pending, cancelled",
        replace(PENDING, cancel=True),
        0,
        5,
        5,
        Cause.CANCELLED,
        Phase.CANCELLED,
    ),
    Case("running", RUNNING, 10, 0, 70, Cause.LEASE_RAN_OUT, Phase.PENDING),
    Case(
        "its last attempt but one",
        replace(RUNNING, attempts=MAX_ATTEMPTS - 1),
        0,
        0,
        60,
        Cause.LEASE_RAN_OUT,
        Phase.PENDING,
    ),
    Case(
        "its last attempt",
        replace(RUNNING, attempts=MAX_ATTEMPTS),
        0,
        0,
        60,
        Cause.GIVEN_UP,
        Phase.FAILED,
    ),
    Case(
        "claims that were given back don't count",
        replace(RUNNING, attempts=MAX_ATTEMPTS + 1, releases=2),
        0,
        0,
        60,
        Cause.LEASE_RAN_OUT,
        Phase.PENDING,
    ),
    Case(
        "its last attempt besides those that were given back",
        replace(RUNNING, attempts=MAX_ATTEMPTS + 2, releases=2),
        0,
        0,
        60,
        Cause.GIVEN_UP,
        Phase.FAILED,
    ),
    Case(
        "running, cancelled: the grace ends first",
        replace(RUNNING, cancel=True),
        10,
        10,
        10 + CANCEL_GRACE_S,
        Cause.CANCELLED,
        Phase.CANCELLED,
    ),
    Case(
        "running, cancelled: the lease ends first",
        replace(RUNNING, cancel=True),
        10,
        50,
        70,
        Cause.CANCELLED,
        Phase.CANCELLED,
    ),
    Case(
        "cancelled at its last attempt",
        replace(RUNNING, cancel=True, attempts=MAX_ATTEMPTS),
        0,
        50,
        60,
        Cause.CANCELLED,
        Phase.CANCELLED,
    ),
    Case(
        "a timeout before the lease",
        replace(RUNNING, timeout_s=30),
        10,
        0,
        30,
        Cause.TIMED_OUT,
        Phase.FAILED,
    ),
    Case(
        "a lease before the timeout",
        replace(RUNNING, timeout_s=90),
        10,
        0,
        70,
        Cause.LEASE_RAN_OUT,
        Phase.PENDING,
    ),
    Case(
        "a timeout before the grace",
        replace(RUNNING, timeout_s=30, cancel=True),
        10,
        10,
        30,
        Cause.TIMED_OUT,
        Phase.FAILED,
    ),
    Case(
        "a start that is no time",
        replace(RUNNING, timeout_s=30, started_at=None),
        10,
        0,
        70,
        Cause.LEASE_RAN_OUT,
        Phase.PENDING,
    ),
    Case("waiting", WAITING, 0, 0, 600, Cause.NOT_ANSWERED, Phase.FAILED),
    Case(
        "waiting, with a timeout of its work, which doesn't go on",
        replace(WAITING, timeout_s=1),
        0,
        0,
        600,
        Cause.NOT_ANSWERED,
        Phase.FAILED,
    ),
    Case("answered", ANSWERED, 0, 0, 0, Cause.ANSWERED, Phase.PENDING),
    Case(
        "answered, its last attempt",
        replace(ANSWERED, attempts=MAX_ATTEMPTS),
        0,
        0,
        0,
        Cause.ANSWERED,
        Phase.PENDING,
    ),
    Case(
        "waiting, cancelled",
        replace(WAITING, cancel=True),
        0,
        5,
        5,
        Cause.CANCELLED,
        Phase.CANCELLED,
    ),
    Case(
        "answered and cancelled",
        replace(ANSWERED, cancel=True),
        0,
        5,
        5,
        Cause.CANCELLED,
        Phase.CANCELLED,
    ),
    Case("done", DONE, 0, 0, 660, Cause.COLLECTED, None),
    Case("done, and to be gone at once", replace(DONE, ttl_s=0), 0, 0, 60, Cause.COLLECTED, None),
    Case("done, for ever", replace(DONE, ttl_s=None), 0, 0, None),
    Case(
        "done, cancelled too late", replace(DONE, cancel=True, timeout_s=1, ttl_s=None), 0, 0, None
    ),
    Case("an end that is no time", replace(DONE, ended_at=None), 0, 0, None),
    Case(
        "brought back from the trash",
        replace(DONE, created_at=at(5000)),
        0,
        0,
        5600,
        Cause.COLLECTED,
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_next_step(case: Case) -> None:
    seen = Seen(claim=at(case.claim_seen), cancel=at(case.cancel_seen), start=START, wait=START)
    step = next_step(case.task, seen)
    if case.due is None:
        assert step is None
    else:
        assert step is not None
        assert (step.due, step.cause, step.to) == (at(case.due), case.cause, case.to)


@pytest.mark.parametrize("phase", FINAL)
def test_whatever_ended_is_collected(phase: Phase) -> None:
    step = next_step(replace(DONE, phase=phase), ALL_AT_START)
    assert step is not None
    assert step.cause is Cause.COLLECTED


def test_beyond_the_end_of_time_is_never() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    step = next_step(replace(DONE, ended_at=last), ALL_AT_START)
    assert step is not None
    assert step.due == NEVER_ENDS


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (replace(PENDING, cancel=True), "Cancelled before it was claimed"),
        (
            RUNNING,
            f"Waiting for another claim after attempt 1: {RAN_OUT}",
        ),
        (
            replace(RUNNING, attempts=6),
            f"Failed after 6 attempts: {RAN_OUT}",
        ),
        (replace(RUNNING, timeout_s=9), "Not completed within spec.timeoutSeconds: 9 s"),
        (replace(RUNNING, cancel=True), "Cancelled; a did not stop within 30 s"),
        (
            WAITING,
            "Not answered within spec.waitTimeoutSeconds: 600 s; 1 question is open",
        ),
        (ANSWERED, "Answered; waiting for a claim"),
        (replace(WAITING, cancel=True), "Cancelled while it waited for an answer"),
        (DONE, "Deleted after spec.ttlSecondsAfterFinished: 600 s after completionTime"),
    ],
)
def test_messages_say_what_happened(task: TaskProgress, words: str) -> None:
    step = next_step(task, ALL_AT_START)
    assert step is not None
    assert step.message == words


def test_what_a_step_writes() -> None:
    now = at(0.5)
    freed = step_status(TaskStep(now, Cause.LEASE_RAN_OUT, Phase.PENDING, "m"), now)
    let_go = dict.fromkeys(("claim", "waitingFor", "waitingSince"))
    assert freed == {"phase": "Pending", "message": "m", "startTime": None, **let_go}
    failed = step_status(TaskStep(now, Cause.TIMED_OUT, Phase.FAILED, "m"), now)
    assert failed == {
        "phase": "Failed",
        "message": "m",
        **let_go,
        "completionTime": "2026-01-31T12:00:00Z",
    }


def test_facts_of_a_task_that_nobody_has_looked_at() -> None:
    body = {"metadata": {}, "spec": {"prompt": "Do it."}}
    assert task_progress_of(body) == replace(PENDING, created_at=None)


def test_facts_of_a_task_that_waits() -> None:
    asked = [{"id": "a", "message": "?"}, {"id": "b"}, {"id": "c"}]
    status = {"phase": "Waiting", "waitingFor": asked, "waitingSince": "2026-01-31T12:00:00Z"}
    spec: dict[str, Any] = {"answers": [{"id": "b"}, {"id": "earlier"}]}
    body = {"metadata": {}, "spec": spec, "status": status}
    assert task_progress_of(body).wait == Wait(START, timeout_s=7 * 24 * 3600, open=2)
    all_answered = {"waitTimeoutSeconds": 9, "answers": asked}
    assert task_progress_of({**body, "spec": all_answered}).wait == Wait(START, timeout_s=9, open=0)
    assert task_progress_of({**body, "status": {**status, "phase": "Pending"}}).wait is None


def test_times_that_do_not_exist_are_none() -> None:
    status = {
        "startTime": "2026-02-30T00:00:00Z",
        "completionTime": "2026-02-28T00:00:00.123456789Z",
    }
    task = task_progress_of({"metadata": {}, "spec": {}, "status": status})
    assert task.started_at is None
    assert task.ended_at is not None


def test_only_a_task_that_left_pending_has_run() -> None:
    assert not state("Task", "t").has_run
    assert state("Task", "t", status={"phase": "Failed"}).has_run
    assert not isinstance(state("Ghost", "g"), TaskState)


KEY = ObjectKey("tasks", "default", "t")


def test_a_claim_is_seen_once_and_anew_with_each_renewal() -> None:
    sightings = Sightings()
    assert sightings.of(KEY, "u", RUNNING, at(0)).claim == at(0)
    assert sightings.of(KEY, "u", RUNNING, at(9)).claim == at(0)
    renewed = replace(RUNNING, claim=Claim("a", 60, "2001-01-01T00:00:00Z"))
    assert sightings.of(KEY, "u", renewed, at(10)).claim == at(10)
    again = replace(renewed, attempts=2)
    assert sightings.of(KEY, "u", again, at(20)).claim == at(20)
    assert sightings.of(KEY, "another", again, at(30)).claim == at(30)


def test_a_renewal_does_not_put_off_a_cancellation() -> None:
    sightings = Sightings()
    cancelled = replace(RUNNING, cancel=True)
    sightings.of(KEY, "u", cancelled, at(0))
    renewed = replace(cancelled, claim=Claim("a", 60, "later"))
    assert sightings.of(KEY, "u", renewed, at(9)) == Seen(
        at(9), cancel=at(0), start=at(0), wait=at(9)
    )


def test_what_is_over_is_not_remembered() -> None:
    sightings = Sightings()
    sightings.of(KEY, "u", RUNNING, at(0))
    sightings.of(KEY, "u", DONE, at(1))
    assert len(sightings) == 0
    sightings.of(KEY, "u", RUNNING, at(2))
    sightings.forget(KEY)
    assert len(sightings) == 0


def test_an_attempt_that_was_seen_to_begin_counts_from_then_on_and_another_from_its_start() -> None:
    """A runner's clock may be an hour behind, or an hour ahead."""
    behind, ahead = (replace(RUNNING, started_at=at(it)) for it in (-3600, 3600))
    for task in (behind, ahead):
        watched = Sightings()
        watched.of(KEY, "u", PENDING, at(0))
        assert watched.of(KEY, "u", task, at(5)).start == at(5)
        assert watched.of(KEY, "u", task, at(9)).start == at(5)
        again = replace(task, attempts=2)
        watched.of(KEY, "u", replace(PENDING, attempts=1), at(20))
        assert watched.of(KEY, "u", again, at(30)).start == at(30)
    assert Sightings().of(KEY, "u", behind, at(5)).start == at(-3600)
    assert Sightings().of(KEY, "u", ahead, at(5)).start == at(5)


def waiting_since(seconds: float, attempts: int = 1) -> TaskProgress:
    wait = Wait(since=at(seconds), timeout_s=600, open=1)
    return replace(WAITING, attempts=attempts, wait=wait)


@pytest.mark.parametrize("before", [PENDING, RUNNING], ids=["pending", "running"])
def test_a_wait_that_was_seen_to_begin_counts_from_then_on(before: TaskProgress) -> None:
    """A runner's clock may be an hour behind, or an hour ahead."""
    for task in (waiting_since(-3600), waiting_since(3600)):
        watched = Sightings()
        watched.of(KEY, "u", before, at(0))
        assert watched.of(KEY, "u", task, at(5)).wait == at(5)
        assert watched.of(KEY, "u", task, at(9)).wait == at(5)
        watched.of(KEY, "u", replace(RUNNING, attempts=2), at(20))
        again = replace(task, attempts=2)
        assert watched.of(KEY, "u", again, at(30)).wait == at(30)


def test_a_wait_before_this_operator_counts_from_its_stored_time() -> None:
    assert Sightings().of(KEY, "u", waiting_since(0), at(500)).wait == at(0)
    assert Sightings().of(KEY, "u", waiting_since(3600), at(5)).wait == at(5)
    no_time = replace(WAITING, created_at=None, wait=Wait(since=None, timeout_s=9, open=1))
    assert Sightings().of(KEY, "u", no_time, at(5)).wait == at(5)


def test_a_task_that_comes_back_from_the_trash_waits_as_long_again() -> None:
    restored = replace(waiting_since(-9000), created_at=at(0))
    assert Sightings().of(KEY, "u", restored, at(5)).wait == at(0)


def test_a_pending_task_is_remembered_until_it_is_gone() -> None:
    sightings = Sightings()
    sightings.of(KEY, "u", PENDING, at(0))
    assert len(sightings) == 1
    sightings.forget(KEY)
    assert len(sightings) == 0
