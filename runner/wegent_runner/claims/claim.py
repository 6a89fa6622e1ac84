"""One claim: taking it, renewing it while the work goes on, and finishing it.

The protocol is that of docs/adr/0007-claiming-a-task.md. Each write is guarded by the resource
version that the runner was last told of. A lease is measured by the monotonic clock, from the
moment before the request that renewed it was sent.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from wegent_crds.phases import Phase
from wegent_crds.registry import TASK
from wegent_kube import ApiError, KubeClient, KubeError, get_or_none
from wegent_kube.backoff import Backoff
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import resource_of
from wegent_runner.claims.outcome import GiveBack, Outcome

logger = logging.getLogger(__name__)

TASKS: Final = resource_of(TASK)
RENEWALS_PER_LEASE: Final = 3


class ClaimLost(Exception):  # noqa: N818 - names the event
    """The Task isn't this runner's any more. Nothing may be written for it."""


class Claim:
    """A Task that this runner has claimed.

    Attributes:
        task: The Task as it was last read or written.
        cancelled: True once a user has cancelled the Task.
        usage: ``status.usage`` so far, of all attempts. It is written with each renewal and when
            the Task is given back.
    """

    def __init__(
        self,
        client: KubeClient,
        task: Mapping[str, Any],
        mine_until: float,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._clock = clock
        self._mine_until = mine_until
        self._stirred = asyncio.Event()
        self.task = task
        self.cancelled = False
        self.usage: Mapping[str, Any] = task["status"].get("usage") or {}

    @classmethod
    async def take(
        cls,
        client: KubeClient,
        task: Mapping[str, Any],
        holder: str,
        lease_s: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> "Claim | None":
        """Claim a Task as it was read. Return None if another writer was first.

        Raises:
            KubeError: the API server refused the claim for another reason, or gave no answer.
        """
        sent = clock()
        status = {
            "phase": Phase.RUNNING.value,
            "attempts": (task.get("status") or {}).get("attempts", 0) + 1,
            "startTime": now(),
            "claim": {"holder": holder, "leaseSeconds": lease_s, "renewedAt": now()},
            "message": None,
        }
        try:
            claimed = await _patch_status(client, task, status)
        except ApiError as error:
            if error.is_not_found or error.is_conflict:
                return None
            raise
        return cls(client, claimed, sent + lease_s, clock)

    @property
    def namespace(self) -> str:
        """Namespace of the Task."""
        return str(self.task["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Name of the Task."""
        return str(self.task["metadata"]["name"])

    @property
    def uid(self) -> str:
        """UID of the Task."""
        return str(self.task["metadata"]["uid"])

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 1."""
        return int(self.task["status"]["attempts"])

    @property
    def holder(self) -> str:
        """The runner that has the claim."""
        return str(self.task["status"]["claim"]["holder"])

    @property
    def lease_s(self) -> int:
        """Duration of the lease in seconds."""
        return int(self.task["status"]["claim"]["leaseSeconds"])

    def stir(self) -> None:
        """Record that the Task has changed: it is read again at once."""
        self._stirred.set()

    async def run(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Run ``work`` under the claim, and write its outcome.

        The work is cancelled when a user cancels the Task; its outcome is written all the same.
        Work that ends with an error fails the Task.

        Raises:
            ClaimLost: another writer has the Task, or the lease has expired. The work has been
                cancelled.
            GiveBack: the work can't go on here. The Task is still claimed.
        """
        running = asyncio.create_task(work, name=f"run {self.namespace}/{self.name}")
        try:
            await self._keep(running)
            outcome = _outcome_of(running)
            await self._finish(outcome)
            return outcome
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _keep(self, running: asyncio.Task[Outcome]) -> None:
        """Renew the lease until the work has ended."""
        pause_s = self.lease_s / RENEWALS_PER_LEASE
        backoff = Backoff(cap_s=pause_s)
        due = self._clock() + pause_s
        while not running.done():
            stirred = asyncio.create_task(self._stirred.wait())
            try:
                await asyncio.wait(
                    [running, stirred],
                    timeout=max(0.0, min(due, self._mine_until) - self._clock()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                stirred.cancel()
            self._check_lease()
            try:
                if self._stirred.is_set():
                    self._stirred.clear()
                    await self._look_again()
                elif self._clock() >= due:
                    await self._renew()
                    due, backoff = self._clock() + pause_s, Backoff(cap_s=pause_s)
            except (KubeError, TimeoutError) as error:
                logger.warning("%s/%s: the lease: %s", self.namespace, self.name, error)
                due = self._clock() + backoff.next_s()
            if self.cancelled and not running.done():
                running.cancel()
                await asyncio.wait([running])

    async def _renew(self) -> None:
        sent = self._clock()
        status = {"claim": {"renewedAt": now()}, **self._usage()}
        async with asyncio.timeout(max(0.1, self._mine_until - sent)):
            try:
                self.task = await _patch_status(self._client, self.task, status)
            except ApiError as error:
                if not (error.is_not_found or error.is_conflict):
                    raise
                await self._look_again()
                self.task = await _patch_status(self._client, self.task, status)
        self._mine_until = sent + self.lease_s

    async def _look_again(self) -> None:
        """Read the Task.

        Raises:
            ClaimLost: the Task isn't this runner's any more.
        """
        try:
            task = await self._client.request("GET", TASKS.path(self.namespace, self.name))
        except ApiError as error:
            if error.is_not_found:
                raise ClaimLost("the Task is deleted") from error
            raise
        if "deletionTimestamp" in task["metadata"]:
            raise ClaimLost("the Task is being deleted")
        mine = (self.uid, self.holder, self.attempt)
        status = task["status"]
        claim = status.get("claim") or {}
        if (task["metadata"]["uid"], claim.get("holder"), status.get("attempts")) != mine:
            raise ClaimLost(f"the Task is {status.get('phase')}")
        self.task = task
        self.cancelled = bool(task["spec"].get("cancel"))

    def _usage(self) -> Mapping[str, Any]:
        return {"usage": self.usage} if self.usage else {}

    async def other_task(self, name: str) -> Mapping[str, Any] | None:
        """Return another Task of the namespace, or None if it does not exist.

        Raises:
            KubeError: it couldn't be read.
        """
        task: Mapping[str, Any] | None = await get_or_none(
            self._client.request("GET", TASKS.path(self.namespace, name))
        )
        return task

    async def give_back(self, message: str) -> None:
        """Make the Task Pending again, for another runner, by one guarded write.

        The write counts the release, so that the attempt doesn't count towards the limit.

        Raises:
            KubeError: the API server didn't take it. The lease then expires.
        """
        self._check_lease()
        status = {
            "phase": Phase.PENDING.value,
            "claim": None,
            "startTime": None,
            "releases": self.task["status"].get("releases", 0) + 1,
            "message": message,
            **self._usage(),
        }
        self.task = await _patch_status(self._client, self.task, status)

    async def _finish(self, outcome: Outcome) -> None:
        """Write the outcome, until it is taken or the lease has expired."""
        backoff = Backoff()
        while True:
            self._check_lease()
            status = {
                **outcome.status(),
                "completionTime": now(),
                "observedGeneration": self.task["metadata"]["generation"],
            }
            try:
                self.task = await _patch_status(self._client, self.task, status)
            except ApiError as error:
                if error.is_not_found or error.is_conflict:
                    await self._look_again()
                    continue
                if error.is_bad_request or error.is_forbidden or error.is_invalid:
                    raise
                logger.warning("%s/%s: its end: %s", self.namespace, self.name, error)
            except KubeError as error:
                logger.warning("%s/%s: its end: %s", self.namespace, self.name, error)
            else:
                return
            await asyncio.sleep(backoff.next_s())
            self.stir()

    def _check_lease(self) -> None:
        if self._clock() >= self._mine_until:
            raise ClaimLost("the lease has expired")


def _outcome_of(running: asyncio.Task[Outcome]) -> Outcome:
    if running.cancelled():
        return Outcome(Phase.CANCELLED, message="The Task was cancelled.")
    if (error := running.exception()) is not None:
        if isinstance(error, ClaimLost | GiveBack):
            raise error
        logger.error("a run failed", exc_info=error)
        return Outcome(
            Phase.FAILED,
            message=f"internal error of the runner: {type(error).__name__}",
            reason="InternalError",
        )
    return running.result()


async def _patch_status(
    client: KubeClient, task: Mapping[str, Any], status: Mapping[str, Any]
) -> Mapping[str, Any]:
    metadata = task["metadata"]
    body: Mapping[str, Any] = await client.request(
        "PATCH",
        TASKS.path(metadata["namespace"], metadata["name"], "status"),
        body={"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": status},
        content_type=MERGE_PATCH,
    )
    return body


def now() -> str:
    """Return the current time as the API server writes it, with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
