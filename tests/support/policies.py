"""A third party's admission policy or quota that refuses some writes in one namespace."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.support.waiting import eventually
from wegent_crds.registry import GROUP
from wegent_kube import ApiError, KubeClient
from wegent_kube.resources import Resource

IN_FORCE_WITHIN_S: Final = 30.0
POLICIES: Final = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
BINDINGS: Final = Resource(
    "admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings"
)
CANARY: Final = "canary"
FINALIZERS_STAY: Final = "object.metadata.?finalizers == oldObject.metadata.?finalizers"
"""Refuses every change of finalizers, and nothing else."""
NEVER: Final = "false"


class Refusing:
    """A policy of a third party; it refuses a write if ``expression`` is false."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        resources: Sequence[str],
        *,
        operations: Sequence[str] = ("UPDATE",),
        expression: str = NEVER,
        reason: str | None = None,
        message: str = "the house rules forbid it",
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = f"third-party-{uuid.uuid4().hex[:8]}"
        validation = {
            # A dry run with a ConfigMap shows if the policy is in force, without changing any
            # object.
            "expression": f"request.resource.resource == 'configmaps' || ({expression})"
            if expression != NEVER
            else "request.resource.resource == 'configmaps'",
            "message": message,
        }
        canary = {
            "expression": f"request.resource.resource != 'configmaps' || request.name != '{CANARY}'"
        }
        self._policy: dict[str, Any] = {
            "metadata": {"name": self._name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "resourceRules": [
                        rule(GROUP, resources, operations),
                        rule("", ["configmaps"], ["CREATE"]),
                    ]
                },
                "validations": [validation | ({"reason": reason} if reason else {}), canary],
            },
        }

    async def put_in_force(self) -> None:
        """Create the policy, and wait until it refuses writes."""
        selector = {"matchLabels": {"kubernetes.io/metadata.name": self._namespace}}
        binding = {
            "metadata": {"name": self._name},
            "spec": {
                "policyName": self._name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": selector},
            },
        }
        await self._client.request("POST", POLICIES.path(), body=self._policy)
        await self._client.request("POST", BINDINGS.path(), body=binding)
        await self._wait(refuses=True)

    async def withdraw(self) -> None:
        """Delete the policy, and wait until it refuses no more writes."""
        for resource in (BINDINGS, POLICIES):
            await self._client.request("DELETE", resource.path(None, self._name))
        await self._wait(refuses=False)

    async def _wait(self, *, refuses: bool) -> None:
        async def probe() -> bool:
            try:
                await self._client.request(
                    "POST",
                    f"/api/v1/namespaces/{self._namespace}/configmaps",
                    body={"metadata": {"name": CANARY}},
                    params={"dryRun": "All"},
                )
            except ApiError as error:
                # The namespace may be deleted, or about to be.
                return (self._name in error.message) is refuses
            return not refuses

        what = f"policy {self._name} to {'refuse' if refuses else 'be gone'}"
        await eventually(probe, within_s=IN_FORCE_WITHIN_S, what=what)


@asynccontextmanager
async def refusing(
    client: KubeClient, namespace: str, *resources: str, **policy: Any
) -> AsyncIterator[Refusing]:
    """Keep a refusing policy in force while the block runs."""
    found = Refusing(client, namespace, resources, **policy)
    await found.put_in_force()
    try:
        yield found
    finally:
        await found.withdraw()


@asynccontextmanager
async def no_room_for(client: KubeClient, namespace: str, plural: str) -> AsyncIterator[None]:
    """Keep a ResourceQuota of zero objects in force while the block runs."""
    await put_quota(client, namespace, plural)
    try:
        yield
    finally:
        await lift_quota(client, namespace, plural)


async def put_quota(client: KubeClient, namespace: str, plural: str) -> None:
    """Allow no more objects of a kind, and wait until the quota is in force."""
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    hard = {f"count/{plural}.{GROUP}": "0"}
    await client.request("POST", path, body={"metadata": {"name": plural}, "spec": {"hard": hard}})

    async def in_force() -> bool:
        found = await client.request("GET", f"{path}/{plural}")
        return bool((found.get("status") or {}).get("hard"))

    await eventually(in_force, within_s=IN_FORCE_WITHIN_S, what=f"the quota on {plural}")


async def lift_quota(client: KubeClient, namespace: str, plural: str) -> None:
    """Delete the quota."""
    await client.request("DELETE", f"/api/v1/namespaces/{namespace}/resourcequotas/{plural}")


def rule(group: str, resources: Sequence[str], operations: Sequence[str]) -> dict[str, Any]:
    """Return one of a policy's resource rules, for every version of ``group``."""
    return {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
    }
