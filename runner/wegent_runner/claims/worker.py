"""Takes a slot, then a Task, then a claim, and runs the Task. A burst waits in the API server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, Generic, TypeVar

from wegent_kube import KubeClient, KubeError, get_or_none
from wegent_runner.claims.claim import TASKS, Claim, ClaimLost
from wegent_runner.claims.outcome import Outcome
from wegent_runner.claims.own_tasks import OwnTasks
from wegent_runner.claims.pending import PendingTask, PendingTasks, claimable

logger = logging.getLogger(__name__)

P = TypeVar("P")
PAUSE_AFTER_ERROR_S: Final = 1.0


class Worker(Generic[P]):
    """Runs pending Tasks, as many at once as there are slots.

    Args:
        client: the API server, with the runner's own rights.
        pending: the Tasks that may be claimed.
        own: the claims whose Tasks are followed.
        plan: returns the plan of a Task, or None if this runner doesn't serve it.
        run: runs a claimed Task by its plan.
        holder: the runner's name.
        slots: Tasks that run at once.
        lease_s: Duration of a lease in seconds.
    """

    def __init__(
        self,
        client: KubeClient,
        pending: PendingTasks,
        own: OwnTasks,
        *,
        plan: Callable[[Mapping[str, Any]], Awaitable[P | None]],
        run: Callable[[Claim, P], Coroutine[Any, Any, Outcome]],
        holder: str,
        slots: int,
        lease_s: int,
    ) -> None:
        self._client = client
        self._pending = pending
        self._own = own
        self._plan = plan
        self._run = run
        self._holder = holder
        self._lease_s = lease_s
        self._slots = asyncio.Semaphore(slots)
        self._running: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def busy(self) -> int:
        """Number of slots in use."""
        return len(self._running)

    async def run(self) -> None:
        """Claim and run Tasks until cancelled. Running Tasks go on after that: see ``drain``."""
        while True:
            await self._slots.acquire()
            try:
                task, _ = await self._pending.get()
            except asyncio.CancelledError:
                self._slots.release()
                raise
            running = asyncio.create_task(self._one(task))
            self._running.add(running)
            running.add_done_callback(self._ended)

    async def drain(self, grace_s: float) -> None:
        """Let the running Tasks end, and give back those that have not ended in time."""
        self._draining = True
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace_s)
            for running in late:
                running.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._slots.release()
        if not running.cancelled() and (error := running.exception()) is not None:
            logger.error("a slot failed", exc_info=error)

    async def _one(self, pending: PendingTask) -> None:
        try:
            claimed = await self._claim(pending)
        except KubeError as error:
            logger.warning("%s/%s: not claimed: %s", pending.namespace, pending.name, error)
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            return
        if claimed is None:
            return
        claim, plan = claimed
        self._own.add(claim)
        try:
            await claim.run(self._run(claim, plan))
        except ClaimLost as error:
            logger.warning("%s/%s: stopped: %s", claim.namespace, claim.name, error)
        except asyncio.CancelledError:
            await self._give_back(claim)
            raise
        except KubeError as error:
            logger.error("%s/%s: its end was refused: %s", claim.namespace, claim.name, error)  # noqa: TRY400 - an answer, not a bug
        finally:
            self._own.remove(claim)

    async def _claim(self, pending: PendingTask) -> tuple[Claim, P] | None:
        task = await get_or_none(
            self._client.request("GET", TASKS.path(pending.namespace, pending.name))
        )
        if task is None or not claimable(task) or (plan := await self._plan(task)) is None:
            return None
        claim = await Claim.take(self._client, task, self._holder, self._lease_s)
        return None if claim is None else (claim, plan)

    async def _give_back(self, claim: Claim) -> None:
        try:
            await claim.give_back(f"{self._holder} stopped; another runner continues")
        except (KubeError, ClaimLost) as error:
            logger.warning("%s/%s: not given back: %s", claim.namespace, claim.name, error)
