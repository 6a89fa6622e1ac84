"""Statuses of Tasks in each phase, as their writers set them."""

from typing import Any, Final

STARTED: Final = "2026-01-31T12:00:00Z"
RENEWED: Final = "2026-01-31T12:00:10Z"
ENDED: Final = "2026-01-31T12:01:00Z"

RAN: Final = [
    {"kind": "Ghost", "namespace": "ns", "name": "g", "generation": 2, "hash": "9f86d081884c"}
]
"""Entries of ``status.ran``."""


def condition(type_: str, status: str = "True") -> dict[str, Any]:
    """Return a condition with that status."""
    return {
        "type": type_,
        "status": status,
        "reason": type_,
        "message": "",
        "lastTransitionTime": STARTED,
    }


READY: Final = {"conditions": [condition("ResolvedRefs"), condition("Ready")]}
NOT_READY: Final = {"conditions": [condition("ResolvedRefs"), condition("Ready", "False")]}


def claim(holder: str = "runner-a", lease_s: int = 60, renewed_at: str = STARTED) -> dict[str, Any]:
    """Return a claim."""
    return {"holder": holder, "leaseSeconds": lease_s, "renewedAt": renewed_at}


def pending(attempts: int = 0) -> dict[str, Any]:
    """Return the status of a Task that may be claimed."""
    return {**READY, "phase": "Pending", "attempts": attempts}


def running(holder: str = "runner-a", attempts: int = 1, **more: Any) -> dict[str, Any]:
    """Return the status of a Task that a runner has claimed."""
    return {
        **READY,
        "phase": "Running",
        "attempts": attempts,
        "startTime": STARTED,
        "claim": claim(holder),
        **more,
    }


def question(id_: str = "call_1", **more: Any) -> dict[str, Any]:
    """Return a question to people, as in ``status.waitingFor``."""
    return {
        "id": id_,
        "kind": "approval",
        "bot": "default/b",
        "message": "May it?",
        "tool": "delete",
        "arguments": "{}",
        **more,
    }


def waiting(attempts: int = 1, **more: Any) -> dict[str, Any]:
    """Return the status of a Task that waits for an answer."""
    return {
        **READY,
        "phase": "Waiting",
        "attempts": attempts,
        "releases": attempts,
        "waitingFor": [question()],
        "waitingSince": ENDED,
        "message": "Waiting for an answer: May it?",
        **more,
    }


def ended(phase: str, attempts: int = 1, **more: Any) -> dict[str, Any]:
    """Return the status of a finished Task; without an attempt, it never started."""
    started = {"startTime": STARTED} if attempts else {}
    return {
        **READY,
        "phase": phase,
        "attempts": attempts,
        **started,
        "completionTime": ENDED,
        "message": "It ended.",
        **({"result": "Done."} if phase == "Completed" else {}),
        **more,
    }
