"""Works on one key at a time: judge, tell the referrers, write if the verdict is new."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.references import ObjectKey
from wegent_crds.registry import ACCOUNT, BY_PLURAL, TOMBSTONE
from wegent_kube import ApiError, KubeError
from wegent_kube.client import METADATA_OBJECT
from wegent_kube.resources import NAMESPACES, ROLE_BINDINGS, SERVICE_ACCOUNTS
from wegent_kube.tracing import Tracing
from wegent_operator.accounts.controller import Provisioner
from wegent_operator.accounts.plan import PROVISIONED
from wegent_operator.references.verdict import judge
from wegent_operator.runtime.event_series import Story
from wegent_operator.runtime.events import Recorder
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.obstacles import PATIENCE, Obstacles
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.refusals import Hindered, Step, is_refusal
from wegent_operator.runtime.sight import Sight, unseen_referent
from wegent_operator.runtime.status_writer import StatusWriter
from wegent_operator.state.conditions import (
    find,
    rfc3339,
    status_patch,
    with_verdict,
    without_obstacle,
)
from wegent_operator.state.objects import Facts
from wegent_operator.state.store import Store
from wegent_operator.state.verdict import Outcome, Verdict
from wegent_operator.tasks.controller import TaskLife
from wegent_operator.tasks.end import with_progress
from wegent_operator.trash.controller import Keeper

logger = logging.getLogger(__name__)

WAITS: Final = "KindRefused"
"""Reason of the Event on an object that gets no verdict while a kind can't be listed."""
LOOK_AGAIN_S: Final = 30.0
"""After which an object is looked at again that waits for something that is not refused."""
REFUSED_FOR_NOW: Final = frozenset({Reason.NOT_PROVISIONED, Reason.NOT_RESTORED})
"""What the API server refused may pass later (a quota, a right) without an event telling so."""


