"""Posts Kubernetes Events, which ``kubectl describe`` shows.

Events are best effort, as everywhere in Kubernetes. They are posted from a bounded
queue, so that a slow API server never delays the work. Events are dropped and counted
if the queue is full or the namespace is being deleted.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from wegent_kube.client import KubeClient
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.errors import ApiError, KubeError
from wegent_kube.event_series import Correlator, Series, Story, Subject
from wegent_kube.resources import EVENTS

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 1000


class EventRecorder:
    """Posts Events about objects.

    Args:
        client: the client that posts them.
        component: name of the program, for ``reportingComponent``.
        instance: name of the process.
        counted: is called with the outcome of each Event: posted, repeated, failed, dropped or
            limited.
    """

    def __init__(
        self,
        client: KubeClient,
        component: str,
        instance: str,
        counted: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._counted = counted
        self._correlator = Correlator()
        self._waiting: dict[str, Series] = {}
        """Series by the Event's name, in the order of their first story that isn't posted yet."""
        self._news = asyncio.Event()
        self._posting = asyncio.Lock()

    def record(self, subject: Subject, story: Story, now: datetime) -> None:
        """Record a story about an object. Never blocks and never raises."""
        series = self._correlator.correlate(subject, story, now)
        if series is None:
            self._counted("limited")
        elif series.name not in self._waiting and len(self._waiting) >= MAX_WAITING:
            self._counted("dropped")
        else:
            self._waiting[series.name] = series
            self._news.set()

    async def run(self) -> None:
        """Post Events for ever, one at a time, so that a repeat follows the Event it repeats."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.flush()

    async def flush(self) -> None:
        """Post the Events that wait, and return when none is left."""
        async with self._posting:
            while self._waiting:
                series = self._waiting.pop(next(iter(self._waiting)))
                try:
                    await self._post(series)
                except KubeError as error:
                    self._counted("failed")
                    logger.warning("Event not posted: %s", error)
                except Exception:
                    self._counted("failed")
                    logger.exception("Event not posted")

    async def _post(self, series: Series) -> None:
        namespace = series.subject.namespace
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
                self._counted("repeated")
                return
        try:
            await self._client.request(
                "POST",
                EVENTS.path(namespace),
                body=series.body(self._component, self._instance),
            )
        except ApiError as error:
            if not error.is_already_exists:  # an answer that got lost; the next story is its repeat
                raise
        series.stored = True
        self._counted("posted")
