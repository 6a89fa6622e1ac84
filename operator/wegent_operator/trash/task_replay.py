"""The status writes that give a restored Task its former status. Pure.

A new Task begins as Pending, and the schema allows only certain changes of phase. So the
former phases are replayed, one write a phase. A Task that was running comes back as Pending
with its number of attempts, because its claim ended with the old object. One that was waiting for
answers waits again, for the same ones; the time that it has for them begins again.

Nobody can claim the Task during the replay: either its conditions are Unknown, or it isn't
Pending. The operator gives no verdict while the Tombstone exists.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from wegent_crds.phases import FINAL, Phase

HOLDER: Final = "trash"
"""Holder of the Task's claim between two writes of the replay."""
LEASE_S: Final = 3600
OUTCOME: Final = ("completionTime", "result", "message", "usage", "ran")
"""Fields that can't be changed after the end."""
WAITING: Final = ("releases", "waitingFor", "waitingSince", "message", "usage", "ran")
"""Fields of a Task that waits for people."""
NEVER: Final = "1970-01-01T00:00:00Z"
"""Start time of an attempt whose start was not stored."""


def steps_to(kept: Mapping[str, Any], there: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the merge patches that give a Task its former status.

    Args:
        kept: the status of the deleted Task.
        there: the recreated Task. An earlier try may have made some of the writes.
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
    begun = started or kept.get("completionTime") or NEVER
    if phase is Phase.WAITING:
        yield _claimed(attempts, begun)
        yield _waiting(kept, attempts, generation)
        return
    if attempts:
        if ended and started and kept.get("releases"):
            # Releases come with the end of an attempt, and the last attempt wasn't given back.
            yield _claimed(attempts - 1, begun)
            yield _pending(kept, attempts - 1)
        yield _claimed(attempts, begun)
        if not (ended and started):
            yield _pending(kept, attempts)
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


def _pending(kept: Mapping[str, Any], attempts: int) -> dict[str, Any]:
    return {
        "phase": Phase.PENDING,
        "attempts": attempts,
        "releases": kept.get("releases", 0),
        "usage": kept.get("usage"),
        "ran": kept.get("ran"),
        "startTime": None,
        "claim": None,
        "message": "Restored from the trash; waiting for another claim"
        if kept.get("phase") == Phase.RUNNING
        else kept.get("message"),
        # The schema's default makes the conditions Unknown again.
        "conditions": None,
        "ready": None,
    }


def _waiting(kept: Mapping[str, Any], attempts: int, generation: int) -> dict[str, Any]:
    return {
        "phase": Phase.WAITING,
        "attempts": attempts,
        "startTime": None,
        "claim": None,
        **{field: kept.get(field) for field in WAITING},
        **_verdict(kept, generation),
    }


def _verdict(kept: Mapping[str, Any], generation: int) -> dict[str, Any]:
    """Return the former conditions, as those of this generation: no other verdict follows."""
    conditions = kept.get("conditions") or ()
    return {
        "observedGeneration": generation,
        "conditions": [{**it, "observedGeneration": generation} for it in conditions],
        "ready": kept.get("ready"),
    }


def _ended(kept: Mapping[str, Any], attempts: int, generation: int) -> dict[str, Any]:
    return {
        "phase": kept["phase"],
        "attempts": attempts,
        "claim": None,
        **{field: kept.get(field) for field in OUTCOME},
        **_verdict(kept, generation),
    }
