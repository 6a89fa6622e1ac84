"""Takes a slot, then a Task, then a claim, and runs the Task. A burst waits in the API server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from wegent_crds.phases import Phase
from wegent_kube import KubeClient, KubeError, get_or_none
from wegent_runner.claims.claim import RENEWALS_PER_LEASE, Claim, ClaimLost
from wegent_runner.claims.outcome import GiveBack, Outcome
from wegent_runner.claims.own_tasks import OwnTasks
from wegent_runner.claims.pending import PendingTask, PendingTasks, claimable
from wegent_runner.claims.requests import TASKS
from wegent_runner.plan.plan import NotSettled
from wegent_runner.settings import Settings
from wegent_runner.telemetry.observer import Observer, stopwatch

logger = logging.getLogger(__name__)


class Runnable(Protocol):
    """The plan of a run, as far as its claim needs it."""

    @property
    def ran(self) -> Sequence[Mapping[str, Any]]:
        """Return ``status.ran``: the objects that the run uses."""
        ...


P = TypeVar("P", bound=Runnable)
PAUSE_AFTER_ERROR_S: Final = 1.0
GIVE_BACK_S: Final = 8.0
"""Seconds in which the runs that are late at the end of the program are stopped and given back."""
FIRST_PAUSE_S: Final = 0.5
"""Seconds for which a slot rests after an error, so that an API server that fails isn't asked for
one Task after the other."""


class Worker(Generic[P]):
    """Runs pending Tasks, as many at once as there are slots.

    Args:
        client: the API server, with the runner's own rights.
        pending: the Tasks that may be claimed.
        own: the claims whose Tasks are followed.
        plan: returns the plan of a Task, or None if this runner doesn't serve it.
        run: runs a claimed Task by its plan.
        close: ends the log of a claimed Task: with the outcome that is written, or with None if
            the Task goes on elsewhere or later, for example after an answer.
        observer: is told of each claim and its end.
        able: returns when Tasks may be claimed: when the store works.
        settings: the runner's name, its slots, and the duration of a lease.
    """

    def __init__(
        self,
        client: KubeClient,
        pending: PendingTasks,
        own: OwnTasks,
        *,
        plan: Callable[[Mapping[str, Any]], Awaitable[P | None]],
        run: Callable[[Claim, P], Coroutine[Any, Any, Outcome]],
        close: Callable[[Claim, Outcome | None], None],
        observer: Observer,
        able: Callable[[], Awaitable[None]],
        settings: Settings,
    ) -> None:
        self._client = client
        self._pending = pending
        self._own = own
        self._plan = plan
        self._run = run
        self._close = close
        self._observer = observer
        self._claims = observer.metrics.claims
        self._able = able
        self._holder = settings.name
        self._lease_s = settings.lease_s
        self._slots = asyncio.Semaphore(settings.slots)
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
                task = await self._pending.get()
                await self._able()
            except BaseException:
                self._slots.release()
                raise
            running = asyncio.create_task(self._one(task))
            self._running.add(running)
            running.add_done_callback(partial(self._ended, task.namespace))

    async def drain(self, grace_s: float) -> None:
        """Let the running Tasks end, for some seconds."""
        self._draining = True
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)

    async def give_back(self) -> None:
        """Stop the Tasks that still run, and give them back.

        If this is cancelled, nothing more is written. The leases of the rest expire.
        """
        late = [*self._running]
        for running in late:
            running.cancel()
        try:
            if late:
                await asyncio.wait(late)
        finally:
            for running in late:
                running.cancel()

    def _ended(self, namespace: str, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._pending.release(namespace)
        self._slots.release()
        if not running.cancelled() and (error := running.exception()) is not None:
            logger.error("a slot failed", exc_info=error)

    async def _one(self, pending: PendingTask) -> None:
        try:
            claimed = await self._claim(pending)
        except NotSettled as error:
            logger.info("%s/%s: not claimed: %s", pending.namespace, pending.name, error)
            self._claims.labels("not_settled").inc()
            self._pending.retry(pending)
            return
        except Exception as error:
            told = None if isinstance(error, KubeError) else error
            logger.warning(
                "%s/%s: not claimed: %s", pending.namespace, pending.name, error, exc_info=told
            )
            self._claims.labels("error").inc()
            self._pending.retry(pending)
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            return
        if claimed is None:
            return
        claim, plan = claimed
        self._claims.labels("claimed").inc()
        self._observer.claimed(claim.task)
        self._own.add(claim)
        took_s = stopwatch()
        try:
            end = await self._run_claimed(claim, plan)
            self._observer.ended(claim.task, end.phase, end.reason, end.message or "", took_s())
        except ClaimLost as error:
            logger.warning("%s/%s: stopped: %s", claim.namespace, claim.name, error)
            self._observer.metrics.claims_lost.inc()
        except GiveBack as error:
            try:
                await asyncio.sleep(pause_before_release_s(claim.task, self._lease_s))
            finally:  # at once if the runner stops meanwhile
                await self._give_back(claim, error)
        except asyncio.CancelledError:
            await self._give_back(claim, self._draining_told())
            raise
        except KubeError as error:
            logger.error("%s/%s: its end was refused: %s", claim.namespace, claim.name, error)  # noqa: TRY400 - an answer, not a bug
        finally:
            self._own.remove(claim)

    async def _run_claimed(self, claim: Claim, plan: P) -> Outcome:
        end: Outcome | None = None
        try:
            end = await claim.run(self._run(claim, plan))
        finally:
            # A Task that waits goes on in another attempt, with another log.
            self._close(claim, None if end is None or end.phase is Phase.WAITING else end)
        return end

    async def _claim(self, pending: PendingTask) -> tuple[Claim, P] | None:
        task = await get_or_none(
            self._client.request("GET", TASKS.path(pending.namespace, pending.name))
        )
        if task is None or not claimable(task):
            self._claims.labels("gone").inc()
            return None
        if (plan := await self._plan(task)) is None:
            self._claims.labels("not_served").inc()
            self._pending.put_aside(pending)
            return None
        if self._draining:
            return None
        claim = await self._take(task, plan.ran)
        if claim is None:
            self._claims.labels("lost_race").inc()
            return None
        return claim, plan

    async def _take(
        self, task: Mapping[str, Any], ran: Sequence[Mapping[str, Any]]
    ) -> Claim | None:
        taking = asyncio.create_task(
            Claim.take(self._client, task, self._holder, self._lease_s, ran)
        )
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # The claim may be written already. Without this, the Task would wait for its expiry.
            with suppress(KubeError):
                if (claim := await taking) is not None:
                    await self._give_back(claim, self._draining_told())
            raise

    def _draining_told(self) -> GiveBack:
        return GiveBack("Draining", f"{self._holder} stops; another runner takes the Task")

    async def _give_back(self, claim: Claim, why: GiveBack) -> None:
        try:
            await claim.give_back(str(why))
        except (KubeError, ClaimLost) as error:
            logger.warning("%s/%s: not given back: %s", claim.namespace, claim.name, error)
        else:
            logger.info("%s/%s: given back: %s", claim.namespace, claim.name, why)
            self._observer.given_back(claim.task, why.reason, str(why))


def pause_before_release_s(task: Mapping[str, Any], lease_s: int) -> float:
    """Return the seconds for which a Task is kept before it is given back after a failure.

    Another claim follows at once. If the failure lasts, growing pauses keep the number of writes
    low. The claim needs no renewal in a pause: they are at most the time between two renewals.
    """
    releases: int = (task.get("status") or {}).get("releases", 0)
    return min(FIRST_PAUSE_S * 2.0 ** min(releases, 20), lease_s / RENEWALS_PER_LEASE)
