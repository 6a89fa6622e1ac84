"""List and watch of one resource without an end, as in client-go's reflector.

A list replaces all known objects, and a watch from the list's version changes them. A failure
of either is logged once and retried after a growing pause. The last known objects stay known
meanwhile.
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
from wegent_kube.steady_watch import watch_from

logger = logging.getLogger(__name__)

RESYNC_S: Final = 3600.0
"""Seconds between two lists of all objects, in case a watch has lost an event."""


Name = tuple[str, str]
"""Namespace and name of an object. The namespace of a cluster-scoped object is empty."""


class Handler(Protocol):
    """The receiver of an informer's objects."""

    def changed(self, body: Mapping[str, Any]) -> None:
        """Handle an object that exists, from a list or from a watch."""

    def deleted(self, name: Name) -> None:
        """Handle the deletion of an object."""

    def listed(self, names: AbstractSet[Name]) -> None:
        """Handle a complete list: all objects with other names are deleted."""

    def failed(self, error: Exception) -> None:
        """Handle a failure of the list or the watch, before the next attempt."""


class Informer:
    """Lists and watches one resource and passes its objects to a handler.

    Args:
        client: The client for the list and the watch.
        path: Path of the collection.
        handler: The receiver of the objects.
        params: Parameters of the list and the watch, such as a label selector.
        backoff: The pauses between attempts.
        lasts_s: Seconds that one watch lasts.
        resync_s: Seconds between two lists of all objects.
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
        """List and watch until cancelled."""
        while True:
            try:
                version = await self._list()
                listed_at = time.monotonic()
                while time.monotonic() - listed_at < self._resync_s:
                    version = await self._watch(version)
            except KubeError as error:
                await self._failed(error, unforeseen=False)
            except Exception as error:  # noqa: BLE001 - logged and retried
                await self._failed(error, unforeseen=True)

    async def _failed(self, error: Exception, *, unforeseen: bool) -> None:
        self._handler.failed(error)
        pause_s = self._backoff.next_s()
        logger.warning(
            "%s: retrying the list in %.1f s: %s", self._path, pause_s, error, exc_info=unforeseen
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
        return await watch_from(
            self._client,
            self._path,
            version,
            self._handle,
            self._backoff,
            params=self._params,
            lasts_s=self._lasts_s,
        )

    def _handle(self, type_: str, body: Mapping[str, Any]) -> None:
        if type_ == "DELETED":
            self._handler.deleted(_name(body))
        else:
            self._handler.changed(body)


def _name(body: Mapping[str, Any]) -> Name:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
