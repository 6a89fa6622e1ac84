"""Helpers that create, read and wait for Wegent's objects on the real API server."""

from typing import Any

from tests.support.waiting import eventually
from wegent_crds.conditions import conditions_of, find_condition
from wegent_crds.registry import API_VERSION, BY_PLURAL
from wegent_kube import KubeClient, get_or_none
from wegent_kube.content_types import MERGE_PATCH, METADATA_OBJECT
from wegent_kube.resources import NAMESPACES, Resource, resource_of

VERDICT_WITHIN_S = 60.0


class Api:
    """A client with one identity, with the operations that tests need."""

    def __init__(self, client: KubeClient) -> None:
        self.client = client

    async def create(
        self, plural: str, namespace: str, name: str, spec: dict[str, Any], **metadata: Any
    ) -> dict[str, Any]:
        kind = BY_PLURAL[plural]
        body = {
            "apiVersion": API_VERSION,
            "kind": kind.kind,
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        made: dict[str, Any] = await self.client.request(
            "POST", resource_of(kind).path(namespace), body=body
        )
        return made

    async def get(self, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return the object, None where there is none."""
        found: dict[str, Any] | None = await self.find(
            resource_of(BY_PLURAL[plural]), namespace, name
        )
        return found

    async def find(self, resource: Resource, namespace: str | None, name: str) -> Any:
        """Return an object of any resource, None where there is none."""
        return await get_or_none(self.client.request("GET", resource.path(namespace, name)))

    async def list(self, plural: str, namespace: str) -> list[dict[str, Any]]:
        path = resource_of(BY_PLURAL[plural]).path(namespace)
        return [item async for page in self.client.pages(path) for item in page["items"]]

    async def merge(
        self, plural: str, namespace: str, name: str, patch: dict[str, Any], subresource: str = ""
    ) -> None:
        path = resource_of(BY_PLURAL[plural]).path(namespace, name, subresource or None)
        await self.client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)

    async def ask_to_delete(self, plural: str, namespace: str, name: str) -> None:
        await self.client.request("DELETE", resource_of(BY_PLURAL[plural]).path(namespace, name))

    async def delete(self, plural: str, namespace: str, name: str) -> None:
        """Delete the object and wait until it has passed through the trash."""
        await self.ask_to_delete(plural, namespace, name)
        await self.gone(plural, namespace, name)

    async def gone(self, plural: str, namespace: str, name: str) -> None:
        """Wait until the object is gone. Only its metadata are read, as it may be large."""
        path = resource_of(BY_PLURAL[plural]).path(namespace, name)

        async def probe() -> bool:
            body = await get_or_none(self.client.request("GET", path, accept=METADATA_OBJECT))
            assert body is None, body["metadata"]
            return True

        what = f"{plural} {namespace}/{name} to be gone"
        await eventually(probe, within_s=VERDICT_WITHIN_S, what=what)

    async def create_namespace(self, name: str, **labels: str) -> None:
        body = {"metadata": {"name": name, "labels": labels}}
        await self.client.request("POST", NAMESPACES.path(), body=body)

    async def settled(
        self,
        plural: str,
        namespace: str,
        name: str,
        reason: str = "Ready",
        *,
        within_s: float = VERDICT_WITHIN_S,
    ) -> dict[str, Any]:
        """Wait until the operator has evaluated the object's current generation as ``reason``."""

        async def probe() -> dict[str, Any]:
            body = await self.get(plural, namespace, name)
            assert body is not None, "it does not exist"
            ready = condition(body, "Ready")
            assert ready["reason"] == reason, ready
            assert body["status"].get("observedGeneration") == body["metadata"]["generation"]
            return body

        return await eventually(
            probe, within_s=within_s, what=f"{plural} {namespace}/{name} {reason}"
        )


def is_ready(body: dict[str, Any]) -> bool:
    """Return whether the condition Ready of an object of any kind is True."""
    ready = find_condition(conditions_of(body), "Ready")
    return ready is not None and ready.is_true


def condition(body: dict[str, Any], type_: str) -> dict[str, Any]:
    """Return the condition of a type; it must exist."""
    found: dict[str, Any] = next(
        item for item in body["status"]["conditions"] if item["type"] == type_
    )
    return found
