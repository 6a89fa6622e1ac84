"""From a verdict to the one patch that writes it, or to none where it stands already."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from wegent_operator.facts import Condition, Facts
from wegent_operator.verdict import Outcome, Verdict


def with_verdict(facts: Facts, verdict: Verdict, now: str) -> Facts:
    """Return the facts as they should be: equal to ``facts`` where the verdict is written already.

    ``now`` is an RFC 3339 time; a condition carries it only when its status changes.
    Conditions of other types are left as they are.
    """
    seen = {condition.type: condition for condition in facts.conditions}
    for outcome in verdict.outcomes:
        seen[outcome.type] = _condition(outcome, seen.get(outcome.type), facts.generation, now)
    return replace(facts, conditions=tuple(seen.values()), observed_generation=facts.generation)


def status_patch(desired: Facts) -> dict[str, Any]:
    """Return the merge patch for ``/status``, guarded by the version that was judged.

    A merge patch replaces the whole list of conditions, so it carries all of them.
    """
    return {
        "metadata": {"resourceVersion": str(desired.version)},
        "status": {
            "observedGeneration": desired.observed_generation,
            "conditions": [condition.to_json() for condition in desired.conditions],
        },
    }


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """Return the condition of a type."""
    return next((condition for condition in conditions if condition.type == type_), None)


def _condition(outcome: Outcome, seen: Condition | None, generation: int, now: str) -> Condition:
    status = "True" if outcome.status else "False"
    unchanged = seen is not None and seen.status == status
    return Condition(
        type=str(outcome.type),
        status=status,
        reason=str(outcome.reason),
        message=outcome.message,
        observed_generation=generation,
        last_transition_time=seen.last_transition_time if seen and unchanged else now,
    )
