"""The objects that a verdict may read, and whether a reference resolves among them."""

from collections.abc import Mapping
from typing import Protocol

from wegent_crds import access
from wegent_crds.conditions import Reason
from wegent_crds.references import ObjectKey, Reference
from wegent_operator.state.objects import ObjectState, title
from wegent_operator.state.verdict import Problem


class View(Protocol):
    """The part of the cache that a verdict may read."""

    @property
    def shared_namespaces(self) -> frozenset[str]:
        """Namespaces whose objects any namespace may reference."""

    @property
    def served_shells(self) -> frozenset[str]:
        """Types of Shells that runners serve."""

    @property
    def served_modes(self) -> frozenset[str]:
        """Modes of collaboration that runners serve."""

    @property
    def stdio_permitted(self) -> bool:
        """True if runners start the commands of MCP servers."""

    def get(self, key: ObjectKey) -> ObjectState | None:
        """Return an object's state, or None where there is no such object."""

    def is_key_readable(self, namespace: str, name: str) -> bool:
        """Return whether runners may read a Secret to which an object of the namespace refers."""

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Return a namespace's labels; empty if the namespace isn't known."""


def is_open(namespace: str, home: str, view: View) -> bool:
    """Return whether objects in ``home`` may use, and repeat, all objects of a namespace."""
    return access.is_open(namespace, home, view.shared_namespaces)


def resolve(state: ObjectState, reference: Reference, view: View) -> Problem | None:
    """Return why a reference of an object doesn't resolve; None if it does."""
    target = reference.target
    referent = view.get(target)
    if not _permitted(state.key.namespace, target.namespace, referent, view):
        # The same words whether the referent exists or not: nothing is learnt by guessing names.
        return Problem(
            Reason.REF_NOT_PERMITTED,
            f"{title(target)} does not allow references from namespace {state.key.namespace};"
            " its owner can allow them in spec.accessFrom",
            (reference.field,),
            root=(Reason.REF_NOT_PERMITTED, state.key.namespace, target),
        )
    if referent is None:
        return Problem(
            Reason.REF_NOT_FOUND,
            f"{title(target)} does not exist; create it or change the reference",
            (reference.field,),
            root=(Reason.REF_NOT_FOUND, target),
        )
    return None


def _permitted(home: str, namespace: str, referent: ObjectState | None, view: View) -> bool:
    if is_open(namespace, home, view):
        return True
    if referent is None:
        return False
    return access.is_let_in(view.namespace_labels(home), referent.access_from)
