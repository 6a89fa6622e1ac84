"""Kubernetes Events on transitions, which ``kubectl describe`` shows.

Events are best effort, as everywhere in Kubernetes. They are posted from a bounded
queue, so that a slow API server never delays a verdict. Events are dropped and counted
if the queue is full or the namespace is being deleted. Conditions are the record.
"""

import asyncio
import logging
from datetime import datetime
from typing import Final

from wegent_crds.conditions import ConditionType, find_condition
from wegent_crds.registry import BY_PLURAL
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import EVENTS
from wegent_operator.runtime.event_series import Correlator, Series, Story
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.verdict import Outcome

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 1000


class Recorder:
    """Posts Events for changes of ``Ready``, and for the operator's actions on objects."""

    def __init__(self, client: KubeClient, metrics: Metrics, instance: str) -> None:
        self._client = client
        self._metrics = metrics
        self._instance = instance
        self._correlator = Correlator()
        self._waiting: dict[str, Series] = {}
        """Series by the Event's name, in the order of their first story that isn't posted yet."""
        self._news = asyncio.Event()

    def transition(self, state: ObjectState, outcome: Outcome, now: datetime) -> None:
        """Record that an object's ``Ready`` became ``outcome``. Never blocks and never raises.

        An object that is ready from the beginning, as most are, gets no Event.
        """
        before = find_condition(state.conditions, ConditionType.READY)
        if outcome.status and (before is None or not before.is_false):
            return
        story = Story(
            action="Reconcile",
            reason=str(outcome.reason),
            note=outcome.message or f"{BY_PLURAL[state.key.plural].kind} is ready",
            normal=outcome.status,
        )
        self.tell(state, story, now)

    def tell(self, state: ObjectState, story: Story, now: datetime) -> None:
        """Record an action on an object. Never blocks and never raises."""
        series = self._correlator.correlate(state, story, now)
        if series is None:
            self._metrics.events.labels("limited").inc()
        elif series.name not in self._waiting and len(self._waiting) >= MAX_WAITING:
            self._metrics.events.labels("dropped").inc()
        else:
            self._waiting[series.name] = series
            self._news.set()

    async def run(self) -> None:
        """Post Events for ever, one at a time, so that a repeat follows the Event it repeats."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                series = self._waiting.pop(next(iter(self._waiting)))
                try:
                    await self._post(series)
                except KubeError as error:
                    self._metrics.events.labels("failed").inc()
                    logger.warning("Event not posted: %s", error)
                except Exception:
                    self._metrics.events.labels("failed").inc()
                    logger.exception("Event not posted")

    async def _post(self, series: Series) -> None:
        namespace = series.key.namespace
        if series.stored:
            try:
                path = EVENTS.path(namespace, series.name)
                await self._client.request(
                    "PATCH", path, body=series.changes(), content_type=MERGE_PATCH
                )
            except ApiError as error:
                if not error.is_not_found:
                    raise
                series.stored = False  # Events are kept for an hour
            else:
                self._metrics.events.labels("repeated").inc()
                return
        try:
            await self._client.request(
                "POST", EVENTS.path(namespace), body=series.body(self._instance)
            )
        except ApiError as error:
            if not error.is_already_exists:  # an answer that got lost; the next story is its repeat
                raise
        series.stored = True
        self._metrics.events.labels("posted").inc()
