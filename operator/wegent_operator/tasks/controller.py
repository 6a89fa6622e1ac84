"""Reconciles Tasks: a step that is due, then the trash's finalizer, then the conditions."""

from collections.abc import Callable
from datetime import datetime

from wegent_crds.references import ObjectKey
from wegent_operator.references.controller import ReferencesController
from wegent_operator.runtime.held import HeldKeys
from wegent_operator.runtime.verdict_writer import VerdictWriter
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.state.cache import Cache
from wegent_operator.state.conditions import rfc3339, without_obstacle
from wegent_operator.state.objects import TaskState
from wegent_operator.state.verdict import Verdict
from wegent_operator.tasks.end import with_progress
from wegent_operator.tasks.steps import TaskSteps
from wegent_operator.tasks.verdict import verdict
from wegent_operator.trash.controller import TrashController


class TaskController(ReferencesController[TaskState]):
    """The controller of Tasks."""

    def __init__(
        self,
        cache: Cache,
        trash: TrashController,
        writer: VerdictWriter,
        held: HeldKeys,
        visibility: Visibility,
        steps: TaskSteps,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(cache, trash, writer, held, visibility)
        self._steps = steps
        self._clock = clock

    async def reconcile(self, key: ObjectKey, state: TaskState | None) -> bool:
        """Take the step that is due; without one, reconcile the Task like other kinds.

        Raises:
            Blocked: the Task can't be stored, or can't be deleted yet.
            KubeError: a request failed; try again.
        """
        if state is None:
            self._steps.forget(key)
        # The step comes first: a Task that is to be deleted must not get the finalizer back.
        elif await self._steps.take_due(state):
            return True
        return await super().reconcile(key, state)

    def verdict(self, state: TaskState) -> Verdict:
        """Return the verdict on a Task, given the cached objects."""
        return verdict(state, self._cache)

    async def _reconcile_status(self, state: TaskState) -> None:
        """Write the verdict; for a Task that has left Pending, acknowledge its spec and end."""
        if not state.has_run:
            await super()._reconcile_status(state)
            return
        progress, now = state.progress, rfc3339(self._clock())
        desired = with_progress(without_obstacle(state), progress.phase, progress.message, now)
        await self._writer.put(state, desired)
