"""Lists that fill the cache at first, and correct it later where a watch missed an event.

A watch that begins again from a new version doesn't report earlier deletions, and any watch may
lose an event. A resync compares the cache with a metadata-only list, and fetches only the objects
that differ. Each resource is resynced separately, so that a resource that can't be listed doesn't
delay the others.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL, Kind
from wegent_kube import KubeClient, KubeError, get_or_none
from wegent_kube.backoff import Backoff
from wegent_kube.content_types import METADATA_LIST
from wegent_kube.resources import NAMESPACES, Resource, resource_of
from wegent_operator.accounts.provisioned import ProvisionKey
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.watch.feed import Feed
from wegent_operator.watch.resources import RESOURCES, WRITTEN, list_params

logger = logging.getLogger(__name__)

SETTLE_S: Final = 1.0
"""Seconds to wait for the first events of a restarted watch, which then need no correction."""
RETRY_S: Final = 0.5
"""Seconds before the second try of a list that failed. Each later pause is longer."""
MANY: Final = 100
"""Number of differing objects above which whole pages are read instead of single objects."""


class Resyncer:
    """Fills and corrects the cache from lists."""

    def __init__(
        self, client: KubeClient, feed: Feed, metrics: Metrics, visibility: Visibility
    ) -> None:
        self._client = client
        self._feed = feed
        self._metrics = metrics
        self._visibility = visibility
        self._wanted = {resource.plural: asyncio.Event() for resource in RESOURCES}

    def listed(self, plural: str) -> None:
        """Request a resync soon. A restarted watch doesn't report earlier deletions."""
        if (wanted := self._wanted.get(plural)) is not None:
            wanted.set()

    async def run(self, interval_s: float) -> None:
        """Resync for ever: each resource every ``interval_s`` seconds, and on request."""
        async with asyncio.TaskGroup() as group:
            for resource in RESOURCES:
                group.create_task(self._keep(resource, interval_s), name=f"resyncs of {resource}")

    async def _keep(self, resource: Resource, interval_s: float) -> None:
        wanted, backoff = self._wanted[resource.plural], Backoff(RETRY_S)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(wanted.wait(), interval_s)
                if self._visibility.ever_listed(resource.plural) and not backoff.failures:
                    await asyncio.sleep(SETTLE_S)
            # Clear this before the resync: a request during the resync needs another resync.
            wanted.clear()
            try:
                await self._resync(resource)
            except Exception as error:
                # Without a CRD the watch tries again, and requests a list once the CRD exists.
                if not self._visibility.is_missing(resource.plural):
                    wanted.set()
                    self._visibility.unlisted(resource.plural, error)
                pause_s = backoff.next_s()
                logger.warning(
                    "%s: retrying the list in %.1f s: %s",
                    resource.plural,
                    pause_s,
                    error,
                    exc_info=not isinstance(error, KubeError),
                )
                await asyncio.sleep(pause_s)
            else:
                backoff.reset()
                if not wanted.is_set():
                    self._visibility.listed(resource.plural)

    def _resync(self, resource: Resource) -> Coroutine[Any, Any, None]:
        """Return the coroutine that resyncs one resource, or lists it for the first time."""
        if resource == NAMESPACES:
            return self._resync_namespaces()
        if resource in WRITTEN:
            return self._resync_provisioned(resource)
        kind = BY_PLURAL[resource.plural]
        return (
            self.resync(kind)
            if self._visibility.ever_listed(kind.plural)
            else self._fill_kind(kind)
        )

    async def resync(self, kind: Kind) -> None:
        """Compare the cache of a kind with a metadata-only list, and fetch differing objects."""
        self._metrics.resyncs.labels(kind.kind).inc()
        resource = resource_of(kind)
        seen: set[ObjectKey] = set()
        listed_at = 0
        stale: list[ObjectKey] = []
        async for page in self._client.pages(resource.path(), accept=METADATA_LIST):
            listed_at = listed_at or int(page["metadata"]["resourceVersion"])
            for item in page["items"]:
                metadata = item["metadata"]
                key = ObjectKey(kind.plural, metadata["namespace"], metadata["name"])
                seen.add(key)
                known = self._feed.cache.get(key)
                if known is None or known.version < int(metadata["resourceVersion"]):
                    stale.append(key)
        for key in self._feed.cache.keys(kind.plural):
            known = self._feed.cache.get(key)
            # An object that is newer than the list may have been created after the list.
            if key not in seen and known is not None and known.version <= listed_at:
                self._count_correction(kind)
                self._feed.remove(key, version=listed_at)
        if len(stale) > MANY:
            await self._fill_kind(kind, on_correction=lambda: self._count_correction(kind))
            return
        for key in stale:
            await self._fetch(kind, resource, key)

    async def _fetch(self, kind: Kind, resource: Resource, key: ObjectKey) -> None:
        path = resource.path(key.namespace, key.name)
        body = await get_or_none(self._client.request("GET", path))
        if body is not None and self._feed.upsert(kind, body):
            self._count_correction(kind)

    def _count_correction(self, kind: Kind) -> None:
        self._metrics.corrected.labels(kind.kind).inc()

    async def _fill_kind(
        self, kind: Kind, on_correction: Callable[[], None] = lambda: None
    ) -> None:
        async for page in self._client.pages(resource_of(kind).path()):
            for body in page["items"]:
                if self._feed.upsert(kind, body):
                    on_correction()

    async def _resync_namespaces(self) -> None:
        seen: set[str] = set()
        listed_at = 0
        async for page in self._client.pages(NAMESPACES.path(), accept=METADATA_LIST):
            listed_at = listed_at or int(page["metadata"]["resourceVersion"])
            for item in page["items"]:
                seen.add(item["metadata"]["name"])
                self._feed.upsert_namespace(item)
        for name in self._feed.cache.namespaces():
            if name not in seen:
                self._feed.remove_namespace(name, listed_at)

    async def _resync_provisioned(self, resource: Resource) -> None:
        seen: set[ProvisionKey] = set()
        listed_at = 0
        params = list_params(resource, self._feed.accounts_namespace)
        async for page in self._client.pages(resource.path(), params=params):
            listed_at = listed_at or int(page["metadata"]["resourceVersion"])
            for body in page["items"]:
                seen.add(self._feed.upsert_provisioned(resource, body))
        grants = self._feed.key_grants.keys(resource.plural)
        known = {ProvisionKey(key.plural, key.namespace, key.name) for key in grants}
        for key in known.union(self._feed.provisions.keys(resource.plural)) - seen:
            self._feed.remove_provisioned(key, listed_at)
