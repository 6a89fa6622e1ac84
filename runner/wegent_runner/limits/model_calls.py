"""At most so many calls of a Model at once, over all runners.

In a runner, calls wait for their turn without a request. If runners share a database, a call then
takes a place in it. The place is a lease, which is renewed while the call is being made. So the
places of a runner that was killed are free again soon. Of all calls of a Model that wait in a
runner, one asks the database, once in a second or so.
"""

import asyncio
import logging
import random
import uuid
from collections.abc import Callable
from typing import Final

from wegent_kube.backoff import Backoff
from wegent_runner.limits.turns import Turns
from wegent_runner.store.failures import StoreError
from wegent_runner.store.limits import LimitStore

logger = logging.getLogger(__name__)

LEASE_S: Final = 30.0
"""Seconds for which a place is taken. A runner whose database is away for longer may lose it, and
the Model then gets more calls than its limit, until those end."""
RENEWALS_PER_LEASE: Final = 3
PAUSES_S: Final = (0.1, 1.0)
"""First and longest pause before a call asks for a place again."""


class ModelPlaces:
    """The places of all Models with a limit.

    Args:
        store: the places in the database.
        lease_s: Seconds for which a place is taken.
        chance: returns a random number between two.
    """

    def __init__(
        self,
        store: LimitStore,
        lease_s: float = LEASE_S,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._store = store
        self._lease_s = lease_s
        self._chance = chance
        self._models: dict[str, _Model] = {}
        self._calls: set[str] = set()
        """Calls with a place in the database."""
        self._ending: set[asyncio.Task[None]] = set()

    async def take(self, model: str, namespace: str, limit: int) -> "Place":
        """Wait for a place, and return it. ``Place.leave`` must be called.

        Args:
            model: UID of the Model.
            namespace: Namespace of the Task that calls it.
            limit: Maximum number of calls at once.

        Raises:
            StoreError: the database failed.
        """
        entry = self._models.setdefault(model, _Model())
        try:
            await entry.turns.acquire(namespace, limit)
        except asyncio.CancelledError:
            self._forget(model)
            raise
        place = Place(self, model)
        try:
            if self._store.is_shared:
                async with entry.door:
                    await self._take_shared(entry, place, limit)
        except BaseException:
            self.leave(place)
            raise
        return place

    async def _take_shared(self, entry: "_Model", place: "Place", limit: int) -> None:
        pause_s, longest_s = PAUSES_S
        self._calls.add(place.id)  # from now on, so that leaving ends it whatever happens
        while True:
            entry.left.clear()
            asking = self._store.begin_call(place.id, place.model, limit, self._lease_s)
            place.asked = asyncio.ensure_future(asking)
            if await asyncio.shield(place.asked):
                return
            try:
                async with asyncio.timeout(self._chance(pause_s / 2, pause_s)):
                    await entry.left.wait()
            except TimeoutError:
                pause_s = min(2 * pause_s, longest_s)

    def leave(self, place: "Place") -> None:
        """Free a place. The database is told in the background."""
        if place.id in self._calls:
            self._calls.discard(place.id)
            ending = asyncio.create_task(self._end(place))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        entry = self._models[place.model]
        entry.turns.release()
        self._forget(place.model)

    async def _end(self, place: "Place") -> None:
        if place.asked is not None:  # a question without an answer may take the place yet
            await asyncio.gather(place.asked, return_exceptions=True)
        try:
            await self._store.end_call(place.id)
        except StoreError as error:
            logger.warning("the place of a call is not freed before its lease ends: %s", error)
        if (entry := self._models.get(place.model)) is not None:
            entry.left.set()

    def _forget(self, model: str) -> None:
        entry = self._models.get(model)
        if entry is not None and entry.turns.is_idle:
            del self._models[model]

    async def run(self) -> None:
        """Renew the places of this runner until cancelled."""
        pause_s = self._lease_s / RENEWALS_PER_LEASE
        while True:
            await asyncio.sleep(pause_s)
            backoff = Backoff(cap_s=pause_s)
            while self._calls:
                try:
                    await self._store.renew_calls([*self._calls], self._lease_s)
                except StoreError as error:
                    logger.warning("the places of calls are not renewed: %s", error)
                    await backoff.wait()
                else:
                    break

    async def end(self) -> None:
        """Wait until the database knows of all calls that have ended."""
        await asyncio.gather(*self._ending, return_exceptions=True)


class Place:
    """A place of one call."""

    def __init__(self, places: ModelPlaces, model: str) -> None:
        self.id: Final = str(uuid.uuid4())
        self.model: Final = model
        self.asked: asyncio.Future[bool] | None = None
        """The last question to the database for this place."""
        self._places = places

    def leave(self) -> None:
        """Free the place, at the end of the call."""
        self._places.leave(self)


class _Model:
    """The calls of one Model in this runner."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.door = asyncio.Lock()
        """Held by the call that asks the database."""
        self.left = asyncio.Event()
        """Set when a call of this runner has left its place."""
