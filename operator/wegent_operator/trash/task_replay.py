"""How a Task that is brought back from the trash gets its status back: pure.

A new object begins as Pending, and only what a Task can live through leads from there to
what it was. So its life is lived again, one write a phase. A Task whose work was under
way comes back as Pending with its attempts: its claim died with it.

While that goes on nobody can claim it. Its conditions are either Unknown, or it isn't
Pending; and the operator gives no verdict as long as the Tombstone is there.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from wegent_crds.phases import FINAL, Phase

HOLDER: Final = "trash"
"""Who holds the Task for the moment between two writes."""
LEASE_S: Final = 3600
NEVER: Final = "1970-01-01T00:00:00Z"
"""When an attempt began of which no time was kept."""


def steps_to(kept: Mapping[str, Any], there: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the merge patches of the status that bring a Task to where it was.

    Args:
        kept: the status of the deleted Task.
        there: the Task as it has been created again; an earlier try may have led it some of
            the way.
    """
    states = list(_states(kept, there["metadata"]["generation"]))
    status = there.get("status") or {}
    now = (status.get("phase", Phase.PENDING), status.get("attempts", 0))
    reached = [(state["phase"], state["attempts"]) for state in states]
    done = reached.index(now) + 1 if now in reached else 0
    return states[done:]


def _states(kept: Mapping[str, Any], generation: int) -> Iterator[dict[str, Any]]:
    phase, attempts = Phase(kept.get("phase", Phase.PENDING)), kept.get("attempts", 0)
    ended, started = phase in FINAL, kept.get("startTime")
    if attempts:
        yield _claimed(attempts, started or kept.get("completionTime") or NEVER)
        if not (ended and started):
            yield _waiting(kept, attempts)
    if ended:
        yield _ended(kept, attempts, generation)


def _claimed(attempts: int, started: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
    return {
        "phase": Phase.RUNNING,
        "attempts": attempts,
        "startTime": started,
        "claim": {"holder": HOLDER, "leaseSeconds": LEASE_S, "renewedAt": started},
        "conditions": [{**ready, "lastTransitionTime": started}],
        "ready": "True",
    }


def _waiting(kept: Mapping[str, Any], attempts: int) -> dict[str, Any]:
    return {
        "phase": Phase.PENDING,
        "attempts": attempts,
        "startTime": None,
        "claim": None,
        "message": "Brought back from the trash; waiting to be claimed again"
        if kept.get("phase") == Phase.RUNNING
        else kept.get("message"),
        # Which makes them Unknown again, as the schema's default has it.
        "conditions": None,
        "ready": None,
    }


def _ended(kept: Mapping[str, Any], attempts: int, generation: int) -> dict[str, Any]:
    conditions = kept.get("conditions") or ()
    return {
        "phase": kept["phase"],
        "attempts": attempts,
        "claim": None,
        **{field: kept.get(field) for field in ("completionTime", "result", "message")},
        # It gets no verdict any more: the conditions that it had count for this generation.
        "observedGeneration": generation,
        "conditions": [{**it, "observedGeneration": generation} for it in conditions],
        "ready": kept.get("ready"),
    }
