"""Converts a verdict into conditions, and conditions into the patch of a status."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from wegent_crds.conditions import ConditionType, StoredCondition, find_condition
from wegent_crds.schema.status import MESSAGE_MAX_CHARACTERS, READINESS
from wegent_operator.state.objects import GroupState, ObjectState
from wegent_operator.state.verdict import Outcome, Verdict

_S = TypeVar("_S", bound=ObjectState)

CUT: Final = " ... (cut)"
"""End of a message that was cut. The message of a webhook may have any length."""
PASSING: Final = (
    ConditionType.DELETED,
    ConditionType.KEYS_READABLE,
    ConditionType.LAST_ADMIN,
    ConditionType.MODEL_BOUND,
    ConditionType.SERVED,
    ConditionType.STALLED,
    ConditionType.TOOLS_SERVED,
)
"""Conditions that are removed when they no longer apply. An object that gets a verdict isn't being
deleted; an Account may no longer be an admin; a Bot may get a Model; a Shell may be missing; an
edit may end a stall, or remove the last MCP server; a namespace may have fewer keys."""


def with_verdict(state: _S, verdict: Verdict, now: str) -> _S:
    """Return the state with a verdict; it equals ``state`` if the verdict is written already.

    ``now`` is an RFC 3339 time; a condition carries it only when its status changes.
    Conditions of other types are left as they are. The types in `PASSING` are removed when the
    verdict doesn't have them.
    """
    seen = {it.type: it for it in state.conditions}
    said = {outcome.type for outcome in verdict.outcomes}
    for type_ in PASSING:
        if type_ not in said:
            seen.pop(type_, None)
    for outcome in verdict.outcomes:
        seen[outcome.type] = condition_of(outcome, seen.get(outcome.type), state.generation, now)
    evaluated = replace(state, observed_generation=state.generation)
    return with_conditions(evaluated, seen.values())


def with_outcome(state: _S, outcome: Outcome, now: str) -> _S:
    """Return the state with one more condition; it equals ``state`` if it has that already."""
    seen = {condition.type: condition for condition in state.conditions}
    seen[outcome.type] = condition_of(outcome, seen.get(outcome.type), state.generation, now)
    return with_conditions(state, seen.values())


def without_obstacle(state: _S) -> _S:
    """Return the state without the condition ``Deleted``."""
    return with_conditions(
        state, (it for it in state.conditions if it.type != ConditionType.DELETED)
    )


def with_conditions(state: _S, conditions: Iterable[StoredCondition]) -> _S:
    """Return the state with these conditions, and with the matching ``status.ready``."""
    kept = tuple(conditions)
    ready = find_condition(kept, ConditionType.READY)
    return replace(state, conditions=kept, ready=ready.status if ready else READINESS)


def status_patch(desired: ObjectState) -> dict[str, Any]:
    """Return the merge patch for ``/status``, guarded by the version of the evaluated object.

    A merge patch replaces the whole list of conditions, so it carries all of them.
    """
    status: dict[str, Any] = {
        "observedGeneration": desired.observed_generation,
        "conditions": [condition.to_json() for condition in desired.conditions],
        "ready": desired.ready,
    }
    if isinstance(desired, GroupState):
        status["members"] = [
            {"username": username, "accountUid": uid} for username, uid in desired.bound
        ]
    return {"metadata": {"resourceVersion": str(desired.version)}, "status": status}


def condition_of(
    outcome: Outcome, seen: StoredCondition | None, generation: int, now: str
) -> StoredCondition:
    """Return the condition of an outcome; ``seen`` is the present condition of that type."""
    status = "True" if outcome.status else "False"
    unchanged = seen is not None and seen.status == status
    return StoredCondition(
        type=str(outcome.type),
        status=status,
        reason=str(outcome.reason),
        message=_bounded(outcome.message),
        observed_generation=generation,
        last_transition_time=seen.last_transition_time if seen and unchanged else now,
    )


def rfc3339(moment: datetime) -> str:
    """Return a time as Kubernetes writes it: UTC, in seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bounded(message: str) -> str:
    """Return the message, cut to the schema's limit in characters."""
    if len(message) <= MESSAGE_MAX_CHARACTERS:
        return message
    return message[: MESSAGE_MAX_CHARACTERS - len(CUT)] + CUT
