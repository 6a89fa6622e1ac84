"""The times at which a watch told of each Task's verdict, claim and end."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, Self

from tests.support.api import is_ready
from wegent_crds.phases import FINAL, Phase
from wegent_kube import KubeClient
from wegent_kube.informer import Informer, Name
from wegent_runner.claims.requests import TASKS


class TaskWatch:
    """The Tasks of a namespace; a context manager, and the handler of an informer.

    Attributes:
        ready: Monotonic time at which each Task was first Ready.
        running: Monotonic time at which each Task was first claimed.
        ends: Number of times that each Task came to an end.
    """

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._informer = Informer(client, TASKS.path(namespace), self)
        self._informing: asyncio.Task[None] | None = None
        self._ended: set[str] = set()
        self.ready: dict[str, float] = {}
        self.running: dict[str, float] = {}
        self.ends: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._informing = asyncio.create_task(self._informer.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._informing is not None
        self._informing.cancel()
        with suppress(asyncio.CancelledError):
            await self._informing

    def changed(self, body: Mapping[str, Any]) -> None:
        name, status = body["metadata"]["name"], body.get("status") or {}
        phase = status.get("phase")
        if "conditions" in status and is_ready(dict(body)):
            self.ready.setdefault(name, time.monotonic())
        if phase == Phase.RUNNING:
            self.running.setdefault(name, time.monotonic())
        if phase in FINAL and name not in self._ended:
            self._ended.add(name)
            self.ends[name] += 1
        elif phase not in FINAL:
            self._ended.discard(name)

    def deleted(self, name: Name) -> None:
        """Do nothing: nothing is deleted."""

    def listed(self, names: AbstractSet[Name]) -> None:
        """Do nothing: nothing is deleted."""

    def failed(self, error: Exception) -> None:
        """Do nothing: the informer tries again."""
