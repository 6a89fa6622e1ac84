"""The verdict on an object that refers to others: a pure function of the present state.

No cluster, no Kopf and no clock: ``verdict`` reads a view of the cache and returns
``ResolvedRefs`` and ``Ready``. It evaluates each referent in the same way (Task to Team to Bot
to Ghost to Skill: kinds refer to each other without a cycle), so the answer never depends on
the order in which events came.

The message of an object that isn't ready goes down that chain to the root causes. The
chain ends at an object of another namespace that isn't a shared one: permission to use
an object doesn't include permission to read what its spec names. So each message repeats only
what objects of its own namespace and of the shared ones say.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Protocol

from wegent_crds.conditions import Reason
from wegent_crds.references import ObjectKey, Reference
from wegent_crds.registry import BOT
from wegent_operator.state.objects import ModelState, ObjectState, ShellState, title
from wegent_operator.state.verdict import (
    MAX_PROBLEMS,
    Problem,
    Verdict,
    verdict_of,
)


class View(Protocol):
    """The part of the cache that a verdict may read."""

    @property
    def shared_namespaces(self) -> frozenset[str]:
        """Namespaces whose objects any namespace may reference."""

    def get(self, key: ObjectKey) -> ObjectState | None:
        """Return an object's state, or None where there is no such object."""

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return a namespace's labels; empty if the namespace isn't known."""


def verdict(state: ObjectState, view: View) -> Verdict:
    """Return the verdict on an object, given the other objects in ``view``."""
    unresolved = _unresolved(state, view)
    return verdict_of(unresolved, unresolved or _unusable(state, view))


def _problems(state: ObjectState, view: View) -> list[Problem]:
    """Return why the references of an object keep it from being ready."""
    return _unresolved(state, view) or _unusable(state, view)


def _unresolved(state: ObjectState, view: View) -> list[Problem]:
    return [
        problem
        for reference in state.references
        if (problem := _resolve(state, reference, view)) is not None
    ]


def _unusable(state: ObjectState, view: View) -> list[Problem]:
    problems = [*_duplicates(state), *_unready(state, view)]
    return problems or _unsupported_provider(state, view)


def _resolve(state: ObjectState, reference: Reference, view: View) -> Problem | None:
    target = reference.target
    referent = view.get(target)
    if not _permitted(state.key.namespace, target.namespace, referent, view):
        # The same words whether the referent exists or not: nothing is learnt by guessing names.
        return Problem(
            Reason.REF_NOT_PERMITTED,
            f"{reference.field}: {title(target)} does not allow references from namespace "
            f"{state.key.namespace}; its owner can allow them in spec.accessFrom",
            root=(Reason.REF_NOT_PERMITTED, state.key.namespace, target),
        )
    if referent is None:
        return Problem(
            Reason.REF_NOT_FOUND,
            f"{reference.field}: {title(target)} does not exist; create it or change the reference",
            root=(Reason.REF_NOT_FOUND, target),
        )
    return None


def _permitted(home: str, namespace: str, referent: ObjectState | None, view: View) -> bool:
    if namespace == home or namespace in view.shared_namespaces:
        return True
    if referent is None:
        return False
    labels = view.namespace_labels(home)
    return any(selector.matches(labels) for selector in referent.access_from)


def _duplicates(state: ObjectState) -> list[Problem]:
    """Return a problem for each item of a list that refers to an object for the second time.

    The schema refuses items with the same name and namespace. It can't tell that an item
    without a namespace and an item with the object's own mean the same object.
    """
    first: dict[ObjectKey, Reference] = {}
    return [
        Problem(
            Reason.DUPLICATE_REF,
            f"{reference.field}: duplicate reference to {title(reference.target)}, which is also at"
            f" {first[reference.target].field}; remove one of the two",
            root=(Reason.DUPLICATE_REF, state.key, reference.target),
        )
        for reference in state.references
        if first.setdefault(reference.target, reference) is not reference
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
        if referent is not None and (causes := _problems(referent, view)):
            head, *tail = _through(state, reference, causes, view)
            first.append(head)
            for problem in tail:
                further.setdefault(problem.root, problem)
    for problem in first:
        further.pop(problem.root, None)
    return [*first, *further.values()]


def _through(
    state: ObjectState, reference: Reference, causes: list[Problem], view: View
) -> Iterator[Problem]:
    """Yield the problems that a referent's problems are for an object that refers to it."""
    message = f"{reference.field}: {title(reference.target)} is not ready"
    namespace = reference.target.namespace
    if namespace != state.key.namespace and namespace not in view.shared_namespaces:
        hidden = f"{message} ({causes[0].reason}); see its conditions in namespace {namespace}"
        yield Problem(Reason.REF_NOT_READY, hidden, root=reference.target)
        return
    for cause in causes:
        yield Problem(Reason.REF_NOT_READY, message, root=cause.root, cause=cause)


def _unsupported_provider(state: ObjectState, view: View) -> list[Problem]:
    if state.key.plural != BOT.plural:
        return []
    referents = {
        reference.target.plural: referent
        for reference in state.references
        if (referent := view.get(reference.target))
    }
    model, shell = referents.get("models"), referents.get("shells")
    if not isinstance(model, ModelState) or not isinstance(shell, ShellState):
        return []
    if not shell.supported_providers:
        return []
    if model.provider in shell.supported_providers:
        return []
    return [
        Problem(
            Reason.PROVIDER_NOT_SUPPORTED,
            f"spec.shellRef: {title(shell.key)} supports the providers "
            f"{_listed(shell.supported_providers)}, but {title(model.key)} in spec.modelRef "
            f"has the provider {model.provider}; choose another Model or Shell",
            root=(Reason.PROVIDER_NOT_SUPPORTED, state.key),
        )
    ]


def _listed(names: Sequence[str]) -> str:
    """Return names as text, no more of them than a message has room for."""
    more = len(names) - MAX_PROBLEMS
    return ", ".join(names[:MAX_PROBLEMS]) + (f" and {more} more" if more > 0 else "")
