"""Takes the steps of Tasks that are due, and sets timers for later steps."""

import logging
from collections.abc import Callable
from datetime import datetime

from wegent_crds.phases import Phase
from wegent_crds.references import ObjectKey
from wegent_crds.registry import TASK, TOMBSTONE
from wegent_kube.event_series import Story
from wegent_operator.runtime.events import Recorder
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.status_writer import StatusWriter
from wegent_operator.state.cache import Cache
from wegent_operator.state.conditions import rfc3339, status_patch, with_verdict
from wegent_operator.state.objects import ObjectState, TaskState, state_of
from wegent_operator.tasks.deadlines import Cause, TaskStep, next_step, step_status
from wegent_operator.tasks.end import with_progress
from wegent_operator.tasks.first_seen import Sightings
from wegent_operator.tasks.verdict import verdict
from wegent_operator.trash.controller import TrashController

logger = logging.getLogger(__name__)


class TaskSteps:
    """Cancels, times out, frees and collects Tasks, each with one guarded write.

    ``clock`` returns the current time, which is written, and ``steady`` the time that deadlines are
    measured by.
    """

    def __init__(
        self,
        cache: Cache,
        queue: KeyedQueue[ObjectKey],
        writer: StatusWriter,
        trash: TrashController,
        recorder: Recorder,
        metrics: Metrics,
        clock: Callable[[], datetime],
        steady: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._writer = writer
        self._trash = trash
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._steady = steady
        self._sightings = Sightings()
        self._collected: dict[ObjectKey, str] = {}
        """uids of Tasks whose deletion was accepted and that are still in the cache."""

    async def take_due(self, state: TaskState) -> bool:
        """Take the step that is due; return False if there is none, and the Task needs a verdict.

        Raises:
            KubeError: a request failed; try again.
        """
        if state.deleting or self._cache.is_terminating(state.key.namespace):
            self.forget(state.key)
            return False
        if self._is_coming_back(state) or self._collected.get(state.key) == state.uid:
            return True
        now, measured = self._clock(), self._steady()
        seen = self._sightings.of(state.key, state.uid, state.progress, measured)
        step = next_step(state.progress, seen)
        if step is not None and step.to is None:  # due by a stored time, and can't be undone
            measured = min(now, measured)
        left = None if step is None else (step.due - measured).total_seconds()
        self._queue.add_after(state.key, left if left is None or left > 0 else None)
        if step is None or step.due > measured:
            return False
        if step.to is None:
            if await self._trash.delete_expired(state):
                self._collected[state.key] = state.uid
                self._done(state, step, now)
        else:
            await self._take(state, step, now)
        return True

    def forget(self, key: ObjectKey) -> None:
        """Forget a Task that gets no more steps."""
        self._sightings.forget(key)
        self._collected.pop(key, None)
        self._queue.add_after(key, None)

    def forget_all(self) -> None:
        """Forget every Task: another operator leads.

        When this one leads again, leases count from then on, as after a restart.
        """
        self._sightings.forget_all()
        self._collected.clear()

    def count_phase_change(self, before: ObjectState | None, after: ObjectState) -> None:
        """Count a change of phase, by the operator or another writer."""
        if not isinstance(before, TaskState) or not isinstance(after, TaskState):
            return
        phases = before.progress.phase, after.progress.phase
        if before.uid == after.uid and phases[0] is not phases[1]:
            self._metrics.task_phases.labels(*phases).inc()

    def _is_coming_back(self, state: TaskState) -> bool:
        """Return whether a restore of the Task is not complete: its status is still missing."""
        if state.restored_from is None:
            return False
        key = ObjectKey(TOMBSTONE.plural, state.key.namespace, state.restored_from)
        return self._cache.get(key) is not None

    async def _take(self, state: TaskState, step: TaskStep, now: datetime) -> None:
        patch = status_patch(self._after(state, step, now))
        patch["status"] |= step_status(step, now)
        answer = await self._writer.write(state, patch)
        if answer is None:
            return
        after = state_of(TASK, answer)
        if self._cache.put(after):
            self.count_phase_change(state, after)
        self._done(state, step, now)
        self._queue.add(state.key)  # for the step after this one

    def _after(self, state: TaskState, step: TaskStep, now: datetime) -> TaskState:
        """Return the state with the conditions that the Task is to have after the step."""
        at = rfc3339(now)
        after = state
        if not state.has_run or step.to is Phase.PENDING:
            after = with_verdict(state, verdict(state, self._cache), at)
        if step.to in (None, Phase.PENDING):
            return after
        return with_progress(after, step.to, step.message, at)

    def _done(self, state: TaskState, step: TaskStep, now: datetime) -> None:
        self._metrics.task_steps.labels(step.cause).inc()
        as_wished = step.cause in (Cause.CANCELLED, Cause.ANSWERED, Cause.COLLECTED)
        story = Story(action="Step", reason=step.cause, note=step.message, normal=as_wished)
        self._recorder.tell(state, story, now)
        key = state.key
        logger.info("Task %s/%s: %s: %s", key.namespace, key.name, step.cause, step.message)
