"""Leader election: of several operators, the holder of a Lease reconciles.

The other operators watch too, so that the next leader has all objects in its cache. The Lease is
Kubernetes' own, and is used as in client-go. A holder counts as dead if the Lease hasn't changed
for its duration on the local clock, so that the operators' clocks need not agree.
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
    """Times in seconds. Another operator leads after at most ``lease_s`` plus ``retry_s``."""

    lease_s: int = 10
    """Seconds that others wait for a leader that doesn't renew the Lease."""
    give_up_s: float = 7.0
    """Seconds for which a leader that can't renew goes on. This is less than ``lease_s``, so that
    it has stopped before another operator begins."""
    retry_s: float = 2.0
    """Seconds between tries to get the Lease, and to renew it."""


class Elector:
    """Runs a coroutine only while this operator holds the Lease."""

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
        """Reason for which the Lease's holder is unknown; empty if it is known."""

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the Lease, run ``lead`` until the Lease is lost, and repeat this for ever.

        When this is cancelled the Lease is given back, so that no other operator has to wait.
        """
        while True:
            held_at = await self._wait()
            logger.info("%s is the leader now", self._identity)
            self._leading.set(1)
            leader = asyncio.create_task(lead(), name="wegent leader")
            try:
                await self._keep(leader, held_at)
            finally:
                self._leading.set(0)
                leader.cancel()
                await asyncio.gather(leader, return_exceptions=True)
                await self._give_back()
            logger.warning("%s is not the leader any more", self._identity)

    async def _wait(self) -> float:
        """Wait for the Lease; return the time at which it was requested.

        An answer after ``give_up_s`` is ignored: the Lease may have expired for the others.
        """
        while True:
            asked_at = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.give_up_s):
                    if await self._try():
                        return asked_at
            await asyncio.sleep(self._timing.retry_s)

    async def _keep(self, leader: asyncio.Task[None], held_at: float) -> None:
        """Renew the Lease; return once the Lease is lost, or the leader's work has ended."""
        while time.monotonic() - held_at < self._timing.give_up_s:
            ended, _ = await asyncio.wait([leader], timeout=self._timing.retry_s)
            if ended:
                logger.error("The leader's work ended unexpectedly", exc_info=leader.exception())
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
        """Take or renew the Lease; return False if it is another's, None if that is unknown."""
        path = LEASES.path(self._namespace, self._name)
        try:
            held = await self._take(path)
        except ApiError as error:
            # Another operator wrote first, or an earlier write of this one was unanswered.
            if error.is_conflict or error.is_already_exists:
                return None
            self.problem = f"{error.code}: the Lease can't be read or written"
            logger.warning("Lease %s: %s", path, error)
            return None
        except Exception as error:
            self.problem = "the API server did not return a Lease"
            logger.warning("Lease %s: %s", path, error, exc_info=not isinstance(error, KubeError))
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
            if not error.is_not_found:
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
            logger.info("Lease %s not released; it expires by itself: %s", path, error)
