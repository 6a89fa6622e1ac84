"""Takes keys from the queue and hands each to the controller of its kind.

Which kinds there are is in the table that `app` builds. Here is only the part that all kinds
share: objects that depend on a changed one, refusals, retries.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from wegent_crds.references import ObjectKey
from wegent_kube import ApiError, KubeError
from wegent_kube.tracing import Tracing
from wegent_operator.runtime.controller import Controller
from wegent_operator.runtime.held import HeldKeys
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.obstacles import PATIENCE, Obstacles
from wegent_operator.runtime.pending import Pending
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.refusals import Hindered, is_refusal
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState, title

logger = logging.getLogger(__name__)

LOOK_AGAIN_S: Final = 30.0
"""Seconds after which an object is looked at again that waits for another controller."""


class Dispatcher:
    """Works on keys, each with the controller of its kind.

    Args:
        controllers: by the plural of the resource.
        cache: holds the objects.
        queue: holds the keys.
        pending: the keys that have no verdict yet.
        held: the keys that wait for a resource.
        obstacles: tells refusals on objects.
        metrics: count.
    """

    def __init__(
        self,
        controllers: Mapping[str, Controller[Any]],
        cache: Cache,
        queue: KeyedQueue[ObjectKey],
        pending: Pending,
        held: HeldKeys,
        obstacles: Obstacles,
        metrics: Metrics,
    ) -> None:
        self._controllers = controllers
        self._cache = cache
        self._queue = queue
        self._pending = pending
        self._held = held
        self._obstacles = obstacles
        self._metrics = metrics

    def enqueue(self, keys: Iterable[ObjectKey]) -> None:
        """Put keys into the queue: something on which their verdicts may depend has changed."""
        self._pending.enqueue(keys)

    def enqueue_held(self) -> None:
        """Put all keys into the queue that wait for a resource to be listed."""
        self._pending.enqueue(self._held.pop_all())

    def drop_all(self) -> None:
        """Forget all keys: another operator leads."""
        self._pending.clear()
        self._held.pop_all()

    async def work(self, tracing: Tracing) -> None:
        """Take keys and reconcile them, for ever; several of these run side by side."""
        while True:
            key = await self._queue.get()
            try:
                with tracing.span("reconcile", **{"wegent.object": title(key)}):
                    await self.reconcile(key)
            except KubeError as error:
                refusal = error.error if isinstance(error, Hindered) else error
                after = refusal.retry_after if isinstance(refusal, ApiError) else None
                delay = self._queue.retry(key, after)
                logger.warning("%s: trying again in %.1f s: %s", title(key), delay, error)
            except Exception:
                delay = self._queue.retry(key)
                logger.exception("%s: trying again in %.1f s", title(key), delay)
            finally:
                self._queue.done(key)
            await asyncio.sleep(0)  # a full queue must not keep the loop from everything else

    async def reconcile(self, key: ObjectKey) -> None:
        """Bring one object in line with what is there.

        Raises:
            KubeError: the API server did not take something; to be tried again.
        """
        self._metrics.reconciles.inc()
        self._held.discard(key)
        controller = self._controllers[key.plural]
        state = self._cache.get(key)
        if (unlisted := controller.unlisted(key, state)) is not None:
            self._held.hold(key, unlisted)
            return
        self.enqueue(self._cache.pop_dependents(key))
        if state is None:
            self._queue.add_after(key, None)
        try:
            done = await controller.reconcile(key, state)
        except Hindered as hindered:
            if state is None:
                raise
            # The try may have changed it.
            now = self._cache.get(key)
            await self._tell(now if now is not None and now.uid == state.uid else state, hindered)
            return
        if key in self._held:
            return
        self._obstacles.forget(key)
        if done:
            self._pending.settle(key)
        else:
            self._pending.retry(key)  # no event may tell that the cause of the refusal is gone

    async def _tell(self, state: ObjectState, hindered: Hindered) -> None:
        """Say on an object what hinders it, and try again where that was a refusal.

        Raises:
            Hindered: it may pass in a moment; to be tried again before it is told.
        """
        key, error = state.key, hindered.error
        if error is None:
            if hindered.after_s > 0:
                self._queue.add_after(key, hindered.after_s)
            else:
                await self._obstacles.tell(state, hindered)
                self._queue.add_after(key, LOOK_AGAIN_S)
            # In most cases an event of the object itself tells the end of the wait.
            self._pending.settle(key)
            return
        self._obstacles.counted(state, hindered)
        if not is_refusal(error) and self._queue.failures(key) < PATIENCE:
            raise hindered
        await self._obstacles.tell(state, hindered)
        self._pending.retry(key, error.retry_after)
