"""Deletes the Leases of runners that were killed.

Each start of a runner has a name of its own, so nothing else would ever end such a Lease. The API
server deletes the Leases of its own replicas in the same way. No clock is read: a Lease that two
sweeps have found without a renewal is that of a dead runner, whatever time it was written at.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from wegent_crds.runners import LEASE_PREFIX
from wegent_kube import KubeClient, KubeError, delete_or_none
from wegent_kube.resources import LEASES

logger = logging.getLogger(__name__)

SWEEP_S: Final = 600.0
"""Seconds between two sweeps. A runner renews its Lease each ten seconds."""


class DeadRunners:
    """Deletes the Leases that no runner renews.

    Args:
        client: the API server, with the runner's own rights.
        namespace: namespace of the Leases.
    """

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._versions: dict[str, str] = {}
        """Resource version of each runner's Lease at the last sweep, by UID."""

    async def run(self) -> None:
        """Sweep each ten minutes until cancelled."""
        while True:
            try:
                await self.sweep()
            except KubeError as error:
                logger.warning("the Leases of dead runners stay for now: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> None:
        """Delete the Leases that nothing has written since the last sweep.

        Raises:
            KubeError: the API server refused a request, or gave no answer.
        """
        async for metadata in self._dead():
            path = LEASES.path(self._namespace, metadata["name"])
            keys = ("uid", "resourceVersion")
            preconditions = {key: metadata[key] for key in keys}  # not if it is renewed now
            deleted = await delete_or_none(
                self._client.request("DELETE", path, body={"preconditions": preconditions})
            )
            if deleted is not None:
                logger.info("%s of a dead runner is deleted", path)

    async def _dead(self) -> AsyncIterator[dict[str, Any]]:
        found: dict[str, str] = {}
        async for page in self._client.pages(LEASES.path(self._namespace)):
            for lease in page["items"]:
                metadata = lease["metadata"]
                if not metadata["name"].startswith(LEASE_PREFIX):
                    continue
                uid, version = metadata["uid"], metadata["resourceVersion"]
                found[uid] = version
                if self._versions.get(uid) == version:
                    yield metadata
        self._versions = found
