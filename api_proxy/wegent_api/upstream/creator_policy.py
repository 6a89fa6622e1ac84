"""Detects the API server's policy that notes the creator of each object.

The proxy looks with its own credentials. Code that writes as a caller never holds them.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from wegent_kube import KubeClient, KubeError, get_or_none
from wegent_kube.resources import Resource

logger = logging.getLogger(__name__)

POLICY: Final = "wegent-creator"
POLICIES: Final = tuple(
    Resource("admissionregistration.k8s.io", "v1", plural).path(None, POLICY)
    for plural in ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
)
LOOK_EVERY_S: Final = 60.0
"""Seconds between checks for a policy installed later. Proxy and policy note the same creator."""
RETRY_S: Final = 5.0
FIRST_WITHIN_S: Final = 5.0
"""Seconds that a request waits for the first check. Without a result, the policy is assumed."""


class CreatorPolicy:
    """Checks periodically for the policy ``wegent-creator``."""

    def __init__(self, own_api: KubeClient) -> None:
        self._own_api = own_api
        self._there: bool | None = None
        self._looked = asyncio.Event()

    async def run(self) -> None:
        """Check for the policy until cancelled."""
        while True:
            try:
                there = await self._look()
                if there is not self._there and not there:
                    logger.warning("Policy %s not found: the proxy records creators itself", POLICY)
                self._there = there
            except KubeError as error:
                logger.warning("Lookup of policy %s failed: %s", POLICY, error)
            self._looked.set()
            await asyncio.sleep(RETRY_S if self._there is None else LOOK_EVERY_S)

    async def in_force(self) -> bool:
        """Return False if the policy is known to be absent. Wait a moment for the first check."""
        if not self._looked.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_WITHIN_S):
                    await self._looked.wait()
        return self._there is not False

    async def _look(self) -> bool:
        for path in POLICIES:
            if await get_or_none(self._own_api.request("GET", path)) is None:
                return False
        return True
