"""The verdict on a Task that is Pending: references, schema of the result, and acceptance."""

from dataclasses import replace

from wegent_crds.conditions import ConditionType, Reason
from wegent_operator.references.verdict import verdict as verdict_on_references
from wegent_operator.references.view import View
from wegent_operator.state.objects import TaskState
from wegent_operator.state.verdict import Problem, Verdict, outcome_of


def verdict(state: TaskState, view: View) -> Verdict:
    """Return the verdict on a Task, given the other objects in ``view``."""
    references = verdict_on_references(state, view)
    if state.progress.output_problem:
        # First of all problems: the schema can't be changed, so that another Task is needed.
        fault = Problem(
            Reason.OUTPUT_SCHEMA_INVALID,
            f"{state.progress.output_problem}; create another Task, as the schema can't be changed",
        )
        not_ready = outcome_of(ConditionType.READY, Reason.READY, [fault])
        references = replace(references, ready=not_ready)
    if not state.progress.cancel:
        accepted = outcome_of(ConditionType.ACCEPTED, Reason.ACCEPTED, [])
        return replace(references, accepted=accepted)
    cancelled = [
        Problem(Reason.CANCELLED, "spec.cancel: the Task was cancelled before it was claimed")
    ]
    return replace(
        references,
        ready=outcome_of(ConditionType.READY, Reason.READY, cancelled),
        accepted=outcome_of(ConditionType.ACCEPTED, Reason.ACCEPTED, cancelled),
    )
