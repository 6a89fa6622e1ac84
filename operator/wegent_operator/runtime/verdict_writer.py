"""Writes verdicts: one status write for a changed verdict, and none for an unchanged one."""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from wegent_crds.conditions import ConditionType, find_condition
from wegent_crds.registry import BY_PLURAL
from wegent_operator.runtime.events import Recorder
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.pending import Pending
from wegent_operator.runtime.status_writer import StatusWriter
from wegent_operator.state.conditions import rfc3339, with_verdict
from wegent_operator.state.objects import ObjectState, title
from wegent_operator.state.verdict import Outcome, Verdict

logger = logging.getLogger(__name__)


class VerdictWriter:
    """Writes a status if it differs from the current one."""

    def __init__(
        self,
        writer: StatusWriter,
        pending: Pending,
        recorder: Recorder,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._pending = pending
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock

    async def write(
        self, state: ObjectState, verdict: Verdict, decided: ObjectState | None = None
    ) -> None:
        """Write a verdict, and report a change of ``Ready`` in an Event.

        ``decided`` is the state with other changed fields of the status, if there are any.

        Raises:
            KubeError: a request failed; try again.
        """
        now = self._clock()
        if await self.put(state, with_verdict(decided or state, verdict, rfc3339(now))):
            self._record(state, verdict.ready, now)

    async def put(self, state: ObjectState, desired: ObjectState) -> bool:
        """Write the status of ``desired`` if it differs; return whether it was written.

        Raises:
            KubeError: a request failed; try again.
        """
        written = await self._writer.put(state, desired)
        if written and (since := self._pending.since(state.key)) is not None:
            self._metrics.verdict_seconds.observe(time.monotonic() - since)
        return written

    def _record(self, state: ObjectState, outcome: Outcome, now: datetime) -> None:
        before = find_condition(state.conditions, ConditionType.READY)
        if before is not None and before.reason == outcome.reason:
            return
        kind = BY_PLURAL[state.key.plural].kind
        self._metrics.transitions.labels(kind, outcome.reason).inc()
        if outcome.status and (before is None or not before.is_false):
            return  # it is ready from the beginning, as most are
        self._recorder.transition(state, outcome, now)
        message = f": {outcome.message}" if outcome.message else ""
        logger.info("%s: %s%s", title(state.key), outcome.reason, message)
