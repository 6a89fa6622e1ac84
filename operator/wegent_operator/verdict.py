"""The verdict on one object: a pure function of what is there now.

No cluster, no Kopf and no clock: ``judge`` reads a view of the store and says
what ``ResolvedRefs`` and ``Ready`` should be. It asks for the readiness of what
an object refers to by judging that too (Task to Team to Bot to Ghost to Skill:
kinds refer to each other without a cycle), so the answer never depends on the
order in which events came.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.kinds import BOT, BY_PLURAL
from wegent_crds.references import ObjectKey, Reference
from wegent_operator.facts import Facts
from wegent_operator.task_facts import TaskFacts

MAX_PROBLEMS: Final = 8
"""Problems that one message spells out; a Team of 64 Bots could have as many."""


class View(Protocol):
    """What a verdict may look at."""

    @property
    def shared_namespaces(self) -> frozenset[str]:
        """Namespaces into which any namespace may refer."""

    def get(self, key: ObjectKey) -> Facts | None:
        """Return an object's facts, or None where there is no such object."""

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return a namespace's labels; none for one that isn't known."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one condition should say."""

    type: ConditionType
    status: bool
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the conditions should say."""

    resolved_refs: Outcome
    ready: Outcome
    accepted: Outcome | None = None
    """Of Tasks alone."""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The conditions in the order in which they are written."""
        shared = (self.ready, self.resolved_refs)
        return (*shared, self.accepted) if self.accepted else shared


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an object isn't ready."""

    reason: Reason
    message: str


def judge(facts: Facts, view: View) -> Verdict:
    """Return the verdict on an object as things stand in ``view``."""
    verdict = _judge_references(facts, view)
    return verdict if facts.task is None else _judge_task(facts.task, verdict)


def _judge_references(facts: Facts, view: View) -> Verdict:
    unresolved = [
        problem
        for reference in facts.references
        if (problem := _resolve(facts, reference, view)) is not None
    ]
    if unresolved:
        return refused(unresolved, unresolved)
    return refused([], list(_unready(facts, view)) or _unsupported_provider(facts, view))


def _judge_task(task: TaskFacts, verdict: Verdict) -> Verdict:
    if not task.cancel:
        return replace(verdict, accepted=_outcome(ConditionType.ACCEPTED, Reason.ACCEPTED, []))
    cancelled = [Problem(Reason.CANCELLED, "spec.cancel: the Task was cancelled before it began")]
    return replace(
        verdict,
        ready=_outcome(ConditionType.READY, Reason.READY, cancelled),
        accepted=_outcome(ConditionType.ACCEPTED, Reason.ACCEPTED, cancelled),
    )


def refused(unresolved: list[Problem], problems: list[Problem]) -> Verdict:
    """Return the verdict that these problems make; with none of them it is Ready."""
    return Verdict(
        _outcome(ConditionType.RESOLVED_REFS, Reason.RESOLVED_REFS, unresolved),
        _outcome(ConditionType.READY, Reason.READY, problems),
    )


def _outcome(type_: ConditionType, good: Reason, problems: list[Problem]) -> Outcome:
    if not problems:
        return Outcome(type_, status=True, reason=good, message="")
    shown = "; ".join(problem.message for problem in problems[:MAX_PROBLEMS])
    if len(problems) > MAX_PROBLEMS:
        shown += f"; and {len(problems) - MAX_PROBLEMS} more"
    return Outcome(type_, status=False, reason=problems[0].reason, message=shown)


def _resolve(facts: Facts, reference: Reference, view: View) -> Problem | None:
    target = reference.target
    referent = view.get(target)
    if not _permitted(facts.key.namespace, target.namespace, referent, view):
        # The same words whether the referent exists or not: nothing is learnt by guessing names.
        return Problem(
            Reason.REF_NOT_PERMITTED,
            f"{reference.field}: {_title(target)} may not be used from namespace "
            f"{facts.key.namespace}; its owner can allow that in its spec.accessFrom",
        )
    if referent is None:
        return Problem(
            Reason.REF_NOT_FOUND,
            f"{reference.field}: {_title(target)} does not exist; create it or change the "
            "reference",
        )
    return None


def _permitted(home: str, namespace: str, referent: Facts | None, view: View) -> bool:
    if namespace == home or namespace in view.shared_namespaces:
        return True
    if referent is None:
        return False
    labels = view.namespace_labels(home)
    return any(selector.matches(labels) for selector in referent.access_from)


def _unready(facts: Facts, view: View) -> list[Problem]:
    return [
        Problem(
            Reason.REF_NOT_READY,
            f"{reference.field}: {_title(reference.target)} is not ready; see its conditions",
        )
        for reference in facts.references
        if (referent := view.get(reference.target)) and not judge(referent, view).ready.status
    ]


def _unsupported_provider(facts: Facts, view: View) -> list[Problem]:
    if facts.key.plural != BOT.plural:
        return []
    referents = {
        reference.target.plural: referent
        for reference in facts.references
        if (referent := view.get(reference.target))
    }
    model, shell = referents.get("models"), referents.get("shells")
    if model is None or shell is None or not shell.supported_providers:
        return []
    if model.provider in shell.supported_providers:
        return []
    return [
        Problem(
            Reason.PROVIDER_NOT_SUPPORTED,
            f"spec.shellRef: {_title(shell.key)} takes the providers "
            f"{', '.join(shell.supported_providers)}, and {_title(model.key)} of spec.modelRef "
            f"has {model.provider}; choose another Model or Shell",
        )
    ]


def _title(key: ObjectKey) -> str:
    return f"{BY_PLURAL[key.plural].kind} {key.namespace}/{key.name}"
