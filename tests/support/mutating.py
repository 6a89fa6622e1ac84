"""A third party's mutating policy in one namespace."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.support.policies import rule
from tests.support.waiting import eventually
from wegent_crds.registry import GROUP
from wegent_kube import KubeClient
from wegent_kube.resources import Resource

IN_FORCE_WITHIN_S: Final = 30.0
API: Final = "admissionregistration.k8s.io"
POLICIES: Final = Resource(API, "v1", "mutatingadmissionpolicies")
BINDINGS: Final = Resource(API, "v1", "mutatingadmissionpolicybindings")
CANARY: Final = "mutated"


def label(name: str, value: str) -> str:
    """Return the CEL expression of patches that set a label."""
    path = name.replace("~", "~0").replace("/", "~1")
    return (
        "(has(object.metadata.labels) ? [] :"
        " [JSONPatch{op: 'add', path: '/metadata/labels', value: {}}])"
        f" + [JSONPatch{{op: 'add', path: '/metadata/labels/{path}', value: '{value}'}}]"
    )


def finalizer(name: str) -> str:
    """Return the CEL expression of patches that add a finalizer."""
    return (
        f"object.metadata.?finalizers.orValue([]).exists(it, it == '{name}') ? [] :"
        " (has(object.metadata.finalizers)"
        f" ? [JSONPatch{{op: 'add', path: '/metadata/finalizers/-', value: '{name}'}}]"
        f" : [JSONPatch{{op: 'add', path: '/metadata/finalizers', value: ['{name}']}}])"
    )


@asynccontextmanager
async def mutating(
    client: KubeClient,
    namespace: str,
    resources: Sequence[str],
    patches: str,
    *,
    operations: Sequence[str] = ("CREATE", "UPDATE"),
) -> AsyncIterator[None]:
    """Keep a mutating policy in force while the block runs."""
    name = f"third-party-{uuid.uuid4().hex[:8]}"
    # A dry run with a ConfigMap shows if the policy is in force, without changing any object.
    canary = label(CANARY, "yes")
    expression = f"request.resource.resource == 'configmaps' ? ({canary}) : ({patches})"
    policy: dict[str, Any] = {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "resourceRules": [
                    rule(GROUP, resources, operations),
                    rule("", ["configmaps"], ["CREATE"]),
                ]
            },
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
        },
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding = {
        "metadata": {"name": name},
        "spec": {"policyName": name, "matchResources": {"namespaceSelector": selector}},
    }
    await client.request("POST", POLICIES.path(), body=policy)
    await client.request("POST", BINDINGS.path(), body=binding)
    await _wait(client, namespace, mutates=True)
    try:
        yield
    finally:
        for resource in (BINDINGS, POLICIES):
            await client.request("DELETE", resource.path(None, name))
        await _wait(client, namespace, mutates=False)


async def _wait(client: KubeClient, namespace: str, *, mutates: bool) -> None:
    async def probe() -> bool:
        made = await client.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/configmaps",
            body={"metadata": {"generateName": "canary-"}},
            params={"dryRun": "All"},
        )
        return (CANARY in (made["metadata"].get("labels") or {})) is mutates

    what = f"a mutating policy to {'act' if mutates else 'be gone'}"
    await eventually(probe, within_s=IN_FORCE_WITHIN_S, what=what)
