"""Events on Models whose API key can't be used.

The operator doesn't read Secrets, so the conditions of a Model don't show a wrong key. The runner
finds out when it needs the key. It tells the owner of the Task by the Task's message, and the owner
of the Model by an Event (docs/adr/0037).
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from wegent_crds.registry import API_VERSION, MODEL
from wegent_kube import KubeClient, KubeError
from wegent_kube.resources import EVENTS
from wegent_runner.plan.plan import ModelPlan

logger = logging.getLogger(__name__)

COMPONENT: Final = "wegent-runner"
QUIET_S: Final = 600.0
"""Seconds for which the same Event isn't posted again."""
MAX_REMEMBERED: Final = 1000
MAX_NOTE_CHARACTERS: Final = 1000
"""The API server's own bound is 1,024 bytes."""
MAX_INSTANCE: Final = 128
"""The API server's own bound of ``reportingInstance``."""
TIMEOUT_S: Final = 5.0
"""A Task doesn't wait longer for an Event."""


class ModelEvents:
    """Posts Events on Models, each at most once in ten minutes."""

    def __init__(
        self, client: KubeClient, instance: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._instance = instance
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}

    async def warn(self, model: ModelPlan, reason: str, note: str) -> None:
        """Post a Warning. A failure is logged, and nothing else."""
        told, now = (model.uid, note), self._clock()
        if not model.uid or now - self._told.get(told, -QUIET_S) < QUIET_S:
            return
        if len(self._told) >= MAX_REMEMBERED:
            self._told.clear()
        self._told[told] = now
        body = _event(model, reason, note, self._instance)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                path = EVENTS.path(body["metadata"]["namespace"])
                await self._client.request("POST", path, body=body)
        except (KubeError, TimeoutError) as error:
            logger.warning("%s: no Event on the Model: %s", model.name, error)


def _event(model: ModelPlan, reason: str, note: str, instance: str) -> dict[str, Any]:
    namespace, _, name = model.name.partition("/")
    now, unique = datetime.now(UTC), uuid.uuid4().hex
    seconds = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": EVENTS.api_version,
        "kind": "Event",
        "metadata": {"name": f"{name[:200].rstrip('-.')}.{unique}", "namespace": namespace},
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "firstTimestamp": seconds,
        "lastTimestamp": seconds,
        "count": 1,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance[:MAX_INSTANCE],
        "action": "ReadKey",
        "reason": reason,
        "type": "Warning",
        "message": note[:MAX_NOTE_CHARACTERS],
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": MODEL.kind,
            "namespace": namespace,
            "name": name,
            "uid": model.uid,
        },
    }
