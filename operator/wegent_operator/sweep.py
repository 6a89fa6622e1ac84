"""Lists: the first one that fills the store, and the sweeps that heal what a watch missed.

Kopf lists again after a 410 without saying what has gone meanwhile, and any
watch may lose an event. A sweep compares the store with a metadata-only list
and fetches only what differs.
"""

import asyncio
import logging
from typing import Any, Final

from wegent_crds.kinds import BY_PLURAL, KINDS, Kind
from wegent_crds.references import ObjectKey
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.client import METADATA_LIST
from wegent_kube.resources import NAMESPACES, Resource, resource_of
from wegent_operator.feed import Feed
from wegent_operator.metrics import Metrics
from wegent_operator.provisions import PROVISIONED, SELECTOR, ProvisionKey

logger = logging.getLogger(__name__)

SETTLE_S: Final = 1.0
"""One list of Kopf's is many requests and events; the sweep after it lets them pass."""
RETRY_S: Final = 3.0
"""Between tries of a list, while the API server or a CRD isn't there."""


class Sweeper:
    """Brings the store in line with lists."""

    def __init__(self, client: KubeClient, feed: Feed, metrics: Metrics) -> None:
        self._client = client
        self._feed = feed
        self._metrics = metrics
        self._wanted: set[Kind] = set()
        self._others_wanted = False
        self._wake = asyncio.Event()

    async def fill(self) -> None:
        """List everything into the store, however long that takes to succeed."""
        for kind in KINDS:
            await self._insist(self._fill_kind, kind)
        await self._insist(self._sweep_namespaces)
        for resource in PROVISIONED:
            await self._insist(self._sweep_provisioned, resource)

    def listed(self, plural: str) -> None:
        """Ask for a sweep soon: Kopf lists a resource, and won't say what has gone meanwhile."""
        if (kind := BY_PLURAL.get(plural)) is not None:
            self._wanted.add(kind)
        else:
            self._others_wanted = True
        self._wake.set()

    async def run(self, interval_s: float) -> None:
        """Sweep for ever: everything each ``interval_s``, a kind when it is asked for."""
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), interval_s)
                await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                self._wanted.update(KINDS)
                self._others_wanted = True
            self._wake.clear()
            try:
                while self._wanted:
                    kind = next(iter(self._wanted))
                    await self.sweep(kind)
                    self._wanted.discard(kind)
                if self._others_wanted:
                    await self._sweep_others()
            except Exception:
                logger.exception("A sweep was cut short, and is taken up again")
                self._wake.set()
                await asyncio.sleep(RETRY_S)

    async def _sweep_others(self) -> None:
        await self._sweep_namespaces()
        for resource in PROVISIONED:
            await self._sweep_provisioned(resource)
        self._others_wanted = False

    async def sweep(self, kind: Kind) -> None:
        """Compare what is known of a kind with a metadata-only list, and fetch what differs."""
        self._metrics.sweeps.labels(kind.kind).inc()
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
                known = self._feed.store.get(key)
                if known is None or known.version < int(metadata["resourceVersion"]):
                    stale.append(key)
        for key in self._feed.store.keys(kind.plural):
            known = self._feed.store.get(key)
            # What is newer than the list may have been made since.
            if key not in seen and known is not None and known.version <= listed_at:
                self._heal(kind)
                self._feed.gone(key)
        for key in stale:
            await self._fetch(kind, resource, key)

    async def _fetch(self, kind: Kind, resource: Resource, key: ObjectKey) -> None:
        try:
            body = await self._client.request("GET", resource.path(key.namespace, key.name))
        except ApiError as error:
            if error.code != 404:
                raise
            return
        if self._feed.seen(kind, body):
            self._heal(kind)

    def _heal(self, kind: Kind) -> None:
        self._metrics.healed.labels(kind.kind).inc()

    async def _fill_kind(self, kind: Kind) -> None:
        async for page in self._client.pages(resource_of(kind).path()):
            for body in page["items"]:
                self._feed.seen(kind, body)

    async def _sweep_namespaces(self) -> None:
        seen: set[str] = set()
        known = self._feed.store.namespaces()
        async for page in self._client.pages(NAMESPACES.path(), accept=METADATA_LIST):
            for item in page["items"]:
                seen.add(item["metadata"]["name"])
                self._feed.namespace(item)
        for name in known:
            if name not in seen:
                self._feed.namespace_gone(name)

    async def _sweep_provisioned(self, resource: Resource) -> None:
        seen: set[ProvisionKey] = set()
        known = tuple(self._feed.provisions.keys(resource.plural))
        async for page in self._client.pages(resource.path(), params={"labelSelector": SELECTOR}):
            for body in page["items"]:
                seen.add(self._feed.provisioned(resource, body))
        for key in known:
            if key not in seen:
                self._feed.unprovisioned(key)

    async def _insist(self, listing: Any, *args: Any) -> None:
        while True:
            try:
                await listing(*args)
            except KubeError as error:
                logger.warning("Waiting for the API server and the CRDs: %s", error)
                await asyncio.sleep(RETRY_S)
            else:
                return
