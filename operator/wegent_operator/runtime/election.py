"""Leader election: of several operators, the holder of a Lease reconciles.

The others watch all the same, so that the next leader has all objects in its cache.
Kubernetes' own Lease, and client-go's way with it: whether a holder is dead is told by the
local clock, from when the Lease was last seen to change, so that clocks need not agree.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from prometheus_client import Gauge

from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.resources import LEASES

logger = logging.getLogger(__name__)

MICRO_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A dead leader's work is taken up after ``lease_s`` and ``retry_s`` at most."""

    lease_s: int = 10
    """How long others wait for a leader that gives no sign of life."""
    give_up_s: float = 7.0
    """How long a leader that can't renew goes on; less than ``lease_s``, so that it has
    stopped before another begins."""
    retry_s: float = 2.0
    """Between tries to get the Lease, and to renew it."""


class Elector:
    """Runs something while the Lease is held, and not otherwise."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        leading: Gauge,
        clock: Callable[[], datetime],
        timing: Timing | None = None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._leading = leading
        self._clock = clock
        self._timing = timing or Timing()
        self._seen_version = ""
        self._seen_at = 0.0
        self.problem = ""
        """Why it can't be told whose the Lease is; empty when it can."""

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the Lease, run ``lead`` until it is lost, and so on, for ever.

        When this is cancelled the Lease is given back, so that another need not wait.
        """
        while True:
            held_at = await self._wait()
            logger.info("%s leads now", self._identity)
            self._leading.set(1)
            leader = asyncio.create_task(lead(), name="wegent leader")
            try:
                await self._keep(leader, held_at)
            finally:
                self._leading.set(0)
                leader.cancel()
                await asyncio.gather(leader, return_exceptions=True)
                await self._give_back()
            logger.warning("%s leads no more", self._identity)

    async def _wait(self) -> float:
        """Return when the Lease that is held now was asked for.

        An answer that took so long that others may think the Lease has run out is none.
        """
        while True:
            asked_at = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.give_up_s):
                    if await self._try():
                        return asked_at
            await asyncio.sleep(self._timing.retry_s)

    async def _keep(self, leader: asyncio.Task[None], held_at: float) -> None:
        """Renew the Lease; return once it is lost, or what it is held for has ended."""
        while time.monotonic() - held_at < self._timing.give_up_s:
            ended, _ = await asyncio.wait([leader], timeout=self._timing.retry_s)
            if ended:
                logger.error("The work ended by itself", exc_info=leader.exception())
                return
            asked_at = time.monotonic()
            try:
                async with asyncio.timeout(self._timing.give_up_s - (asked_at - held_at)):
                    held = await self._try()
            except TimeoutError:
                return
            if held is False:
                return
            if held:
                held_at = asked_at

    async def _try(self) -> bool | None:
        """Take or renew the Lease; False if it is another's, None if that can't be told."""
        path = LEASES.path(self._namespace, self._name)
        try:
            held = await self._take(path)
        except ApiError as error:
            if error.code == 409:  # another was faster, or our own write, unanswered
                return None
            self.problem = f"{error.code}: the Lease can't be read or written"
            logger.warning("The Lease %s: %s", path, error)
            return None
        except Exception as error:
            self.problem = "the API server gave no answer that is a Lease"
            logger.warning(
                "The Lease %s: %s", path, error, exc_info=not isinstance(error, KubeError)
            )
            return None
        self.problem = ""
        return held

    async def _take(self, path: str) -> bool:
        try:
            lease = await self._client.request("GET", path)
            if self._belongs_to_another(lease):
                return False
            lease["spec"] = self._claim(lease.get("spec") or {})
            await self._client.request("PUT", path, body=lease)
        except ApiError as error:
            if error.code != 404:
                raise
            lease = {"metadata": {"name": self._name}, "spec": self._claim({})}
            await self._client.request("POST", LEASES.path(self._namespace), body=lease)
        return True

    def _belongs_to_another(self, lease: dict[str, Any]) -> bool:
        version, spec = lease["metadata"]["resourceVersion"], lease.get("spec") or {}
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, time.monotonic()
        holder = spec.get("holderIdentity")
        if not holder or holder == self._identity:
            return False
        runs_out_at: float = self._seen_at + spec.get("leaseDurationSeconds", 0)
        return time.monotonic() < runs_out_at

    def _claim(self, spec: dict[str, Any]) -> dict[str, Any]:
        now = self._clock().strftime(MICRO_TIME)
        claim = spec | {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._timing.lease_s,
            "renewTime": now,
        }
        if spec.get("holderIdentity") != self._identity:
            claim["acquireTime"] = now
            claim["leaseTransitions"] = spec.get("leaseTransitions", 0) + 1
        return claim

    async def _give_back(self) -> None:
        path = LEASES.path(self._namespace, self._name)
        try:
            async with asyncio.timeout(self._timing.retry_s):
                lease = await self._client.request("GET", path)
                if lease["spec"].get("holderIdentity") == self._identity:
                    del lease["spec"]["holderIdentity"]
                    await self._client.request("PUT", path, body=lease)
        except Exception as error:  # noqa: BLE001 - as in _try
            logger.info("The Lease %s is not given back, and runs out: %s", path, error)
