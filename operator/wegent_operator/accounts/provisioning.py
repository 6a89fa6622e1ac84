"""The base of the controllers that make namespaces, quotas and roles: of Accounts and Groups."""

from collections.abc import Mapping
from typing import Any

from wegent_crds.references import ObjectKey
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.accounts.quota_keeper import QuotaKeeper
from wegent_operator.accounts.writer import ProvisionWriter
from wegent_operator.runtime.held import HeldKeys
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.verdict_writer import VerdictWriter
from wegent_operator.runtime.visibility import Visibility
from wegent_operator.state.cache import Cache
from wegent_operator.state.limits import limits_of
from wegent_operator.state.objects import version_of


class ProvisioningController:
    """A controller whose objects own other objects in the cluster."""

    def __init__(
        self,
        cache: Cache,
        queue: KeyedQueue[ObjectKey],
        provisions: Provisions,
        provision_writer: ProvisionWriter,
        writer: VerdictWriter,
        held: HeldKeys,
        visibility: Visibility,
        accounts_namespace: str,
        quotas: QuotaKeeper,
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._provisions = provisions
        self._provision_writer = provision_writer
        self._writer = writer
        self._held = held
        self._visibility = visibility
        self._accounts_namespace = accounts_namespace
        self._quotas = quotas

    async def _create_namespace(self, manifest: dict[str, Any]) -> None:
        self._store(await self._provision_writer.create_namespace(manifest))

    def _store(self, namespace: Mapping[str, Any]) -> None:
        """Store a namespace that was written, and enqueue the objects that may wait for it.

        Its event won't change the cache any more.
        """
        metadata = namespace["metadata"]
        for key in self._cache.put_namespace(
            metadata["name"],
            metadata.get("labels") or {},
            limits=limits_of(metadata),
            version=version_of(namespace),
        ):
            self._queue.add(key)
