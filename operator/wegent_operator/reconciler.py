"""Works on one key at a time: judge, tell the referrers, write if the verdict is new."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.kinds import ACCOUNT, BY_PLURAL
from wegent_crds.references import ObjectKey
from wegent_kube import ApiError, KubeError
from wegent_kube.client import METADATA_OBJECT
from wegent_kube.resources import NAMESPACES
from wegent_kube.tracing import Tracing
from wegent_operator.accounts import Provisioner
from wegent_operator.events import Recorder
from wegent_operator.facts import Facts
from wegent_operator.keeper import Keeper
from wegent_operator.metrics import Metrics
from wegent_operator.queue import KeyedQueue
from wegent_operator.status import find, status_patch, with_verdict
from wegent_operator.store import Store
from wegent_operator.task_life import TaskLife
from wegent_operator.trash import rfc3339
from wegent_operator.verdict import Outcome, Verdict, judge
from wegent_operator.writer import StatusWriter

logger = logging.getLogger(__name__)

REFUSED_FOR_NOW: Final = frozenset({Reason.NOT_PROVISIONED, Reason.NOT_RESTORED})
"""What the API server refused may pass later (a quota, a right) without an event telling so."""


class Reconciler:
    """Turns keys into verdicts and verdicts into status writes."""

    def __init__(
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
        self._news_at: dict[ObjectKey, float] = {}

    @property
    def unsettled_age_s(self) -> float:
        """Seconds since the oldest news that has no settled verdict yet; 0 if all have."""
        return time.monotonic() - min(self._news_at.values()) if self._news_at else 0.0

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

    async def work(self, tracing: Tracing) -> None:
        """Take keys and reconcile them, for ever; several of these run side by side."""
        while True:
            key = await self._queue.take()
            try:
                with tracing.span("reconcile", **{"wegent.object": _title(key)}):
                    await self.reconcile(key)
            except KubeError as error:
                after = error.retry_after if isinstance(error, ApiError) else None
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
        if key.plural == NAMESPACES.plural:
            await self._provisioner.share(key.name)
            self._settled(key)
            return
        facts = self._store.get(key)
        self.concern(self._store.pass_on(key))
        if facts is None:
            self._tasks.forget(key)
        passing = facts is not None and (
            # First: what is to be collected must not be given the trash's finalizer back.
            await self._tasks.attend(facts)
            or (BY_PLURAL[key.plural].served and await self._keeper.attend(facts))
        )
        if not passing:
            verdict = await self._verdict(key, facts)
            if facts is not None and verdict is not None and facts.judged:
                await self._write(facts, verdict)
                if verdict.ready.reason in REFUSED_FOR_NOW:
                    self._news_at.pop(key, None)  # it has been said
                    self._queue.retry(key)
                    return
        self._settled(key)

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
        self, key: ObjectKey, facts: Facts, expires_at: datetime
    ) -> Verdict | None:
        verdict = await self._keeper.watch_over(key, facts)
        left = None if verdict is None else (expires_at - self._clock()).total_seconds()
        self._queue.wake(key, left)
        return verdict

    async def _write(self, facts: Facts, verdict: Verdict) -> None:
        now = self._clock()
        desired = with_verdict(facts, verdict, rfc3339(now))
        if desired == facts:
            return
        answer = await self._writer.write(facts, status_patch(desired), accept=METADATA_OBJECT)
        if answer is None:
            return
        if (news_at := self._news_at.get(facts.key)) is not None:
            self._metrics.verdict_seconds.observe(time.monotonic() - news_at)
        self._store.put(replace(desired, version=int(answer["metadata"]["resourceVersion"])))
        self._record(facts, verdict.ready, now)

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


def _title(key: ObjectKey) -> str:
    kind = BY_PLURAL[key.plural].kind if key.plural in BY_PLURAL else "Namespace"
    return f"{kind} {key.namespace}/{key.name}" if key.namespace else f"{kind} {key.name}"
