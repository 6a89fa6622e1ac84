"""Lets every object go: what uninstalling does last, so that nothing is left undeletable.

The operator and a policy would both put the finalizer back: ``withdraw`` takes them away
first, for whoever uninstalls with an installer that can't do it in this order itself.
"""

import asyncio
import logging
import time
from typing import Any, Final

from wegent_crds.kinds import KINDS, Kind
from wegent_crds.marks import TRASH_FINALIZER
from wegent_kube import ApiError, KubeClient
from wegent_kube.client import JSON_PATCH, METADATA_LIST, METADATA_OBJECT
from wegent_kube.resources import Resource, resource_of
from wegent_operator.trash import release_patch

logger = logging.getLogger(__name__)

AT_ONCE: Final = 16
GONE_WITHIN_S: Final = 120.0
"""For the operator's Pods: longer than the time they are given to end."""
POLL_S: Final = 0.5
SETTLED_S: Final = 5.0
"""Each API server hears of a deleted policy by a watch of its own, within about a second."""
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments")
STAMP: Final = Resource(
    "admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings"
).path(name="wegent-trash")
"""What puts the finalizer on each new object."""


async def withdraw(client: KubeClient, namespace: str, deployment: str) -> None:
    """Delete the operator's Deployment and what stamps the finalizer; return when both are gone.

    Raises:
        KubeError: the API server did not take it; running it again goes on from there.
        TimeoutError: the operator's Pods did not end.
    """
    path = DEPLOYMENTS.path(namespace, deployment)
    # In the foreground, a Deployment is gone when its Pods are.
    await _delete(client, path, {"propagationPolicy": "Foreground"})
    await _delete(client, STAMP)
    settled = asyncio.create_task(asyncio.sleep(SETTLED_S))
    deadline = time.monotonic() + GONE_WITHIN_S
    while await _exists(client, path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Deployment {namespace}/{deployment} is still ending")
        await asyncio.sleep(POLL_S)
    await settled


async def _delete(client: KubeClient, path: str, options: dict[str, str] | None = None) -> None:
    try:
        await client.request("DELETE", path, body=options)
    except ApiError as error:
        if error.code != 404:
            raise


async def _exists(client: KubeClient, path: str) -> bool:
    try:
        await client.request("GET", path, accept=METADATA_OBJECT)
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return True


async def release_everything(client: KubeClient) -> int:
    """Take the trash's finalizer off every object of every kind; return off how many.

    Raises:
        KubeError: the API server did not take it; running it again goes on from there.
    """
    released = 0
    for kind in (kind for kind in KINDS if kind.served):
        while held := await _held(client, kind):
            await _release_all(client, kind, held)
            released += len(held)
        logger.info("%s: none is held any more", kind.kind)
    return released


async def _held(client: KubeClient, kind: Kind) -> list[dict[str, Any]]:
    """Return the metadata of all objects of a kind that carry the finalizer."""
    try:
        return [
            item["metadata"]
            async for page in client.pages(resource_of(kind).path(), accept=METADATA_LIST)
            for item in page["items"]
            if TRASH_FINALIZER in (item["metadata"].get("finalizers") or ())
        ]
    except ApiError as error:
        if error.code == 404:  # the CRD is gone already, and with it all objects
            return []
        raise


async def _release_all(client: KubeClient, kind: Kind, held: list[dict[str, Any]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def release(metadata: dict[str, Any]) -> None:
        async with gate:
            try:
                await client.request(
                    "PATCH",
                    resource_of(kind).path(metadata["namespace"], metadata["name"]),
                    body=release_patch(int(metadata["resourceVersion"]), metadata["finalizers"]),
                    content_type=JSON_PATCH,
                    accept=METADATA_OBJECT,
                )
            except ApiError as error:
                if error.code not in {404, 409, 422}:  # changed meanwhile: listed again
                    raise

    await asyncio.gather(*map(release, held))
