"""The verdict on an object that refers to others: a pure function of the present state.

No cluster, no Kopf and no clock: ``verdict`` reads a view of the cache and returns
``ResolvedRefs`` and ``Ready``. It evaluates each referent in the same way (Task to Team to Bot
to Ghost to Skill: kinds refer to each other without a cycle), so the answer never depends on
the order in which events came. References within a kind may form a cycle, and aren't followed:
a Task depends on the phase of the previous Task, and a Model on the existence of its fallbacks,
whose own fallbacks are never called.

The message of an object that isn't ready begins with the root cause, and names the fields of that
chain that lead to it. The chain ends at an object of another namespace that isn't a shared one:
permission to use an object doesn't include permission to read what its spec names. So each message
repeats only what objects of its own namespace and of the shared ones say.
"""

from collections.abc import Hashable, Iterator
from dataclasses import replace

from wegent_crds.conditions import Reason
from wegent_crds.phases import Phase
from wegent_crds.references import ObjectKey, Reference
from wegent_operator.references.keys import keys_readable
from wegent_operator.references.models import model_bound, model_problems
from wegent_operator.references.served import served
from wegent_operator.references.tools import tools_served
from wegent_operator.references.view import View, is_open, resolve
from wegent_operator.state.objects import ObjectState, TaskState, title
from wegent_operator.state.verdict import Problem, Verdict, verdict_of


def verdict(state: ObjectState, view: View) -> Verdict:
    """Return the verdict on an object, given the other objects in ``view``."""
    unresolved = _unresolved(state, view)
    decided = verdict_of(unresolved, unresolved or _unusable(state, view))
    bound = None if unresolved else model_bound(state, view)
    return replace(
        decided,
        served=served(state, view),
        model_bound=bound,
        tools_served=tools_served(state, view),
        keys_readable=keys_readable(state, view),
    )


def _problems(state: ObjectState, view: View) -> list[Problem]:
    """Return why the references of an object keep it from being ready."""
    return _unresolved(state, view) or _unusable(state, view)


def _unresolved(state: ObjectState, view: View) -> list[Problem]:
    return [
        problem
        for reference in state.references
        if (problem := resolve(state, reference, view)) is not None
    ]


def _unusable(state: ObjectState, view: View) -> list[Problem]:
    problems = [*_own(state), *_duplicates(state), *_unready(state, view)]
    return problems or model_problems(state, view)


def _own(state: ObjectState) -> list[Problem]:
    """Return a problem for each reference of an object to itself."""
    return [
        Problem(
            Reason.DUPLICATE_REF,
            f"{title(state.key)} is this object itself; remove the reference",
            (reference.field,),
            root=(Reason.DUPLICATE_REF, state.key, reference.target),
        )
        for reference in state.references
        if reference.target == state.key
    ]


def _duplicates(state: ObjectState) -> list[Problem]:
    """Return a problem for each item of a list that refers to an object for the second time.

    The schema refuses items with the same name and namespace. It can't tell that an item
    without a namespace and an item with the object's own mean the same object. Fields of items may
    repeat: several members of a Team can call one Model.
    """
    first: dict[ObjectKey, Reference] = {}
    return [
        Problem(
            Reason.DUPLICATE_REF,
            f"duplicate reference to {title(reference.target)}, which is also at"
            f" {first[reference.target].field}; remove one of the two",
            (reference.field,),
            root=(Reason.DUPLICATE_REF, state.key, reference.target),
        )
        for reference in state.references
        if reference.field.endswith("]")
        and first.setdefault(reference.target, reference) is not reference
    ]


def _unready(state: ObjectState, view: View) -> list[Problem]:
    """Return a problem for each referent that isn't ready, then those of further root causes.

    A Team's Bots may lack the same Ghost: the Task's message says that once, and has room for
    the other causes.
    """
    first: list[Problem] = []
    further: dict[Hashable, Problem] = {}
    for reference in state.references:
        referent = view.get(reference.target)
        if referent is None:
            continue
        if reference.target.plural == state.key.plural:
            first += _unended(reference, referent)
        elif causes := _problems(referent, view):
            head, *tail = _through(state, reference, causes, view)
            first.append(head)
            for problem in tail:
                further.setdefault(problem.root, problem)
    for problem in first:
        further.pop(problem.root, None)
    return [*first, *further.values()]


def _unended(reference: Reference, referent: ObjectState) -> list[Problem]:
    """Return a problem if the referent is a Task that can't be continued, or not yet."""
    if not isinstance(referent, TaskState) or referent.end is Phase.COMPLETED:
        return []
    message = f"{title(reference.target)} "
    if referent.end is None:
        message += "has not ended; this Task can begin when it is Completed"
    else:
        message += f"is {referent.end}; only a Completed Task can be continued"
    return [Problem(Reason.REF_NOT_READY, message, (reference.field,), root=reference.target)]


def _through(
    state: ObjectState, reference: Reference, causes: list[Problem], view: View
) -> Iterator[Problem]:
    """Yield the problems that a referent's problems are for an object that refers to it."""
    referent, namespace = title(reference.target), reference.target.namespace
    if not is_open(namespace, state.key.namespace, view):
        hidden = (
            f"{referent} is not ready ({causes[0].reason}); see its conditions in namespace"
            f" {namespace}"
        )
        yield Problem(Reason.REF_NOT_READY, hidden, (reference.field,), root=reference.target)
        return
    for cause in causes:
        yield cause.through(reference.field, referent, Reason.REF_NOT_READY)
