"""Writes the objects that Accounts need, and caches the answers."""

from collections.abc import Mapping
from typing import Any, Final

from wegent_kube import ApiError, KubeClient
from wegent_kube.content_types import APPLY_PATCH, MERGE_PATCH
from wegent_kube.resources import NAMESPACES, SERVICE_ACCOUNTS
from wegent_operator.accounts.provisioned import PROVISIONED, ProvisionKey
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.names import FIELD_MANAGER
from wegent_operator.runtime.metrics import Metrics

_RESOURCES: Final = {resource.plural: resource for resource in PROVISIONED}


class ProvisionWriter:
    """Applies and deletes ServiceAccounts, bindings and quotas, and creates namespaces."""

    def __init__(self, client: KubeClient, provisions: Provisions, metrics: Metrics) -> None:
        self._client = client
        self._provisions = provisions
        self._metrics = metrics

    async def create_namespace(self, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a namespace and return it.

        The request is a plain create, so that a namespace of somebody else stays theirs.

        Raises:
            KubeError: the request failed.
        """
        body: Mapping[str, Any] = await self._client.request(
            "POST",
            NAMESPACES.path(),
            body=manifest,
            params={"fieldManager": FIELD_MANAGER},
        )
        self._metrics.provisions.labels(NAMESPACES.plural, "apply").inc()
        return body

    async def apply_limits(self, name: str, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        """Apply the limits of a group's namespace and return the namespace.

        The request is refused if a cluster administrator has set another value.

        Raises:
            KubeError: the request failed.
        """
        body: Mapping[str, Any] = await self._client.request(
            "PATCH",
            NAMESPACES.path(None, name),
            body=manifest,
            params={"fieldManager": FIELD_MANAGER},
            content_type=APPLY_PATCH,
        )
        self._metrics.provisions.labels(NAMESPACES.plural, "apply").inc()
        return body

    async def apply(self, key: ProvisionKey, manifest: Mapping[str, Any]) -> None:
        """Apply an object.

        Raises:
            KubeError: the request failed.
        """
        resource = _RESOURCES[key.plural]
        body = await self._client.request(
            "PATCH",
            resource.path(key.namespace or None, key.name),
            body=manifest,
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            content_type=APPLY_PATCH,
        )
        self._metrics.provisions.labels(key.plural, "apply").inc()
        self._provisions.put(resource, body)

    async def delete(self, key: ProvisionKey) -> None:
        """Delete an object, or at least remove the rights that it gives.

        A finalizer keeps an object until the finalizer's owner removes it. A RoleBinding that is
        being deleted still gives its role; without subjects it gives no rights.

        Raises:
            ApiError: the object still exists and gives access.
        """
        resource = _RESOURCES[key.plural]
        path = resource.path(key.namespace or None, key.name)
        try:
            left = await self._client.request("DELETE", path)
            if _is_held(left) and left.get("subjects"):
                left = await self._client.request(
                    "PATCH",
                    path,
                    body={"subjects": None},
                    params={"fieldManager": FIELD_MANAGER},
                    content_type=MERGE_PATCH,
                )
        except ApiError as error:
            if not error.is_not_found:
                raise
            left = None
        self._metrics.provisions.labels(key.plural, "delete").inc()
        if not _is_held(left):
            self._provisions.remove(key)
            return
        self._provisions.put(resource, left)
        if key.plural == SERVICE_ACCOUNTS.plural:
            finalizers = ", ".join(left["metadata"]["finalizers"])
            message = f"the finalizers {finalizers} remain; remove them"
            raise ApiError(409, {"kind": "Status", "message": message})


def _is_held(answer: Any) -> bool:
    """Return whether finalizers keep the object, given the answer to a DELETE or PATCH."""
    metadata = (answer or {}).get("metadata") or {}
    return bool(metadata.get("deletionTimestamp") and metadata.get("finalizers"))
