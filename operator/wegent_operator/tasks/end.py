"""The conditions of a Task that has left Pending: its end, as for Jobs and kstatus.

Pure. ``kubectl wait`` waits for ``Complete`` and ``Failed``, as on Jobs. Flux reads custom
resources by the rules of kstatus: an ``observedGeneration`` that is behind is work in progress,
``Stalled`` with the status True is a failure, and ``Ready`` that isn't True is work in progress.
So an edit of a Task that has begun is acknowledged, and a Task at its end has no ``Ready`` that
isn't True, and no such ``Served``. Only a cancellation is acknowledged by the end: work is in
progress until then, and a write more would compete with the runner's last one. docs/adr/0023 has
the alternatives.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.phases import FINAL, Phase
from wegent_operator.state.conditions import condition_of, with_conditions
from wegent_operator.state.objects import TaskState
from wegent_operator.state.verdict import Outcome

SAID: Final[Mapping[Phase, tuple[tuple[ConditionType, Reason], ...]]] = MappingProxyType(
    {
        Phase.COMPLETED: ((ConditionType.COMPLETE, Reason.COMPLETED),),
        Phase.FAILED: (
            (ConditionType.FAILED, Reason.TASK_FAILED),
            (ConditionType.STALLED, Reason.TASK_FAILED),
        ),
        # A cancellation was requested, so the Task is not stalled.
        Phase.CANCELLED: ((ConditionType.FAILED, Reason.CANCELLED),),
    }
)
"""The conditions that are True at a Task's end, by phase."""


def with_progress(state: TaskState, phase: Phase, message: str, now: str) -> TaskState:
    """Return the state with the conditions for ``phase``, which isn't Pending.

    Equal to ``state`` where all of it is written already, by the operator or by the runner.

    Args:
        state: the Task.
        phase: its phase, or its next phase.
        message: human-readable cause.
        now: an RFC 3339 time.
    """
    if phase not in FINAL and state.progress.cancel:
        return state
    conditions = {condition.type: condition for condition in state.conditions}
    if phase in FINAL:
        for type_ in (ConditionType.READY, ConditionType.SERVED):
            if type_ in conditions and not conditions[type_].is_true:
                del conditions[type_]
        for type_, reason in SAID[phase]:
            seen = conditions.get(type_)
            if seen is None or not seen.is_true:
                outcome = Outcome(type_, status=True, reason=reason, message=message)
                conditions[type_] = condition_of(outcome, seen, state.generation, now)
    acknowledged = replace(state, observed_generation=state.generation)
    return with_conditions(acknowledged, conditions.values())
