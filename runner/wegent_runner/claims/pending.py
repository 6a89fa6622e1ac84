"""The Tasks that wait for a runner, in the order in which this runner tries to claim them.

Namespaces take turns, so that a namespace with thousands of Tasks doesn't hold up another one
with a single Task, and none gets all slots. Within a namespace the oldest Task comes first. Only
names and versions are kept: thousands of Tasks with long prompts wait in the API server, and not
in memory.
"""

import asyncio
import heapq
import random
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final

from wegent_crds.phases import Phase
from wegent_kube.informer import Name

RETRY_S: Final = (1.0, 60.0)
"""First and longest pause in seconds before a Task is offered again whose claim failed."""
ASIDE_S: Final = (60.0, 600.0)
"""The same for a Task that this runner doesn't serve. Its Shell or Team may change, without a
change of the Task."""
STALE_MIN: Final = 16
"""Stale entries that a heap may hold in any case."""


@dataclass(frozen=True, slots=True, order=True)
class PendingTask:
    """A Task that may be claimed."""

    created: str
    """``metadata.creationTimestamp``, which sorts by time."""
    name: str
    namespace: str
    version: str
    """``metadata.resourceVersion`` as listed or watched. The Task is read before it is claimed."""
    since: float = field(default=0.0, compare=False)
    """Time by the runner's clock since which the Task has been waiting."""
    tries: int = field(default=0, compare=False)
    """Number of times that this version was offered in vain."""
    served: bool = field(default=True, compare=False)
    """False if this runner didn't serve this version when it was offered last."""

    @property
    def key(self) -> Name:
        """Namespace and name."""
        return self.namespace, self.name


class _Queue:
    """The waiting Tasks of one namespace. A heap can't lose an entry, so stale ones are skipped."""

    def __init__(self) -> None:
        self.known: dict[str, PendingTask] = {}
        self.heap: list[PendingTask] = []

    def add(self, task: PendingTask) -> None:
        self.known[task.name] = task
        heapq.heappush(self.heap, task)
        if len(self.heap) > 2 * len(self.known) + STALE_MIN:
            self.heap = list(self.known.values())
            heapq.heapify(self.heap)

    def pop(self) -> PendingTask:
        while True:
            task = heapq.heappop(self.heap)
            if self.known.get(task.name) == task:
                return self.known.pop(task.name)


class PendingTasks:
    """Handler of an informer of Pending Tasks, and queue of those that may be claimed.

    Args:
        shared_slots: Number of Tasks in work from which on only namespaces without one get a slot;
            None for no such number.
        clock: The monotonic clock.
    """

    def __init__(
        self, shared_slots: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shared_slots = shared_slots
        self._clock = clock
        self._queues: OrderedDict[str, _Queue] = OrderedDict()
        self._later: dict[Name, tuple[PendingTask, asyncio.TimerHandle]] = {}
        self._in_work: Counter[str] = Counter()
        self._more = asyncio.Event()
        self.problem = "not listed yet"
        """Reason for which pending Tasks are unknown; empty if they are known."""

    def __len__(self) -> int:
        return sum(1 for _ in self._waiting())

    def changed(self, body: Mapping[str, Any]) -> None:
        """Handle a Task of the list or the watch."""
        metadata = body["metadata"]
        name = (metadata["namespace"], metadata["name"])
        if not claimable(body):
            self.deleted(name)
            return
        known = self._known(name)
        since = self._clock() if known is None else known.since
        task = PendingTask(
            metadata["creationTimestamp"], name[1], name[0], metadata["resourceVersion"], since
        )
        if known != task:
            self._forget_timer(name)
            self._add(task)

    def deleted(self, name: Name) -> None:
        """Handle a Task that is gone, or isn't Pending any more."""
        self._forget_timer(name)
        if (queue := self._queues.get(name[0])) is not None:
            queue.known.pop(name[1], None)
            if not queue.known:
                del self._queues[name[0]]

    def listed(self, names: AbstractSet[Name]) -> None:
        """Handle a complete list."""
        waiting = {
            (namespace, name) for namespace, queue in self._queues.items() for name in queue.known
        }
        for name in (waiting | self._later.keys()) - names:
            self.deleted(name)
        self.problem = ""

    def failed(self, error: Exception) -> None:
        """Handle a failure of the list or the watch."""
        self.problem = f"Tasks can't be listed: {error}"

    async def get(self) -> PendingTask:
        """Wait for a Task and return it.

        The Task is not returned again until a watch tells of a newer version of it, or the caller
        has it offered again. It counts as in work until ``release``.
        """
        while (task := self._pop()) is None:
            self._more.clear()
            await self._more.wait()
        self._in_work[task.namespace] += 1
        return task

    def release(self, namespace: str) -> None:
        """Record that a Task of a namespace that ``get`` returned is in work no more."""
        self._in_work[namespace] -= 1
        if not self._in_work[namespace]:
            del self._in_work[namespace]
        self._more.set()

    def retry(self, task: PendingTask) -> None:
        """Offer a Task again in some seconds, because its claim failed."""
        self._again(task, *RETRY_S)

    def put_aside(self, task: PendingTask) -> None:
        """Offer a Task again in some minutes, because this runner doesn't serve it now."""
        self._again(replace(task, served=False), *ASIDE_S)

    def oldest_age_s(self) -> float:
        """Return the seconds for which the first of the waiting Tasks has been waiting here."""
        now = self._clock()
        return now - min((task.since for task in self._waiting()), default=now)

    def _waiting(self) -> Iterator[PendingTask]:
        """Yield the Tasks that wait for this runner; those that others serve are left out."""
        queued = (task for queue in self._queues.values() for task in queue.known.values())
        later = (task for task, _ in self._later.values())
        return (task for task in chain(queued, later) if task.served)

    def _known(self, name: Name) -> PendingTask | None:
        if name in self._later:
            return self._later[name][0]
        queue = self._queues.get(name[0])
        return None if queue is None else queue.known.get(name[1])

    def _add(self, task: PendingTask) -> None:
        self._queues.setdefault(task.namespace, _Queue()).add(task)
        self._more.set()

    def _again(self, task: PendingTask, first_s: float, cap_s: float) -> None:
        """Offer a Task again after a growing pause, unless a newer version is known."""
        if self._known(task.key) is not None:
            return
        pause_s = min(cap_s, first_s * 2.0 ** min(task.tries, 20))
        timer = asyncio.get_running_loop().call_later(
            pause_s * random.uniform(0.5, 1.0),  # noqa: S311 - no secret
            self._offer,
            task.key,
        )
        self._later[task.key] = (replace(task, tries=task.tries + 1), timer)

    def _forget_timer(self, name: Name) -> None:
        if name in self._later:
            _, timer = self._later.pop(name)
            timer.cancel()

    def _offer(self, name: Name) -> None:
        task, _ = self._later.pop(name)
        self._add(task)

    def _pop(self) -> PendingTask | None:
        limit = self._shared_slots
        reserved = limit is not None and self._in_work.total() >= limit
        for namespace, queue in self._queues.items():
            if reserved and namespace in self._in_work:
                continue
            task = queue.pop()
            self._queues.move_to_end(namespace)
            if not queue.known:
                del self._queues[namespace]
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
