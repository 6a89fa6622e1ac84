"""Reports obstacles: the refused writes to a user's object are shown on the object.

A third party may refuse any write: a policy or webhook with any code, a quota with 403, etcd
with 500 for the size. The operator never treats a refusal as success or as a conflict. It
counts the refusal, tries again with a growing delay, and reports it on the object in an Event.
If the object's deletion hangs, its condition ``Deleted`` reports the refusal too. The same
policy may refuse the condition; then only the Event remains.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from wegent_crds.conditions import ConditionType, find_condition
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL
from wegent_kube import KubeError
from wegent_kube.event_series import Story
from wegent_operator.runtime.events import Recorder
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.status_writer import StatusWriter
from wegent_operator.state.conditions import rfc3339, with_outcome
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.refusals import Blocked, WriteStep
from wegent_operator.state.verdict import Outcome

logger = logging.getLogger(__name__)

PATIENCE: Final = 3
"""Tries after which a refusal that looks transient is reported too."""
TELL_AGAIN_S: Final = 900.0
"""Seconds after which the same obstacle is reported again. The API server deletes Events after
an hour, and an Event may never have arrived."""
REASONS: Final = {
    WriteStep.ADD_FINALIZER: "NotProtected",
    WriteStep.STATUS: "StatusNotWritten",
}
"""Reasons of the Events for steps whose failure doesn't stop the object from working."""


class Obstacles:
    """Reports obstacles; reports an obstacle again if its message changes."""

    def __init__(
        self,
        writer: StatusWriter,
        recorder: Recorder,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._told: dict[ObjectKey, tuple[str, str]] = {}
        """uid and message of the last Event, by object."""
        self._told_at: dict[ObjectKey, float] = {}

    @property
    def blocked(self) -> int:
        """Number of objects with an obstacle that was reported and still exists."""
        return len(self._told)

    def forget(self, key: ObjectKey) -> None:
        """Forget the obstacle of an object that has none any more, or is gone."""
        self._told.pop(key, None)
        self._told_at.pop(key, None)

    def counted(self, state: ObjectState, blocked: Blocked) -> None:
        """Count a refusal in the metrics."""
        kind = BY_PLURAL[state.key.plural].kind
        self._metrics.refusals.labels(kind, str(blocked.step)).inc()

    async def tell(self, state: ObjectState, blocked: Blocked) -> None:
        """Report an obstacle on its object. Errors of the API server are logged, not raised."""
        if blocked.step in REASONS:
            self.event(state, blocked, REASONS[blocked.step])
            return
        outcome = Outcome(
            ConditionType.DELETED, status=False, reason=blocked.reason, message=blocked.message
        )
        self.event(state, blocked)
        try:
            await self._writer.put(state, with_outcome(state, outcome, rfc3339(self._clock())))
        except KubeError as error:
            logger.warning("%s: condition not written: %s", state.key, error)

    def event(self, state: ObjectState, blocked: Blocked, reason: str = "") -> None:
        """Report an obstacle in an Event, unless the last Event or the condition says the same."""
        key, told = state.key, (state.uid, blocked.message)
        there = find_condition(state.conditions, ConditionType.DELETED)
        fresh = time.monotonic() - self._told_at.get(key, -TELL_AGAIN_S) < TELL_AGAIN_S
        if fresh and self._told.get(key) == told:
            return
        self._told[key], self._told_at[key] = told, time.monotonic()
        if there is not None and there.message == blocked.message:
            return
        logger.warning("%s: %s", state.key, blocked.message)
        story = Story(
            action="Delete",
            reason=reason or blocked.reason,
            note=blocked.message,
            normal=blocked.error is None,
        )
        self._recorder.tell(state, story, self._clock())
