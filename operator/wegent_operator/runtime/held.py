"""Keys that wait until a resource can be listed.

While a resource isn't visible, nothing may be concluded from the absence of its objects. A key
waits here, and stays pending, until the resource is listed.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from wegent_crds.references import ObjectKey
from wegent_kube.event_series import Story
from wegent_operator.runtime.events import Recorder
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import title

logger = logging.getLogger(__name__)

KIND_REFUSED: Final = "KindRefused"
"""Reason of the Event on an object that gets no verdict while a kind can't be listed."""


class HeldKeys:
    """The keys that wait for a resource."""

    def __init__(
        self,
        cache: Cache,
        queue: KeyedQueue[ObjectKey],
        visibility: Visibility,
        recorder: Recorder,
        clock: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._visibility = visibility
        self._recorder = recorder
        self._clock = clock
        self._keys: set[ObjectKey] = set()

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._keys

    def hold(self, key: ObjectKey, unlisted: str) -> None:
        """Let a key wait until the resource ``unlisted``, a plural, is listed."""
        logger.info("%s: waiting for a list of %s", title(key), unlisted)
        self._keys.add(key)
        self._queue.forget(key)
        state, refusal = self._cache.get(key), self._visibility.refusal(unlisted)
        # Report nothing if the object has a current verdict, or if the list is only under way.
        if state is None or not refusal or state.observed_generation == state.generation:
            return
        note = (
            f"the operator can't list {unlisted} ({refusal}), so it does not know whether the"
            " referenced object exists; see the operator's /readyz"
        )
        story = Story(action="Reconcile", reason=KIND_REFUSED, note=note, normal=False)
        self._recorder.tell(state, story, self._clock())

    def discard(self, key: ObjectKey) -> None:
        """Let a key wait no longer."""
        self._keys.discard(key)

    def pop_all(self) -> set[ObjectKey]:
        """Return all keys, and hold none of them any longer."""
        keys, self._keys = self._keys, set()
        return keys
