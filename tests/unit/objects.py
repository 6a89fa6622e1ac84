"""Objects as the API server sends them, for tests of pure functions."""

import itertools
from typing import Any

from wegent_crds.registry import KINDS
from wegent_operator.state.objects import Facts, facts_of

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


def facts(
    kind: str,
    name: str,
    spec: dict[str, Any] | None = None,
    *,
    namespace: str = "default",
    **more: Any,
) -> Facts:
    """Return the facts of such an object."""
    return facts_of(_KINDS[kind], body(kind, name, spec, namespace=namespace, **more))


BOT_SPEC = {
    "ghostRef": {"name": "g"},
    "modelRef": {"name": "m"},
    "shellRef": {"name": "s"},
}
