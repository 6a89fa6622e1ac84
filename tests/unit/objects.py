"""Objects as the API server sends them, for tests of pure functions."""

import itertools
from typing import Any, Literal, overload

from wegent_crds.registry import KINDS
from wegent_operator.references.verdict import verdict as verdict_on_references
from wegent_operator.references.view import View
from wegent_operator.state.objects import AccountState, ObjectState, TaskState, state_of
from wegent_operator.state.verdict import Verdict
from wegent_operator.tasks.verdict import verdict as verdict_on_task

_VERSIONS = itertools.count(1)
_KINDS = {kind.kind: kind for kind in KINDS}


def body(
    kind: str,
    name: str,
    spec: dict[str, Any] | None = None,
    *,
    namespace: str = "default",
    **more: Any,
) -> dict[str, Any]:
    """Return an object; ``more`` goes beside its spec, ``metadata`` into its metadata."""
    version = next(_VERSIONS)
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{version}",
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **more.pop("metadata", {}),
    }
    return {"kind": kind, "metadata": metadata, "spec": spec or {}, **more}


@overload
def state(
    kind: Literal["Task"],
    name: str,
    spec: dict[str, Any] | None = None,
    *,
    namespace: str = "default",
    **more: Any,
) -> TaskState: ...


@overload
def state(
    kind: Literal["Account"],
    name: str,
    spec: dict[str, Any] | None = None,
    *,
    namespace: str = "default",
    **more: Any,
) -> AccountState: ...


@overload
def state(
    kind: str,
    name: str,
    spec: dict[str, Any] | None = None,
    *,
    namespace: str = "default",
    **more: Any,
) -> ObjectState: ...


def state(
    kind: str,
    name: str,
    spec: dict[str, Any] | None = None,
    *,
    namespace: str = "default",
    **more: Any,
) -> ObjectState:
    """Return the state of such an object."""
    return state_of(_KINDS[kind], body(kind, name, spec, namespace=namespace, **more))


def evaluate(state: ObjectState, view: View) -> Verdict:
    """Return the verdict that the controller of the object's kind gives."""
    if isinstance(state, TaskState):
        return verdict_on_task(state, view)
    return verdict_on_references(state, view)


BOT_SPEC = {
    "ghostRef": {"name": "g"},
    "modelRef": {"name": "m"},
    "shellRef": {"name": "s"},
}
