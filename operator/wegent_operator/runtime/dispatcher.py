"""Takes keys from the queue and hands each to the controller of its kind.

`app` builds the table of the kinds' controllers. This module contains only the part that all
kinds share: dependents of changed objects, refusals, and retries.
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
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState, title
from wegent_operator.state.refusals import Blocked, is_refusal

logger = logging.getLogger(__name__)

LOOK_AGAIN_S: Final = 30.0
"""Seconds after which an object that waits for another controller is reconciled again."""


class Dispatcher:
    """Reconciles keys from the queue, each with the controller of its kind.

    Args:
        controllers: the controllers, by the plural of the resource.
        cache: the objects.
        queue: the keys to reconcile.
        pending: the keys that have no verdict yet.
        held: the keys that wait for a resource.
        obstacles: reports refusals on objects.
        metrics: counts reconciles.
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
        """Add keys to the queue, because an object on which they may depend has changed."""
        self._pending.enqueue(keys)

    def enqueue_held(self) -> None:
        """Add all keys to the queue that wait for a resource to be listed."""
        self._pending.enqueue(self._held.pop_all())

    def drop_all(self) -> None:
        """Remove all keys, because another operator leads."""
        self._pending.clear()
        self._held.pop_all()

    async def work(self, tracing: Tracing) -> None:
        """Take keys and reconcile them for ever. Several workers run this at the same time."""
        while True:
            key = await self._queue.get()
            try:
                with tracing.span("reconcile", **{"wegent.object": title(key)}):
                    await self.reconcile(key)
            except KubeError as error:
                refusal = error.error if isinstance(error, Blocked) else error
                after = refusal.retry_after if isinstance(refusal, ApiError) else None
                delay = self._queue.retry(key, after)
                logger.warning("%s: retrying in %.1f s: %s", title(key), delay, error)
            except Exception:
                delay = self._queue.retry(key)
                logger.exception("%s: retrying in %.1f s", title(key), delay)
            finally:
                self._queue.done(key)
            await asyncio.sleep(0)  # a full queue must not block the event loop

    async def reconcile(self, key: ObjectKey) -> None:
        """Reconcile one object with the controller of its kind.

        Raises:
            KubeError: a request failed; try again.
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
        except Blocked as blocked:
            if state is None:
                raise
            # The controller may have changed the object.
            now = self._cache.get(key)
            await self._tell(now if now is not None and now.uid == state.uid else state, blocked)
            return
        if key in self._held:
            return
        self._obstacles.forget(key)
        if done:
            self._pending.settle(key)
        else:
            self._pending.retry(key)  # the cause of the refusal may end without an event

    async def _tell(self, state: ObjectState, blocked: Blocked) -> None:
        """Report an obstacle on its object, and schedule another try.

        Raises:
            Blocked: the refusal may be transient; try again before it is reported.
        """
        key, error = state.key, blocked.error
        if error is None:
            if blocked.after_s > 0:
                self._queue.add_after(key, blocked.after_s)
            else:
                await self._obstacles.tell(state, blocked)
                self._queue.add_after(key, LOOK_AGAIN_S)
            # In most cases the wait ends with an event of the object itself.
            self._pending.settle(key)
            return
        self._obstacles.counted(state, blocked)
        if not is_refusal(error) and self._queue.failures(key) < PATIENCE:
            raise blocked
        await self._obstacles.tell(state, blocked)
        self._pending.retry(key, error.retry_after)
