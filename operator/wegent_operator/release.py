"""Lets every object go: what uninstalling does last, so that nothing is left undeletable.

To be run with the admission policies and the operator gone, which would both put the
finalizer back.
"""

import asyncio
import logging
from typing import Any, Final

from wegent_crds.kinds import KINDS, Kind
from wegent_crds.marks import TRASH_FINALIZER
from wegent_kube import ApiError, KubeClient
from wegent_kube.client import JSON_PATCH, METADATA_LIST, METADATA_OBJECT
from wegent_kube.resources import resource_of
from wegent_operator.trash import release_patch

logger = logging.getLogger(__name__)

AT_ONCE: Final = 16


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
