"""The Tasks that wait for a runner, in the order in which this runner tries to claim them.

Namespaces take turns, so that a namespace with thousands of Tasks doesn't hold up another one
with a single Task. Within a namespace the oldest Task comes first. Only names and versions are
kept: thousands of Tasks with long prompts wait in the API server, and not in memory.
"""

import asyncio
import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from wegent_crds.phases import Phase
from wegent_kube.informer import Name


@dataclass(frozen=True, slots=True, order=True)
class PendingTask:
    """A Task that may be claimed."""

    created: str
    """``metadata.creationTimestamp``, which sorts by time."""
    name: str
    namespace: str
    version: str
    """``metadata.resourceVersion`` that guards the claim."""


class PendingTasks:
    """Handler of an informer of Pending Tasks, and queue of those that may be claimed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Name, PendingTask] = {}
        self._since: dict[Name, float] = {}
        self._heaps: OrderedDict[str, list[PendingTask]] = OrderedDict()
        self._more = asyncio.Event()
        self.problem = "not listed yet"
        """Reason for which pending Tasks are unknown; empty if they are known."""

    def __len__(self) -> int:
        return len(self._known)

    def changed(self, body: Mapping[str, Any]) -> None:
        """Handle a Task of the list or the watch."""
        metadata = body["metadata"]
        name = (metadata["namespace"], metadata["name"])
        if not claimable(body):
            self.deleted(name)
            return
        task = PendingTask(
            metadata["creationTimestamp"], name[1], name[0], metadata["resourceVersion"]
        )
        if self._known.get(name) != task:
            self._add(name, task)

    def deleted(self, name: Name) -> None:
        """Handle a Task that is gone, or isn't Pending any more."""
        self._known.pop(name, None)
        self._since.pop(name, None)

    def listed(self, names: AbstractSet[Name]) -> None:
        """Handle a complete list."""
        for name in self._known.keys() - names:
            self.deleted(name)
        self.problem = ""

    def failed(self, error: Exception) -> None:
        """Handle a failure of the list or the watch."""
        self.problem = f"Tasks can't be listed: {error}"

    async def get(self) -> tuple[PendingTask, float]:
        """Wait for a Task and return it, with the seconds for which it has been waiting here.

        The Task is not returned again until a watch tells of a newer version of it.
        """
        while (task := self._pop()) is None:
            self._more.clear()
            await self._more.wait()
        name = (task.namespace, task.name)
        del self._known[name]
        return task, self._clock() - self._since.pop(name)

    def put_back(self, task: PendingTask) -> None:
        """Offer a Task again that could not be claimed, unless a newer version is known."""
        name = (task.namespace, task.name)
        if name not in self._known:
            self._add(name, task)

    def oldest_age_s(self) -> float:
        """Return the seconds for which the first of the waiting Tasks has been waiting here."""
        return self._clock() - min(self._since.values()) if self._since else 0.0

    def _add(self, name: Name, task: PendingTask) -> None:
        self._known[name] = task
        self._since.setdefault(name, self._clock())
        heapq.heappush(self._heaps.setdefault(name[0], []), task)
        self._more.set()

    def _pop(self) -> PendingTask | None:
        while self._heaps:
            namespace, heap = next(iter(self._heaps.items()))
            task = heapq.heappop(heap) if heap else None
            self._heaps.move_to_end(namespace)
            if not heap:
                del self._heaps[namespace]
            if task is not None and self._known.get((namespace, task.name)) == task:
                return task
        return None


def claimable(body: Mapping[str, Any]) -> bool:
    """Return True if a runner may claim the Task, as docs/adr/0007 has it."""
    status = body.get("status") or {}
    return (
        status.get("phase", Phase.PENDING) == Phase.PENDING
        and not (body.get("spec") or {}).get("cancel")
        and "deletionTimestamp" not in body["metadata"]
        and any(
            it["type"] == "Ready" and it["status"] == "True"
            for it in status.get("conditions") or ()
        )
    )
