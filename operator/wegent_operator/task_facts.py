"""What the operator remembers of a Task's life: no prompt, no result."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wegent_crds.phases import Phase


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works on a Task. A claim that differs in anything has been renewed."""

    holder: str
    lease_s: int
    renewed_at: str
    """By the holder's clock, which may be wrong: never compared with a time."""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """How a Task's work stands, and what its author wants of it."""

    phase: Phase
    cancel: bool
    timeout_s: int | None
    ttl_s: int | None
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    claim: Claim | None


def task_facts_of(body: Mapping[str, Any]) -> TaskFacts:
    """Reduce a Task, as the API server sent it, to the facts of its life."""
    spec, status = body["spec"], body.get("status") or {}
    return TaskFacts(
        phase=Phase(status.get("phase", Phase.PENDING)),
        cancel=bool(spec.get("cancel")),
        timeout_s=spec.get("timeoutSeconds"),
        ttl_s=spec.get("ttlSecondsAfterFinished"),
        created_at=_moment(body["metadata"].get("creationTimestamp")),
        started_at=_moment(status.get("startTime")),
        ended_at=_moment(status.get("completionTime")),
        attempts=status.get("attempts", 0),
        claim=_claim(status.get("claim")),
    )


def _claim(claim: Mapping[str, Any] | None) -> Claim | None:
    if claim is None:
        return None
    return Claim(claim["holder"], claim["leaseSeconds"], claim["renewedAt"])


def _moment(text: str | None) -> datetime | None:
    """Return a time; None for none, and for a day that doesn't exist, such as February 30."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
