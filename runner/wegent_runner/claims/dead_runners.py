"""Deletes the Leases of runners that were killed.

Each start of a runner has a name of its own, so nothing else would ever end such a Lease. The API
server deletes the Leases of its own replicas in the same way, an hour after they have expired.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

from wegent_crds.moments import moment
from wegent_kube import KubeClient, KubeError, delete_or_none
from wegent_kube.resources import LEASES
from wegent_runner.claims.presence import PREFIX

logger = logging.getLogger(__name__)

SWEEP_S: Final = 600.0
EXPIRED_S: Final = 3600.0
"""Seconds after the last renewal. The clocks of nodes never differ by so much."""


class DeadRunners:
    """Deletes the Leases that no runner renews.

    Args:
        client: the API server, with the runner's own rights.
        namespace: namespace of the Leases.
        clock: returns the current time.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock

    async def run(self) -> None:
        """Sweep each ten minutes until cancelled."""
        while True:
            try:
                await self.sweep()
            except KubeError as error:
                logger.warning("the Leases of dead runners stay for now: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> None:
        """Delete the Leases of dead runners.

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
        now = self._clock()
        async for page in self._client.pages(LEASES.path(self._namespace)):
            for lease in page["items"]:
                metadata, spec = lease["metadata"], lease.get("spec") or {}
                renewed = moment(spec.get("renewTime") or metadata["creationTimestamp"])
                if not metadata["name"].startswith(PREFIX) or renewed is None:
                    continue
                if (now - renewed).total_seconds() > EXPIRED_S:
                    yield metadata