class Reconciler:
    """Turns keys into verdicts and verdicts into status writes."""

    def __init__(  # noqa: PLR0913 - the one place where all parts of a verdict meet
        self,
        store: Store,
        queue: KeyedQueue[ObjectKey],
        writer: StatusWriter,
        provisioner: Provisioner,
        keeper: Keeper,
        tasks: TaskLife,
        recorder: Recorder,
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        sight: Sight,
    ) -> None:
        self._store = store
        self._queue = queue
        self._writer = writer
        self._provisioner = provisioner
        self._keeper = keeper
        self._tasks = tasks
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._obstacles = Obstacles(store, writer, recorder, metrics, clock)
        self._sight = sight
        self._news_at: dict[ObjectKey, float] = {}
        self._held: set[ObjectKey] = set()
        """Keys of which nothing can be said as long as a resource isn't seen."""

    @property
    def unsettled_age_s(self) -> float:
        """Seconds since the oldest news that has no settled verdict yet; 0 if all have."""
        return time.monotonic() - min(self._news_at.values()) if self._news_at else 0.0

    @property
    def hindered(self) -> int:
        """How many objects tell what keeps the operator from its work."""
        return self._obstacles.told

    def concern(self, keys: Iterable[ObjectKey]) -> None:
        """Let keys be judged, because something that their verdict may depend on has changed."""
        now = time.monotonic()
        for key in keys:
            self._news_at.setdefault(key, now)
            self._queue.add(key)

    def drop_all(self) -> None:
        """Forget all that waits to be judged."""
        self._queue.clear()
        self._news_at.clear()
        self._held.clear()

    def seen_again(self) -> None:
        """Let all keys be judged that wait for a resource to be seen."""
        held, self._held = self._held, set()
        self.concern(held)

    async def work(self, tracing: Tracing) -> None:
        """Take keys and reconcile them, for ever; several of these run side by side."""
        while True:
            key = await self._queue.take()
            try:
                with tracing.span("reconcile", **{"wegent.object": _title(key)}):
                    await self.reconcile(key)
            except KubeError as error:
                refusal = error.error if isinstance(error, Hindered) else error
                after = refusal.retry_after if isinstance(refusal, ApiError) else None
                delay = self._queue.retry(key, after)
                logger.warning("%s: trying again in %.1f s: %s", _title(key), delay, error)
            except Exception:
                delay = self._queue.retry(key)
                logger.exception("%s: trying again in %.1f s", _title(key), delay)
            finally:
                self._queue.done(key)
            await asyncio.sleep(0)  # a full queue must not keep the loop from everything else

    async def reconcile(self, key: ObjectKey) -> None:
        """Bring one object's status in line with what is there.

        Raises:
            KubeError: the API server did not take it; to be tried again.
        """
        self._metrics.judgements.inc()
        self._held.discard(key)
        if (unseen := self._unseen_by_key(key)) is not None:
            self._hold(key, unseen)
            return
        if key.plural == NAMESPACES.plural:
            await self._provisioner.share(key.name)
            self._settled(key)
            return
        facts = self._store.get(key)
        self.concern(self._store.pass_on(key))
        if facts is None:
            self._tasks.forget(key)
            self._keeper.forget(key)
        try:
            settled = await self._bring_in_line(key, facts)
        except Hindered as hindered:
            if facts is None:
                raise
            # The try may have changed it.
            now = self._store.get(key)
            await self._tell(now if now is not None and now.uid == facts.uid else facts, hindered)
            return
        if key in self._held:
            return
        self._obstacles.forget(key)
        if settled:
            self._settled(key)
        else:
            self._retry_later(key)

    async def _bring_in_line(self, key: ObjectKey, facts: Facts | None) -> bool:
        """Return whether the object is as it should be; else it is to be tried again."""
        passing, unprotected = await self._attend(facts)
        settled = True
        if not passing and (unseen := self._unseen_referent(facts)) is not None:
            self._hold(key, unseen)
        elif not passing:
            verdict = await self._verdict(key, facts)
            if facts is not None and verdict is not None and facts.judged:
                await self._write(facts, verdict)
                settled = verdict.ready.reason not in REFUSED_FOR_NOW
            elif facts is not None and not facts.deleting:
                await self._put(facts, self._unjudged(facts))
        if unprotected is not None:
            raise unprotected
        return settled

    async def _attend(self, facts: Facts | None) -> tuple[bool, Hindered | None]:
        """Do what is due; return whether that was all, and what keeps the finalizer off.

        An object that the trash can't hold is judged all the same.
        """
        if facts is None:
            return False, None
        # First: what is to be collected must not be given the trash's finalizer back.
        if await self._tasks.attend(facts):
            return True, None
        if not BY_PLURAL[facts.key.plural].served:
            return False, None
        try:
            return await self._keeper.attend(facts), None
        except Hindered as hindered:
            if hindered.step is not Step.HOLD:
                raise
            return False, hindered

    async def _tell(self, facts: Facts, hindered: Hindered) -> None:
        """Say on an object what hinders it, and try again where that was a refusal.

        Raises:
            Hindered: it may pass in a moment; to be tried again before it is told.
        """
        key, error = facts.key, hindered.error
        if error is None:
            if hindered.after_s > 0:
                self._queue.wake(key, hindered.after_s)
            else:
                await self._obstacles.tell(facts, hindered)
                self._queue.wake(key, LOOK_AGAIN_S)
            self._settled(key)  # what it waits for comes as an event, in most cases of its own
            return
        self._obstacles.counted(facts, hindered)
        if not is_refusal(error) and self._queue.failures(key) < PATIENCE:
            raise hindered
        await self._obstacles.tell(facts, hindered)
        self._retry_later(key, error.retry_after)

    def _retry_later(self, key: ObjectKey, after_s: float | None = None) -> None:
        """Let a key come back, although no event may tell that what refused it is gone."""
        self._news_at.pop(key, None)  # it has been said
        self._queue.retry(key, after_s)

    def _unjudged(self, facts: Facts) -> Facts:
        """Return what an object that gets no verdict should say: nothing keeps it from going.

        A Task that has left Pending also acknowledges its spec, and tells its end.
        """
        desired = without_obstacle(facts)
        if facts.task is None or not facts.has_run:
            return desired
        now = rfc3339(self._clock())
        return with_progress(desired, facts.task.phase, facts.task.message, now)

    def _unseen_by_key(self, key: ObjectKey) -> str | None:
        """Return the resource without which nothing may be done about a key; None: go on."""
        facts = self._store.get(key)
        if key.plural == NAMESPACES.plural:
            needed = [ROLE_BINDINGS.plural]
        elif key.plural == ACCOUNT.plural:
            # An Account that isn't known is taken for deleted, and its access withdrawn.
            if facts is None and self._sight.is_blind(ACCOUNT.plural):
                return ACCOUNT.plural
            # A token is worth nothing without its ServiceAccount; bindings that are seen later
            # are removed then.
            taken = facts is None or _loses_access(facts)
            resources = (SERVICE_ACCOUNTS,) if taken else PROVISIONED
            needed = [resource.plural for resource in resources]
        elif facts is not None and facts.restored_from is not None:
            # Whether it is whole is told by its Tombstone.
            place = ObjectKey(TOMBSTONE.plural, key.namespace, facts.restored_from)
            blind = self._store.get(place) is None and self._sight.is_blind(TOMBSTONE.plural)
            return TOMBSTONE.plural if blind else None
        else:
            return None
        return next((name for name in needed if not self._sight.ever_listed(name)), None)

    def _unseen_referent(self, facts: Facts | None) -> str | None:
        """Return the resource without which no verdict may be given; None: go on."""
        if facts is None or facts.tombstone is not None or not facts.judged:
            return None
        if _loses_access(facts):
            return None
        return unseen_referent(facts, self._store, self._sight)

    def _hold(self, key: ObjectKey, unseen: str) -> None:
        """Let a key wait until a resource is seen. It stays news that isn't settled."""
        logger.info("%s: waiting until %s are seen", _title(key), unseen)
        self._held.add(key)
        self._queue.forget(key)
        facts, refusal = self._store.get(key), self._sight.refusal(unseen)
        # An object whose verdict stands has nothing to tell; neither has a list under way.
        if facts is None or not refusal or facts.observed_generation == facts.generation:
            return
        note = (
            f"no verdict until the operator can list {unseen} ({refusal}): a referent may be among"
            " them; see the operator's /readyz"
        )
        story = Story(action="Judge", reason=WAITS, note=note, normal=False)
        self._recorder.tell(facts, story, self._clock())

    async def _verdict(self, key: ObjectKey, facts: Facts | None) -> Verdict | None:
        """Return the verdict, None where there is nothing to give one on."""
        if key.plural == ACCOUNT.plural:
            return await self._provisioner.provision(key, facts)
        if facts is None:
            return None
        if facts.tombstone is not None:
            return await self._watch_over(key, facts, facts.tombstone.expires_at)
        return judge(facts, self._store)

    async def _watch_over(
        self, key: ObjectKey, facts: Facts, expires_at: datetime | None
    ) -> Verdict | None:
        verdict = await self._keeper.watch_over(key, facts)
        due = verdict is not None and expires_at is not None
        left = (expires_at - self._clock()).total_seconds() if due and expires_at else None
        self._queue.wake(key, left)
        return verdict

    async def _write(self, facts: Facts, verdict: Verdict) -> None:
        now = self._clock()
        if await self._put(facts, with_verdict(facts, verdict, rfc3339(now))):
            self._record(facts, verdict.ready, now)

    async def _put(self, facts: Facts, desired: Facts) -> bool:
        """Write a status that differs from what is there; return whether it was written."""
        if desired == facts:
            return False
        answer = await self._writer.write(facts, status_patch(desired), accept=METADATA_OBJECT)
        if answer is None:
            return False
        if (news_at := self._news_at.get(facts.key)) is not None:
            self._metrics.verdict_seconds.observe(time.monotonic() - news_at)
        self._store.put(replace(desired, version=int(answer["metadata"]["resourceVersion"])))
        return True

    def _record(self, facts: Facts, outcome: Outcome, now: datetime) -> None:
        before = find(facts.conditions, ConditionType.READY)
        if before is not None and before.reason == outcome.reason:
            return
        kind = BY_PLURAL[facts.key.plural].kind
        self._metrics.transitions.labels(kind, outcome.reason).inc()
        self._recorder.transition(facts, outcome, now)
        logger.info(
            "%s: %s%s",
            _title(facts.key),
            outcome.reason,
            f": {outcome.message}" if outcome.message else "",
        )

    def _settled(self, key: ObjectKey) -> None:
        self._news_at.pop(key, None)
        self._queue.forget(key)


def _loses_access(facts: Facts) -> bool:
    """Tell whether an Account's access is to be taken, for which nothing need be seen."""
    return facts.account is not None and (facts.account.suspended or facts.deleting)


def _title(key: ObjectKey) -> str:
    kind = BY_PLURAL[key.plural].kind if key.plural in BY_PLURAL else "Namespace"
    return f"{kind} {key.namespace}/{key.name}" if key.namespace else f"{kind} {key.name}"
