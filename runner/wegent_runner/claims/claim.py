"""One claim: taking it, renewing it while the work goes on, and its end, which may be a wait.

The protocol is that of docs/adr/0007-claiming-a-task.md. Each write is guarded by the resource
version that the runner was last told of. A lease is measured by the monotonic clock, from the
moment before the request that renewed it was sent.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from wegent_crds.phases import Phase
from wegent_kube import ApiError, KubeClient, KubeError, get_or_none
from wegent_kube.backoff import Backoff
from wegent_runner.claims.outcome import GiveBack, Outcome, possible
from wegent_runner.claims.requests import (
    TASKS,
    bears,
    is_outdated,
    is_refusal,
    now,
    patch_status,
    read,
    read_until,
)

logger = logging.getLogger(__name__)

RENEWALS_PER_LEASE: Final = 3
TRIES_PER_LEASE: Final = 6
"""One request may take a lease divided by this, so that one without an answer leaves time."""
STOP_S: Final = 5.0
"""Seconds in which cancelled work must end before it is cancelled again."""
BEFORE_TIMEOUT_S: Final = 1.0
"""Seconds before ``timeoutSeconds`` at which the work ends: the operator then ends the Task, and
the partial answer would be lost."""


class ClaimLost(Exception):  # noqa: N818 - names the event
    """The Task isn't this runner's any more. Nothing may be written for it."""


class Claim:
    """A Task that this runner has claimed.

    Attributes:
        task: The Task as it was last read or written.
        cancelled: True once a user has cancelled the Task.
        stopped: The outcome of work that the claim has stopped: the Task is cancelled or has timed
            out. None while the work may go on.
        usage: ``status.usage`` so far, of all attempts. It is written with each renewal and with
            the Task's end, and when the Task is given back.
        ran: ``status.ran`` of this attempt. It is written with the claim, and a change of it as
            ``usage`` is.
    """

    def __init__(
        self,
        client: KubeClient,
        task: Mapping[str, Any],
        mine_until: float,
        clock: Callable[[], float],
        began: float | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._mine_until = mine_until
        self._began = clock() if began is None else began
        self._stirred = asyncio.Event()
        self.task = task
        self.cancelled = False
        self.stopped: Outcome | None = None
        self.usage: Mapping[str, Any] = task["status"].get("usage") or {}
        self.ran: Sequence[Mapping[str, Any]] = task["status"].get("ran") or ()

    @classmethod
    async def take(
        cls,
        client: KubeClient,
        task: Mapping[str, Any],
        holder: str,
        lease_s: int,
        ran: Sequence[Mapping[str, Any]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> "Claim | None":
        """Claim a Task as it was read. Return None if another writer was first.

        ``ran`` has the entries of ``status.ran``; without any, those of a former attempt go.

        Without an answer the claim may have been written all the same. The Task is then read, and
        a claim that is there is kept.

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
            "ran": list(ran) or None,
        }
        request_s = lease_s / TRIES_PER_LEASE
        try:
            claimed = await patch_status(client, task, status, request_s)
        except KubeError as error:
            if is_outdated(error):
                return None
            if is_refusal(error):
                raise
            found = await read_until(client, task, clock, sent + lease_s, request_s)
            if found is None or not bears(found, status):
                raise
            claimed = found
        return cls(client, claimed, sent + lease_s, clock, began=sent)

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
    def _releases(self) -> int:
        """Number of claims that were given back on purpose so far."""
        return int(self.task["status"].get("releases", 0))

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

        The work is cancelled when a user cancels the Task, and shortly before the Task times out;
        its outcome is written all the same.
        Work that ends with an error fails the Task. So does an outcome that the API server refuses.

        Raises:
            ClaimLost: another writer has the Task, or the lease has expired. The work has been
                cancelled.
            GiveBack: the work can't go on here. The Task is still claimed.
        """
        running = asyncio.create_task(work, name=f"run {self.namespace}/{self.name}")
        try:
            await self._keep(running)
            outcome = self._outcome_of(running)
            outcome = possible(replace(outcome, usage=outcome.usage or self.usage), self.task)
            try:
                await self._finish(outcome)
            except KubeError as error:
                # Else the claim would expire, and the next attempt would meet the same refusal.
                told = f"the API server refused the end of the Task: {error}"
                outcome = Outcome(Phase.FAILED, message=told, reason="EndRefused")
                await self._finish(outcome)
            return outcome
        finally:
            running.cancel()
            await asyncio.wait([running], timeout=STOP_S)
            if running.done() and not running.cancelled():
                running.exception()  # it is told already, or nobody may tell it any more

    async def _keep(self, running: asyncio.Task[Outcome]) -> None:
        """Renew the lease until the work has ended."""
        pause_s = self.lease_s / RENEWALS_PER_LEASE
        backoff = Backoff(cap_s=pause_s)
        due = self._clock() + pause_s
        while not running.done():
            if self.stopped is None:
                await self._wait(running, min(due, self._mine_until, self._times_out_at))
            else:
                running.cancel()
                await asyncio.wait([running], timeout=min(STOP_S, self._left_s))
            self._check_lease()
            if running.done():
                return
            try:
                if self._stirred.is_set():
                    self._stirred.clear()
                    await self._look_again()
                elif self._clock() >= due:
                    await self._renew()
                    due, backoff = self._clock() + pause_s, Backoff(cap_s=pause_s)
            except KubeError as error:
                logger.warning("%s/%s: the lease: %s", self.namespace, self.name, error)
                due = self._clock() + backoff.next_s()
            self._stop_if_due()

    async def _wait(self, running: asyncio.Task[Outcome], until: float) -> None:
        """Wait until the work has ended, the Task has changed, or a time is there."""
        stirred = asyncio.create_task(self._stirred.wait())
        try:
            await asyncio.wait(
                [running, stirred],
                timeout=max(0.0, until - self._clock()),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            stirred.cancel()

    def _stop_if_due(self) -> None:
        if self.stopped is not None:
            return
        if self.cancelled:
            self.stopped = Outcome(Phase.CANCELLED, message="The Task was cancelled.")
        elif self._clock() >= self._times_out_at:
            timeout_s = self.task["spec"]["timeoutSeconds"]
            message = f"Not completed within spec.timeoutSeconds: {timeout_s} s"
            self.stopped = Outcome(Phase.FAILED, message=message, reason="TimedOut")

    @property
    def _times_out_at(self) -> float:
        """Time at which the work ends, shortly before the operator ends the Task."""
        timeout_s = float(self.task["spec"].get("timeoutSeconds") or math.inf)
        return self._began + timeout_s - min(BEFORE_TIMEOUT_S, timeout_s / 4)

    @property
    def _left_s(self) -> float:
        """Seconds that are left of the lease."""
        return max(0.0, self._mine_until - self._clock())

    @property
    def _request_s(self) -> float:
        """Seconds that one request may take."""
        return min(self.lease_s / TRIES_PER_LEASE, self._left_s)

    async def _patch(self, status: Mapping[str, Any]) -> None:
        self.task = await patch_status(self._client, self.task, status, self._request_s)

    async def _renew(self) -> None:
        sent = self._clock()
        status = {"claim": {"renewedAt": now()}, **self._progress()}
        try:
            await self._patch(status)
        except KubeError as error:
            if not is_outdated(error):
                raise
            await self._look_again()
            await self._patch(status)
        self._mine_until = sent + self.lease_s

    async def _look_again(self, written: Mapping[str, Any] | None = None) -> bool:
        """Read the Task. Return True if its status is ``written``, a write without an answer.

        Raises:
            ClaimLost: the Task isn't this runner's any more.
        """
        try:
            task = await read(self._client, self.task, self._request_s)
        except ApiError as error:
            if error.is_not_found:
                raise ClaimLost("the Task is deleted") from error
            raise
        if "deletionTimestamp" in task["metadata"]:
            raise ClaimLost("the Task is being deleted")
        mine = (self.uid, self.holder, self.attempt)
        status = task["status"]
        claim = status.get("claim") or {}
        if written is not None and task["metadata"]["uid"] == self.uid and bears(task, written):
            self.task = task
            return True
        if (task["metadata"]["uid"], claim.get("holder"), status.get("attempts")) != mine:
            raise ClaimLost(f"the Task is {status.get('phase')}")
        self.task = task
        self.cancelled = bool(task["spec"].get("cancel"))
        return False

    def _progress(self) -> Mapping[str, Any]:
        usage = {"usage": self.usage} if self.usage else {}
        return {**usage, **self._ran()}

    def _ran(self) -> Mapping[str, Any]:
        """Return ``status.ran`` if it has changed since it was written."""
        ran = list(self.ran)
        return {} if ran == (self.task["status"].get("ran") or []) else {"ran": ran}

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
        """Make the Task Pending again, for another runner.

        The write counts the release, so that the attempt doesn't count towards the limit.

        Raises:
            ClaimLost: the lease has expired, or another writer has the Task.
            KubeError: the API server refused it. The lease then expires.
        """
        await self._write_until_taken(
            lambda: {
                "phase": Phase.PENDING.value,
                "claim": None,
                "startTime": None,
                "releases": self._releases + 1,
                "message": message,
                **self._progress(),
            }
        )

    async def _finish(self, outcome: Outcome) -> None:
        """Write the outcome.

        A wait is a release. If the Task was cancelled meanwhile, the operator ends it.
        """
        ended, waits = now(), outcome.phase is Phase.WAITING
        await self._write_until_taken(
            lambda: {
                **outcome.status(),
                **self._ran(),
                "waitingSince" if waits else "completionTime": ended,
                "releases": self._releases + int(waits),
                "observedGeneration": self.task["metadata"]["generation"],
            }
        )

    async def _write_until_taken(self, status_of: Callable[[], Mapping[str, Any]]) -> None:
        """Write a status that ends the claim, until it is taken or the lease has expired.

        Args:
            status_of: Returns the status for the Task as it was last read.
        """
        backoff = Backoff(cap_s=self.lease_s / TRIES_PER_LEASE)
        written: Mapping[str, Any] | None = None
        while True:
            self._check_lease()
            status = status_of()
            try:
                await self._patch(status)
            except KubeError as error:
                if is_refusal(error):
                    raise
                if not is_outdated(error):
                    logger.warning("%s/%s: its end: %s", self.namespace, self.name, error)
                    written = status
                    await asyncio.sleep(min(backoff.next_s(), self._left_s))
            else:
                return
            if await self._look_until_answered(backoff, written):
                return

    async def _look_until_answered(
        self, backoff: Backoff, written: Mapping[str, Any] | None
    ) -> bool:
        while True:
            self._check_lease()
            try:
                return await self._look_again(written)
            except KubeError as error:
                logger.warning("%s/%s: not read: %s", self.namespace, self.name, error)
            await asyncio.sleep(min(backoff.next_s(), self._left_s))

    def _outcome_of(self, running: asyncio.Task[Outcome]) -> Outcome:
        if running.cancelled() and self.stopped is not None:
            return self.stopped
        error = asyncio.CancelledError() if running.cancelled() else running.exception()
        if error is None:
            return running.result()
        if isinstance(error, ClaimLost | GiveBack):
            raise error
        logger.error("a run failed", exc_info=error)
        return Outcome(
            Phase.FAILED,
            message=f"internal error of the runner: {type(error).__name__}",
            reason="InternalError",
        )

    def _check_lease(self) -> None:
        if self._clock() >= self._mine_until:
            raise ClaimLost("the lease has expired")
