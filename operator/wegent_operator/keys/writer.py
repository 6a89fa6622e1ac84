"""Writes the Roles and RoleBindings of API keys, and caches the answers."""

from collections.abc import Mapping
from typing import Any, Final

from wegent_crds.references import ObjectKey
from wegent_kube import KubeClient, delete_or_none
from wegent_kube.content_types import APPLY_PATCH
from wegent_operator.keys.grants import KeyGrants
from wegent_operator.keys.manifests import RESOURCES
from wegent_operator.names import FIELD_MANAGER
from wegent_operator.runtime.metrics import Metrics

_RESOURCES: Final = {resource.plural: resource for resource in RESOURCES}


class KeyGrantWriter:
    """Applies and deletes Roles and RoleBindings of API keys."""

    def __init__(self, client: KubeClient, grants: KeyGrants, metrics: Metrics) -> None:
        self._client = client
        self._grants = grants
        self._metrics = metrics

    async def apply(self, key: ObjectKey, manifest: Mapping[str, Any]) -> None:
        """Apply an object.

        Raises:
            KubeError: the request failed.
        """
        resource = _RESOURCES[key.plural]
        body = await self._client.request(
            "PATCH",
            resource.path(key.namespace, key.name),
            body=manifest,
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            content_type=APPLY_PATCH,
        )
        self._metrics.provisions.labels(key.plural, "apply").inc()
        self._grants.put(resource, body)

    async def delete(self, key: ObjectKey) -> None:
        """Delete an object. It may be gone already.

        Raises:
            KubeError: the request failed.
        """
        path = _RESOURCES[key.plural].path(key.namespace, key.name)
        await delete_or_none(self._client.request("DELETE", path))
        self._metrics.provisions.labels(key.plural, "delete").inc()
        self._grants.remove(key)
