"""Deletes transcripts whose Tasks are gone: neither in the cluster nor in the trash.

A sweep asks the store first, and lists Tasks only if there are transcripts without a recent write.
Several runners may sweep at once; each deletion is harmless if it is repeated.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from wegent_crds.former_tasks import TOMBSTONE_PREFIX, former_uids
from wegent_crds.registry import TASK, TOMBSTONE
from wegent_crds.well_known import TOMBSTONE_OF
from wegent_kube import KubeClient, KubeError
from wegent_kube.content_types import METADATA_LIST
from wegent_kube.resources import Resource, resource_of
from wegent_runner.store.failures import StoreError
from wegent_runner.store.transcripts import TranscriptStore

logger = logging.getLogger(__name__)

EVERY_S: Final = 600.0
YOUNG_S: Final = 3600.0
"""Seconds since the last write for which a transcript is never deleted."""


class Retention:
    """Sweeps the store.

    Args:
        client: the API server, with the runner's own rights.
        store: the transcripts.
        deleted: is called with the number of transcripts that a sweep has deleted.
        young_s: Seconds since the last write for which a transcript is never deleted.
    """

    def __init__(
        self,
        client: KubeClient,
        store: TranscriptStore,
        deleted: Callable[[int], None] = lambda _: None,
        young_s: float = YOUNG_S,
    ) -> None:
        self._client = client
        self._store = store
        self._deleted = deleted
        self._young_s = young_s

    async def run(self) -> None:
        """Sweep every ten minutes or so until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                await self.sweep()
            except (KubeError, StoreError) as error:
                logger.warning("no transcripts deleted: %s", error)

    async def sweep(self) -> None:
        """Delete the transcripts of Tasks that are gone, and hand over those of restored Tasks.

        Raises:
            KubeError: a list failed. Nothing is deleted then.
            StoreError: the database failed.
        """
        before_ms = int((time.time() - self._young_s) * 1000)
        candidates = [uid async for uid in self._unused(before_ms)]
        if not candidates:
            return
        kept = await self._kept(set(candidates))
        gone = [uid for uid in candidates if uid not in kept]
        for start in range(0, len(gone), 500):
            await self._store.delete(gone[start : start + 500], before_ms)
        if gone:
            logger.info("%d transcripts deleted", len(gone))
            self._deleted(len(gone))

    async def _unused(self, before_ms: int) -> AsyncIterator[str]:
        after = ""
        while page := await self._store.unused_since(before_ms, after):
            for uid in page:
                yield uid
            after = page[-1]

    async def _kept(self, unused: AbstractSet[str]) -> set[str]:
        """Return the UIDs of all Tasks, in the cluster and in the trash, and their former ones.

        A restored Task is given its former transcript, if that is one of the ``unused`` ones: a
        Task whose transcript has moved already costs no write.
        """
        # A Task may be deleted or restored between two lists. It is in one of these three at least.
        kept = await self._in_the_trash()
        async for metadata in self._listed(resource_of(TASK)):
            kept.add(metadata["uid"])
            if former := former_uids(metadata):
                kept.update(former)
                if metadata["uid"] in unused or unused.isdisjoint(former):
                    continue
                await self._store.adopt(
                    metadata["uid"],
                    former,
                    namespace=metadata["namespace"],
                    name=metadata["name"],
                )
        return kept | await self._in_the_trash()

    async def _in_the_trash(self) -> set[str]:
        selected = {"labelSelector": f"{TOMBSTONE_OF}={TASK.plural}"}
        uids = set()
        async for metadata in self._listed(resource_of(TOMBSTONE), selected):
            uids.add(metadata["name"].removeprefix(TOMBSTONE_PREFIX))
            uids.update(former_uids(metadata))
        return uids

    async def _listed(
        self, resource: Resource, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[Mapping[str, Any]]:
        async for page in self._client.pages(resource.path(), params=params, accept=METADATA_LIST):
            for item in page["items"]:
                yield item["metadata"]
