"""One resource followed for ever: a list, then a watch from its version on, and so again.

What client-go's reflector does. The list replaces everything that is known, and the watch
changes it. Whatever ends either of them is said once, waited out with a growing pause, and
followed by another try; the last known objects stay known meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, Protocol

from wegent_kube.backoff import Backoff
from wegent_kube.client import WATCH_S, KubeClient
from wegent_kube.errors import KubeError

logger = logging.getLogger(__name__)

STEADY_S: Final = 1.0
"""Seconds. A watch that ends earlier counts as one that failed, whatever its end was: something
between us and the API server cuts it, and another one at once would only be cut as well."""
RESYNC_S: Final = 3600.0
"""Seconds after which everything is listed again, in case a watch has lost an event."""


Name = tuple[str, str]
"""Namespace, empty for what has none, and name of an object."""


class Handler(Protocol):
    """Takes in the objects of a resource."""

    def changed(self, body: Mapping[str, Any]) -> None:
        """Take in an object that is there, from a list or from a watch."""

    def deleted(self, name: Name) -> None:
        """Take in that an object is gone."""

    def listed(self, names: AbstractSet[Name]) -> None:
        """Take in that a list is complete; every other object is gone."""

    def failed(self, error: Exception) -> None:
        """Take in that the resource can't be followed for now."""


class Informer:
    """Follows one resource.

    Args:
        client: with whose rights it is followed.
        path: of the collection.
        handler: is told what there is.
        params: of the list and the watch, such as a label selector.
        backoff: between tries.
        lasts_s: seconds that one watch lasts.
        resync_s: seconds after which everything is listed again.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        handler: Handler,
        *,
        params: Mapping[str, str] | None = None,
        backoff: Backoff | None = None,
        lasts_s: int = WATCH_S,
        resync_s: float = RESYNC_S,
    ) -> None:
        self._client = client
        self._path = path
        self._handler = handler
        self._params = dict(params or {})
        self._backoff = backoff or Backoff()
        self._lasts_s = lasts_s
        self._resync_s = resync_s

    async def run(self) -> None:
        """Follow the resource until cancelled."""
        while True:
            try:
                version = await self._list()
                listed_at = time.monotonic()
                while time.monotonic() - listed_at < self._resync_s:
                    version = await self._watch(version)
            except KubeError as error:
                await self._failed(error, unforeseen=False)
            except Exception as error:  # noqa: BLE001 - it is logged, and tried again
                await self._failed(error, unforeseen=True)

    async def _failed(self, error: Exception, *, unforeseen: bool) -> None:
        self._handler.failed(error)
        pause_s = self._backoff.next_s()
        logger.warning(
            "%s: listing it again in %.1f s: %s", self._path, pause_s, error, exc_info=unforeseen
        )
        await asyncio.sleep(pause_s)

    async def _list(self) -> str:
        names: set[Name] = set()
        version = ""
        async for page in self._client.pages(self._path, params=self._params):
            version = page["metadata"]["resourceVersion"]
            for body in page["items"]:
                names.add(_name(body))
                self._handler.changed(body)
        self._handler.listed(names)
        return version

    async def _watch(self, version: str) -> str:
        """Follow the changes since ``version`` for the length of a watch; return the last one."""
        params = {**self._params, "resourceVersion": version, "allowWatchBookmarks": "true"}
        began = time.monotonic()
        try:
            async for event in self._client.watch(self._path, params=params, lasts_s=self._lasts_s):
                body = event["object"]
                version = body["metadata"]["resourceVersion"]
                if event["type"] == "DELETED":
                    self._handler.deleted(_name(body))
                elif event["type"] != "BOOKMARK":
                    self._handler.changed(body)
        finally:
            if steady := time.monotonic() - began >= min(STEADY_S, self._lasts_s / 2):
                self._backoff.reset()
        if not steady:
            await self._backoff.wait()
        return version


def _name(body: Mapping[str, Any]) -> Name:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
