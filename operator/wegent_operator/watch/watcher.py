"""The watch of one resource, which lasts as long as the operator.

A watch begins at the API server's current version and requests a resync of the resource, which
reads the objects in small pages. After a failure of any kind the watcher pauses, and begins again
in this way. docs/adr/0055 has the reasons.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp

from wegent_crds.registry import GROUP
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.backoff import Backoff
from wegent_kube.content_types import METADATA_LIST, METADATA_OBJECT
from wegent_kube.resources import CRDS, Resource
from wegent_kube.steady_watch import EventHandler, watch_from
from wegent_operator.runtime.visibility import Visibility

logger = logging.getLogger(__name__)

WATCH_GRACE_S: Final = 15
"""Seconds in which a busy API server answers the renewal of a watch that has ended."""


class Watcher:
    """Watches one resource and passes its events to a handler.

    Args:
        client: sends the requests.
        resource: the resource.
        handler: receives the events. An error of it is logged, and concerns one event alone.
        visibility: records the successes and failures.
        on_begin: is called with the plural of the resource when a watch begins from a new version.
        lasts_s: seconds that one watch request lasts.
        params: field and label selectors of the watch.
        backoff: pauses between attempts.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        handler: EventHandler,
        visibility: Visibility,
        on_begin: Callable[[str], None],
        *,
        lasts_s: int,
        params: Mapping[str, str] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._client = client
        self._resource = resource
        self._handler = handler
        self._visibility = visibility
        self._on_begin = on_begin
        self._lasts_s = lasts_s
        self._params = dict(params or {})
        self._backoff = backoff or Backoff()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                version = await self._begin()
                while True:
                    version = await self._watch(version)
            except Exception as error:  # noqa: BLE001 - logged and retried
                await self._failed(error)

    async def _begin(self) -> str:
        """Return the version from which to watch, and request a resync up to it."""
        plural = self._resource.plural
        page = await self._client.request(
            "GET", self._resource.path(), params={**self._params, "limit": "1"},
            accept=METADATA_LIST,
        )  # fmt: skip
        version = page["metadata"]["resourceVersion"]
        self._visibility.relisting(plural)
        self._on_begin(plural)
        return str(version)

    async def _watch(self, version: str) -> str:
        return await watch_from(
            self._client,
            self._resource.path(),
            version,
            self._handle,
            self._backoff,
            params=self._params,
            lasts_s=self._lasts_s,
            quiet_s=WATCH_GRACE_S,
            opened=lambda: self._visibility.opened(self._resource.plural),
        )

    def _handle(self, type_: str, body: Mapping[str, Any]) -> None:
        try:
            self._handler(type_, body)
        except Exception:
            logger.exception("%s: an event could not be handled", self._resource.plural)

    async def _failed(self, error: Exception) -> None:
        plural = self._resource.plural
        if isinstance(error, ApiError) and error.is_resource_expired and not self._backoff.failures:
            logger.info("%s: the version is too old; listing it again", plural)
            self._backoff.next_s()  # a second time in a row is a failure
            return
        missing = isinstance(error, ApiError) and error.is_not_found
        gone = missing and self._resource.group == GROUP and await self._has_no_crd()
        self._visibility.refused(plural, error, silent=_is_silence(error), gone=gone)
        pause_s = self._backoff.next_s()
        logger.warning(
            "%s: retrying the watch in %.1f s: %s",
            plural,
            pause_s,
            error,
            exc_info=not isinstance(error, KubeError),
        )
        await asyncio.sleep(pause_s)

    async def _has_no_crd(self) -> bool:
        """Return whether the API server says that the CustomResourceDefinition doesn't exist."""
        name = f"{self._resource.plural}.{self._resource.group}"
        try:
            await self._client.request("GET", CRDS.path(name=name), accept=METADATA_OBJECT)
        except ApiError as error:
            return error.is_not_found and error.details.get("name") == name
        except Exception as error:  # noqa: BLE001 - the next attempt asks again
            logger.info("Lookup of CRD %s failed: %s", name, error)
        return False


def _is_silence(error: Exception) -> bool:
    """Return whether the API server didn't react at all; a refused connection is a reaction."""
    if isinstance(error, ApiError):
        return False
    cause = error.__cause__
    return not (
        isinstance(cause, aiohttp.ClientConnectorError)
        and isinstance(cause.os_error, ConnectionRefusedError)
    )
