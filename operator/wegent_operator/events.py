"""Kubernetes Events on transitions, so that ``kubectl describe`` tells the story.

Best effort by nature, as everywhere in Kubernetes: posted from a bounded queue
so that a slow API server never holds up a verdict, dropped and counted when
that is full or the namespace is going away. Conditions are the record.
"""

import asyncio
import logging
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wegent_crds.kinds import API_VERSION, BY_PLURAL
from wegent_kube import KubeClient, KubeError
from wegent_kube.resources import EVENTS
from wegent_operator.facts import Facts
from wegent_operator.metrics import Metrics
from wegent_operator.verdict import Outcome

logger = logging.getLogger(__name__)

CONTROLLER: Final = "wegent-operator"
MAX_WAITING: Final = 1000
MAX_NOTE: Final = 1024
"""Characters of a note; the API's own bound."""
MAX_NAME: Final = 200
"""Characters of the object's name within an Event's."""
POSTERS: Final = 2


@dataclass(frozen=True, slots=True)
class Story:
    """What one Event tells."""

    action: str
    reason: str
    note: str
    normal: bool
    """Whether that is how things should go; else it is a warning."""


class Recorder:
    """Posts one Event for each transition of ``Ready``, and for what is done to Tasks."""

    def __init__(self, client: KubeClient, metrics: Metrics, instance: str) -> None:
        self._client = client
        self._metrics = metrics
        self._instance = instance
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_WAITING)

    def transition(self, facts: Facts, outcome: Outcome, now: datetime) -> None:
        """Note that an object's ``Ready`` became ``outcome``. Never blocks and never raises."""
        story = Story(
            action="Judge",
            reason=str(outcome.reason),
            note=outcome.message or f"{BY_PLURAL[facts.key.plural].kind} is ready",
            normal=outcome.status,
        )
        self.tell(facts, story, now)

    def tell(self, facts: Facts, story: Story, now: datetime) -> None:
        """Note what was done about an object. Never blocks and never raises."""
        try:
            self._waiting.put_nowait(event_body(facts, story, now, self._instance))
        except asyncio.QueueFull:
            self._metrics.events.labels("dropped").inc()

    async def run(self) -> None:
        """Post for ever."""
        await asyncio.gather(*(self._post() for _ in range(POSTERS)))

    async def _post(self) -> None:
        while True:
            body = await self._waiting.get()
            try:
                path = EVENTS.path(body["metadata"]["namespace"])
                await self._client.request("POST", path, body=body)
                self._metrics.events.labels("posted").inc()
            except KubeError as error:
                self._metrics.events.labels("failed").inc()
                logger.warning("An event was not posted: %s", error)


def event_body(facts: Facts, story: Story, now: datetime, instance: str) -> dict[str, Any]:
    """Return the ``events.k8s.io/v1`` Event that tells a story."""
    kind = BY_PLURAL[facts.key.plural].kind
    return {
        "apiVersion": EVENTS.api_version,
        "kind": "Event",
        "metadata": {
            # Named as the official clients name theirs: the object, a dot, something unique.
            "name": f"{facts.key.name[:MAX_NAME].rstrip('-.')}.{uuid.uuid4().hex}",
            "namespace": facts.key.namespace,
        },
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "action": story.action,
        "reason": story.reason,
        "type": "Normal" if story.normal else "Warning",
        "note": story.note[:MAX_NOTE],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": kind,
            "namespace": facts.key.namespace,
            "name": facts.key.name,
            "uid": facts.uid,
            "resourceVersion": str(facts.version),
        },
    }
