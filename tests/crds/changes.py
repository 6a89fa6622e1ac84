"""Changes of a Task that the API server accepts, and those that it refuses, with its messages.

The transitions of phases are written out here once more, as a check of the table in
``wegent_crds.phases``.
"""

from dataclasses import dataclass
from typing import Any, Final

from tests.support.tasks import ENDED, NOT_READY, RAN, RENEWED, claim, ended, pending, running

PHASES: Final = ("Pending", "Running", "Completed", "Failed", "Cancelled")
ALLOWED: Final = {
    ("Pending", "Pending"),
    ("Pending", "Running"),
    ("Pending", "Failed"),
    ("Pending", "Cancelled"),
    ("Running", "Running"),
    ("Running", "Pending"),
    ("Running", "Completed"),
    ("Running", "Failed"),
    ("Running", "Cancelled"),
    ("Completed", "Completed"),
    ("Failed", "Failed"),
    ("Cancelled", "Cancelled"),
}

LIFE = (
    "a Pending Task can become Running, Failed or Cancelled; a Running Task can become Pending,"
    " Completed, Failed or Cancelled; Completed, Failed and Cancelled are final"
)
NOT_YET_READY = "a Task can be claimed only while its Ready condition is True"
HOLDER = (
    "a Running Task keeps its holder; another runner can claim it after the lease has expired and"
    " the Task is Pending again"
)
ATTEMPTS = "attempts increases with each claim, and can't be changed otherwise"
START = "startTime is set when the Task is claimed, and can't be changed"
RELEASES = (
    "releases increases only when a Running Task becomes Pending, and can't be changed otherwise"
)
TOO_MANY_RELEASES = "releases can't exceed attempts"
OUTCOME = "completionTime, result, message, usage and ran can't be changed after the Task has ended"
NEEDS_START = "startTime is required when Running or Completed, and not allowed when Pending"
NEEDS_END = "completionTime is required when Completed, Failed or Cancelled, and not allowed before"
NEEDS_CLAIM = "claim is required while Running, and not allowed otherwise"
RESULT = "result is allowed only when Completed or Failed"
PROMPT = "prompt can't be changed; create another Task"
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
    if after == "Pending":
        return pending(attempts=0 if before == "Pending" else 1)
    if after == "Running":
        return running()
    return ended(after, attempts=0 if before == "Pending" else 1)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a status, starting at the usual status of a phase."""

    before: str
    after: dict[str, Any]
    said: str | None
    """The message that the API server must give; None if it must accept the change."""


def _without(status: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in status.items() if name not in names}


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
    SpecChange(SPEC, SPEC | {"cancel": True}, None),
    SpecChange(SPEC | {"cancel": True}, SPEC | {"cancel": True, "title": "That"}, None),
    SpecChange(SPEC, SPEC | {"title": "That"}, None),
    SpecChange(SPEC, SPEC | {"title": None}, None),
    SpecChange(SPEC, SPEC | {"timeoutSeconds": 9, "ttlSecondsAfterFinished": 0}, None),
    SpecChange(SPEC | {"timeoutSeconds": 9, "ttlSecondsAfterFinished": 0}, SPEC, None),
)
