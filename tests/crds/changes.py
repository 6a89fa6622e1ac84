"""Changes of a Task that the API server accepts, and those that it refuses, with its messages.

The transitions of phases are written out here once more, as a check of the table in
``wegent_crds.phases``.
"""

from dataclasses import dataclass
from typing import Any, Final

from tests.support.tasks import (
    ENDED,
    NOT_READY,
    RAN,
    RENEWED,
    STARTED,
    claim,
    ended,
    pending,
    question,
    running,
    waiting,
)

PHASES: Final = ("Pending", "Running", "Waiting", "Completed", "Failed", "Cancelled")
ALLOWED: Final = {
    ("Pending", "Pending"),
    ("Pending", "Running"),
    ("Pending", "Failed"),
    ("Pending", "Cancelled"),
    ("Running", "Running"),
    ("Running", "Pending"),
    ("Running", "Waiting"),
    ("Running", "Completed"),
    ("Running", "Failed"),
    ("Running", "Cancelled"),
    ("Waiting", "Waiting"),
    ("Waiting", "Pending"),
    ("Waiting", "Failed"),
    ("Waiting", "Cancelled"),
    ("Completed", "Completed"),
    ("Failed", "Failed"),
    ("Cancelled", "Cancelled"),
}

LIFE = (
    "a Pending Task can become Running, Failed or Cancelled; a Running Task can become Pending,"
    " Waiting, Completed, Failed or Cancelled; a Waiting Task can become Pending, Failed or"
    " Cancelled; Completed, Failed and Cancelled are final"
)
NOT_YET_READY = "a Task can be claimed only while its Ready condition is True"
HOLDER = (
    "a Running Task keeps its holder; another runner can claim it after the lease has expired and"
    " the Task is Pending again"
)
ATTEMPTS = "attempts increases with each claim, and can't be changed otherwise"
START = "startTime is set when the Task is claimed, and can't be changed"
RELEASES = (
    "releases increases only when a Running Task becomes Pending or Waiting, and can't be changed"
    " otherwise"
)
TOO_MANY_RELEASES = "releases can't exceed attempts"
OUTCOME = "completionTime, result, message, usage and ran can't be changed after the Task has ended"
NEEDS_START = (
    "startTime is required when Running or Completed, and not allowed when Pending or Waiting"
)
NEEDS_QUESTIONS = (
    "waitingFor and waitingSince are required while Waiting, and not allowed otherwise"
)
STILL_WAITING = "waitingFor and waitingSince can't be changed while the Task is Waiting"
QUESTION_TEXTS = (
    "the messages and arguments of all questions together may have at most 49152 characters"
)
ANSWERED = "an answer can't be changed or removed; a question is answered once"
NOT_ASKED = "only questions in status.waitingFor can be answered, while the Task is Waiting"
NEEDS_END = "completionTime is required when Completed, Failed or Cancelled, and not allowed before"
NEEDS_CLAIM = "claim is required while Running, and not allowed otherwise"
RESULT = "result is allowed only when Completed or Failed"
PROMPT = "prompt can't be changed; create another Task"
MODEL = "modelRef can't be changed; create another Task"
REFERENCES = "teamRef and botRef can't be changed; create another Task"
PREVIOUS = "previousTaskRef can't be changed; create another Task"
CONVERSATION = "instructions and history can't be changed; create another Task"
OUTPUT_SCHEMA = "outputSchema can't be changed; create another Task"
CANCEL = "cancel can't be set back to false; create another Task"
TIME = "must be a valid time"


USAGE: Final = {
    "inputTokens": 7,
    "outputTokens": 4,
    "cachedInputTokens": 2,
    "modelRequests": 1,
    "toolCalls": 2,
}


