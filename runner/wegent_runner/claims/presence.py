"""The runner's Lease: it says that the runner lives, and where its streams are.

``status.claim.holder`` of a Task is the name of the Lease. Only runners may write Leases of that
name's form, so the API proxy dials no address that a user could have written.
"""

import asyncio
import logging
from typing import Any, Final

from wegent_crds.runners import ADDRESS_ANNOTATION
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.content_types import APPLY_PATCH
from wegent_kube.resources import LEASES
from wegent_runner.claims.requests import now

logger = logging.getLogger(__name__)

LEASE_S: Final = 30
RENEW_S: Final = 10.0
LAST_WRITE_S: Final = 5.0
"""Seconds that the deletion of the Lease waits for a write without an answer."""


class Presence:
    """Keeps the Lease of this runner.

    Args:
        client: the API server, with the runner's own rights.
        namespace: namespace of the Leases.
        name: the runner's name, which begins with ``wegent-runner-``.
        address: ``http://host:port`` of its server.
    """

    def __init__(self, client: KubeClient, namespace: str, name: str, address: str) -> None:
        self._client = client
        self._path = LEASES.path(namespace, name)
        self._name = name
        self._address = address
        self._writing: asyncio.Task[None] | None = None
        self.problem = "the Lease is not written yet"

    async def run(self) -> None:
        """Write and renew the Lease until cancelled."""
        while True:
            # A cancelled request may reach the API server after the deletion, and create the Lease.
            self._writing = asyncio.create_task(self._write())
            await asyncio.shield(self._writing)
            await asyncio.sleep(RENEW_S)

    async def end(self) -> None:
        """Delete the Lease after the last write, so that nobody dials this runner."""
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=LAST_WRITE_S)
            self._writing.cancel()
        try:
            await self._client.request("DELETE", self._path)
        except KubeError as error:
            logger.info("%s is not deleted, and expires: %s", self._path, error)

    async def _write(self) -> None:
        try:
            await self._client.request(
                "PATCH",
                self._path,
                body=self._lease(),
                params={"fieldManager": "wegent-runner", "force": "true"},
                content_type=APPLY_PATCH,
                timeout_s=RENEW_S,
            )
            self.problem = ""
        except ApiError as error:
            self.problem = f"the Lease can't be written: {error}"
            logger.warning("%s: %s", self._path, error)
        except KubeError as error:
            self.problem = "the API server gave no answer"
            logger.warning("%s: %s", self._path, error)

    def _lease(self) -> dict[str, Any]:
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": self._name, "annotations": {ADDRESS_ANNOTATION: self._address}},
            "spec": {
                "holderIdentity": self._name,
                "leaseDurationSeconds": LEASE_S,
                "renewTime": now(),
            },
        }
