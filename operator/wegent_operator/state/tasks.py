"""The progress of a Task in memory: no prompt, no result, the head of a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wegent_crds.kinds.task import WAIT_TIMEOUT_S
from wegent_crds.moments import moment
from wegent_crds.output_schema import SchemaNotAllowed, compile_schema
from wegent_crds.phases import FINAL, Phase
from wegent_crds.reading import integer, mapping, mappings, text

MESSAGE_MAX: Final = 512
"""Characters of ``status.message`` that a condition repeats, and that are kept in memory."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A runner's claim on a Task. Any difference to the last known claim means a renewal."""

    holder: str
    lease_s: int
    renewed_at: str
    """Time on the holder's clock, which may be wrong. It is never compared with another time."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A Task's wait for answers of people. The questions themselves are not kept in memory."""

    since: datetime | None
    timeout_s: int
    open: int
    """Number of questions without an answer."""


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """The progress of a Task's work, and the wishes of its author."""

    phase: Phase
    cancel: bool
    timeout_s: int | None
    ttl_s: int | None
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    claim: Claim | None
    message: str = ""
    """Reason for the end of the Task; empty before that."""
    releases: int = 0
    """Claims that runners gave back on purpose. They count in ``attempts`` too."""
    wait: Wait | None = None
    """The wait of a Waiting Task."""
    output_problem: str = ""
    """Fault of ``spec.outputSchema``; empty without one, and once the Task has left Pending."""


def task_progress_of(body: Mapping[str, Any]) -> TaskProgress:
    """Reduce a Task, as the API server sent it, to its progress.

    A Task in a phase that isn't known is left to the program that knows it.
    """
    spec, status = mapping(body.get("spec")), mapping(body.get("status"))
    phase = _phase(status)
    if phase is None:
        spec, status = {}, {}
    return TaskProgress(
        phase=phase or Phase.RUNNING,
        cancel=spec.get("cancel") is True,
        timeout_s=integer(spec.get("timeoutSeconds")),
        ttl_s=integer(spec.get("ttlSecondsAfterFinished")),
        created_at=moment(body["metadata"].get("creationTimestamp")),
        started_at=moment(status.get("startTime")),
        ended_at=moment(status.get("completionTime")),
        attempts=integer(status.get("attempts")) or 0,
        claim=_claim(mapping(status.get("claim"))),
        message=_message(status) if phase in FINAL else "",
        releases=integer(status.get("releases")) or 0,
        wait=_wait(spec, status) if phase is Phase.WAITING else None,
        output_problem=_output_problem(spec) if phase is Phase.PENDING else "",
    )


def _wait(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Wait:
    answered = {text(answer.get("id")) for _, answer in mappings(spec.get("answers"))}
    asked = [text(question.get("id")) for _, question in mappings(status.get("waitingFor"))]
    timeout_s = integer(spec.get("waitTimeoutSeconds"))
    return Wait(
        since=moment(status.get("waitingSince")),
        timeout_s=WAIT_TIMEOUT_S if timeout_s is None else timeout_s,
        open=sum(id_ not in answered for id_ in asked),
    )


def _output_problem(spec: Mapping[str, Any]) -> str:
    if spec.get("outputSchema") is None:
        return ""
    try:
        compile_schema(spec["outputSchema"])
    except SchemaNotAllowed as error:
        return str(error)
    return ""


def _message(status: Mapping[str, Any]) -> str:
    message = text(status.get("message"))
    return message if len(message) <= MESSAGE_MAX else f"{message[: MESSAGE_MAX - 1]}…"


def _phase(status: Mapping[str, Any]) -> Phase | None:
    try:
        return Phase(status.get("phase", Phase.PENDING))
    except ValueError:
        return None


def _claim(claim: Mapping[str, Any]) -> Claim | None:
    holder, lease_s = text(claim.get("holder")), integer(claim.get("leaseSeconds"))
    if not holder or lease_s is None:
        return None
    return Claim(holder, lease_s, text(claim.get("renewedAt")))