def natural(before: str, after: str) -> dict[str, Any]:
    """Return the status that a Task in phase ``before`` would get with the phase ``after``."""
    attempts = 0 if before == "Pending" else 1
    if before == "Waiting" and after not in {"Running", "Waiting"}:
        # It was released, and has no start time since.
        status = pending() if after == "Pending" else ended(after, attempts=0)
        return status | {"attempts": 1, "releases": 1}
    if after == "Pending":
        return pending(attempts)
    if after == "Running":
        return running()
    if after == "Waiting":
        return waiting(attempts)
    return ended(after, attempts)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a status, starting at the usual status of a phase."""

    before: str
    after: dict[str, Any]
    said: str | None
    """The message that the API server must give; None if it must accept the change."""


def _without(status: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in status.items() if name not in names}


def _longest(id_: str) -> dict[str, Any]:
    return question(id_, message="m" * 1024, arguments="a" * 4096)


STATUS_CHANGES: Final = (
    # A claim: of a Ready Task, complete, and counted.
    Change("Pending", running(attempts=7), None),
    Change("Pending", running() | NOT_READY, NOT_YET_READY),
    Change("Pending", running() | {"conditions": []}, NOT_YET_READY),
    Change("Pending", running(attempts=0), ATTEMPTS),
    Change("Pending", _without(running(), "attempts"), ATTEMPTS),
    Change("Pending", _without(running(), "claim"), NEEDS_CLAIM),
    Change("Pending", _without(running(), "startTime"), NEEDS_START),
    Change("Pending", running(startTime="2026-02-30T00:00:00Z"), TIME),
    # Changes while Pending.
    Change("Pending", pending() | NOT_READY | {"message": "Wait."}, None),
    Change("Pending", pending(attempts=1), ATTEMPTS),
    Change("Pending", pending() | {"claim": claim()}, NEEDS_CLAIM),
    Change("Pending", pending() | {"startTime": ENDED}, NEEDS_START),
    Change("Pending", pending() | {"completionTime": ENDED}, NEEDS_END),
    Change("Pending", pending() | {"result": "Done."}, RESULT),
    # An end without a start.
    Change("Pending", ended("Cancelled"), ATTEMPTS),
    Change("Pending", ended("Failed", attempts=0, startTime=ENDED), START),
    Change("Pending", _without(ended("Failed", attempts=0), "completionTime"), NEEDS_END),
    Change("Pending", ended("Cancelled", attempts=0, result="Half of it."), RESULT),
    # A renewal.
    Change("Running", running(claim=claim(renewed_at=RENEWED), message="Half done."), None),
    Change("Running", running(claim=claim(lease_s=3600, renewed_at=RENEWED)), None),
    Change("Running", running(usage=USAGE), None),
    Change("Running", running(ran=RAN), None),
    Change("Running", running() | NOT_READY, None),
    Change("Running", running("runner-b"), HOLDER),
    Change("Running", running("runner-b", attempts=2), HOLDER),
    Change("Running", running(attempts=2), ATTEMPTS),
    Change("Running", running(startTime=RENEWED), START),
    Change("Running", running(completionTime=ENDED), NEEDS_END),
    Change("Running", running(result="Half of it."), RESULT),
    # Back to Pending.
    Change("Running", pending(attempts=0), ATTEMPTS),
    Change("Running", pending(attempts=1) | {"claim": claim()}, NEEDS_CLAIM),
    # Given back on purpose. By more than one when the Task is restored from the trash.
    Change("Running", pending(attempts=1) | {"releases": 1, "usage": USAGE, "ran": RAN}, None),
    Change("Running", pending(attempts=1) | {"releases": 0}, None),
    Change("Running", pending(attempts=1) | {"releases": 2}, TOO_MANY_RELEASES),
    Change("Running", running(releases=1), RELEASES),
    Change("Running", ended("Completed", releases=1), RELEASES),
    Change("Pending", pending() | {"releases": 1}, TOO_MANY_RELEASES),
    Change("Pending", running(releases=1), RELEASES),
    # A wait for people.
    Change("Running", waiting(usage=USAGE), None),
    Change("Running", waiting(releases=2), TOO_MANY_RELEASES),
    Change("Running", waiting(attempts=2), ATTEMPTS),
    Change("Running", _without(waiting(), "waitingFor"), NEEDS_QUESTIONS),
    Change("Running", _without(waiting(), "waitingSince"), NEEDS_QUESTIONS),
    Change("Running", running(waitingFor=[question()]), NEEDS_QUESTIONS),
    Change("Running", running(waitingSince=STARTED), NEEDS_QUESTIONS),
    Change("Running", waiting(claim=claim()), NEEDS_CLAIM),
    Change("Running", waiting(startTime=STARTED), NEEDS_START),
    Change("Running", waiting(completionTime=ENDED), NEEDS_END),
    Change("Running", waiting(result="Half of it."), RESULT),
    Change("Running", waiting(waitingFor=[_longest(f"call_{i}") for i in range(9)]), None),
    Change(
        "Running", waiting(waitingFor=[_longest(f"call_{i}") for i in range(10)]), QUESTION_TEXTS
    ),
    Change("Waiting", waiting(message="Still."), None),
    Change("Waiting", waiting() | NOT_READY, None),
    Change("Waiting", waiting(waitingFor=[question("call_2")]), STILL_WAITING),
    Change("Waiting", waiting(waitingSince=RENEWED), STILL_WAITING),
    Change("Waiting", waiting(releases=0), RELEASES),
    Change("Waiting", natural("Waiting", "Pending") | {"usage": USAGE}, None),
    Change("Waiting", natural("Waiting", "Pending") | {"waitingSince": ENDED}, NEEDS_QUESTIONS),
    Change("Waiting", natural("Waiting", "Failed") | {"startTime": STARTED}, START),
    # An end.
    Change("Running", ended("Failed", result="Half of it."), None),
    Change("Running", ended("Completed", usage=USAGE | {"costUSD": "0.012500"}), None),
    Change("Running", ended("Completed", ran=RAN), None),
    Change("Running", _without(ended("Completed"), "result", "message"), None),
    Change("Running", ended("Completed", claim=claim()), NEEDS_CLAIM),
    Change("Running", ended("Completed", startTime=ENDED), START),
    Change("Running", _without(ended("Failed"), "startTime"), START),
    Change("Running", _without(ended("Completed"), "startTime"), NEEDS_START),
    Change("Running", _without(ended("Completed"), "completionTime"), NEEDS_END),
    Change("Running", ended("Cancelled", result="Half of it."), RESULT),
    Change("Running", ended("Completed", attempts=2), ATTEMPTS),
    # Changes after the end.
    Change("Completed", ended("Completed") | NOT_READY, None),
    Change("Completed", ended("Completed", result="Better."), OUTCOME),
    Change("Completed", _without(ended("Completed"), "result"), OUTCOME),
    Change("Completed", ended("Completed", usage=USAGE), OUTCOME),
    Change("Completed", ended("Completed", ran=RAN), OUTCOME),
    Change("Failed", ended("Failed", message="No."), OUTCOME),
    Change("Cancelled", ended("Cancelled", completionTime=RENEWED), OUTCOME),
    Change("Failed", ended("Failed", result="After all."), OUTCOME),
    Change("Failed", ended("Failed", attempts=2), ATTEMPTS),
    Change("Completed", {}, LIFE),
)

REF: Final = {"name": "one"}
YES: Final = {"id": "call_1", "decision": "approve", "by": "ada"}
NO: Final = {"id": "call_2", "decision": "deny", "text": "Not that.", "by": "bob"}
HISTORY: Final = [{"role": "user", "content": "Who?"}]
OUTPUT: Final = {"properties": {"a": {"type": "string"}}}
SPEC: Final = {"teamRef": REF, "prompt": "Do it.", "title": "It"}


@dataclass(frozen=True, slots=True)
class SpecChange:
    """One change of a spec."""

    before: dict[str, Any]
    after: dict[str, Any]
    said: str | None


SPEC_CHANGES: Final = (
    SpecChange(SPEC, SPEC | {"prompt": "Do that."}, PROMPT),
    SpecChange(SPEC, SPEC | {"teamRef": {"name": "two"}}, REFERENCES),
    SpecChange(SPEC, SPEC | {"teamRef": {"name": "one", "namespace": "there"}}, REFERENCES),
    SpecChange(SPEC, {"botRef": REF, "prompt": "Do it."}, REFERENCES),
    SpecChange(SPEC, SPEC | {"modelRef": REF}, MODEL),
    SpecChange(SPEC | {"modelRef": REF}, SPEC, MODEL),
    SpecChange(SPEC | {"modelRef": REF}, SPEC | {"modelRef": {"name": "two"}}, MODEL),
    SpecChange(SPEC | {"modelRef": REF}, SPEC | {"modelRef": REF, "title": "That"}, None),
    SpecChange(SPEC, SPEC | {"previousTaskRef": REF}, PREVIOUS),
    SpecChange(SPEC | {"previousTaskRef": REF}, SPEC, PREVIOUS),
    SpecChange(
        SPEC | {"previousTaskRef": REF}, SPEC | {"previousTaskRef": {"name": "two"}}, PREVIOUS
    ),
    SpecChange(
        SPEC | {"previousTaskRef": REF}, SPEC | {"previousTaskRef": REF, "title": "That"}, None
    ),
    SpecChange(SPEC, SPEC | {"budget": {"totalTokens": 9}}, None),
    SpecChange(SPEC | {"budget": {"totalTokens": 9}}, SPEC, None),
    SpecChange(SPEC, SPEC | {"instructions": "Be brief."}, CONVERSATION),
    SpecChange(SPEC | {"instructions": "Be brief."}, SPEC, CONVERSATION),
    SpecChange(SPEC, SPEC | {"history": HISTORY}, CONVERSATION),
    SpecChange(SPEC | {"history": HISTORY}, SPEC | {"history": HISTORY * 2}, CONVERSATION),
    SpecChange(SPEC | {"history": HISTORY}, SPEC | {"history": HISTORY, "title": "That"}, None),
    SpecChange(SPEC, SPEC | {"outputSchema": OUTPUT}, OUTPUT_SCHEMA),
    SpecChange(SPEC | {"outputSchema": OUTPUT}, SPEC, OUTPUT_SCHEMA),
    SpecChange(SPEC | {"outputSchema": OUTPUT}, SPEC | {"outputSchema": {}}, OUTPUT_SCHEMA),
    SpecChange(
        SPEC | {"outputSchema": OUTPUT},
        SPEC | {"outputSchema": {"properties": {"a": {"type": "number"}}}},
        OUTPUT_SCHEMA,
    ),
    SpecChange(
        SPEC | {"outputSchema": OUTPUT}, SPEC | {"outputSchema": OUTPUT, "title": "That"}, None
    ),
    SpecChange(SPEC | {"cancel": True}, SPEC, CANCEL),
    SpecChange(SPEC | {"cancel": True}, SPEC | {"cancel": False}, CANCEL),
    SpecChange(SPEC | {"answers": [YES]}, SPEC, ANSWERED),
    SpecChange(SPEC | {"answers": [YES]}, SPEC | {"answers": []}, ANSWERED),
    SpecChange(SPEC | {"answers": [YES, NO]}, SPEC | {"answers": [NO]}, ANSWERED),
    SpecChange(
        SPEC | {"answers": [YES, NO]},
        SPEC | {"answers": [YES | {"decision": "deny"}, NO]},
        ANSWERED,
    ),
    SpecChange(SPEC | {"answers": [YES]}, SPEC | {"answers": [YES | {"by": "eve"}]}, ANSWERED),
    SpecChange(SPEC | {"answers": [YES]}, SPEC | {"answers": [YES | {"text": "So."}]}, ANSWERED),
    SpecChange(SPEC | {"answers": [YES, NO]}, SPEC | {"answers": [NO, YES], "title": "I"}, None),
    SpecChange(SPEC, SPEC | {"answers": [], "waitTimeoutSeconds": 9}, None),
    SpecChange(SPEC | {"waitTimeoutSeconds": 9}, SPEC, None),
    SpecChange(SPEC, SPEC | {"cancel": True}, None),
    SpecChange(SPEC | {"cancel": True}, SPEC | {"cancel": True, "title": "That"}, None),
    SpecChange(SPEC, SPEC | {"title": "That"}, None),
    SpecChange(SPEC, SPEC | {"title": None}, None),
    SpecChange(SPEC, SPEC | {"timeoutSeconds": 9, "ttlSecondsAfterFinished": 0}, None),
    SpecChange(SPEC | {"timeoutSeconds": 9, "ttlSecondsAfterFinished": 0}, SPEC, None),
)

TOO_LATE = "cancel can't be set after the Task has ended"
"""The refusal to cancel a Task in a final phase."""

ASKED: Final = [question("call_1"), question("call_2")]


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """One change of the answers of a Task, which waits for two or has another phase."""

    before: tuple[dict[str, Any], ...]
    after: tuple[dict[str, Any], ...]
    said: str | None
    waits: bool = True


ANSWER_CHANGES: Final = (
    AnswerChange((), (YES,), None),
    AnswerChange((), (YES, NO), None),
    AnswerChange((YES,), (YES, NO), None),
    AnswerChange((YES,), (NO, YES), None),
    AnswerChange((), (YES | {"id": "call_3"},), NOT_ASKED),
    AnswerChange((YES,), (YES, NO | {"id": "call_3"}), NOT_ASKED),
    AnswerChange((YES,), (YES, YES | {"decision": "deny"}), "Duplicate value"),
    AnswerChange((YES,), (NO,), ANSWERED),
    AnswerChange((), (YES,), NOT_ASKED, waits=False),
    AnswerChange((YES,), (YES, NO), NOT_ASKED, waits=False),
)
