"""Keeps the ResourceQuota of the namespaces of users and groups, and checks that it is counted."""

from collections.abc import Collection, Mapping
from typing import Any

from wegent_crds.references import ObjectKey
from wegent_kube import ApiError
from wegent_kube.resources import RESOURCE_QUOTAS
from wegent_operator.accounts.provisioned import ProvisionKey
from wegent_operator.accounts.provisions import Provisions
from wegent_operator.accounts.quota import QUOTA_NAME, Counted, Pauses, quota_manifest
from wegent_operator.accounts.writer import ProvisionWriter
from wegent_operator.names import FIELD_MANAGER
from wegent_operator.runtime.queue import KeyedQueue


class QuotaKeeper:
    """Applies and deletes ResourceQuotas."""

    def __init__(
        self,
        provisions: Provisions,
        writer: ProvisionWriter,
        queue: KeyedQueue[ObjectKey],
        default: Mapping[str, int],
    ) -> None:
        self._provisions = provisions
        self._writer = writer
        self._queue = queue
        self._default = default
        self._pauses = Pauses()

    async def keep(
        self,
        owner: ObjectKey,
        namespace: str,
        limits: Mapping[str, int] | None = None,
        *,
        required: bool,
    ) -> frozenset[str]:
        """Apply the quota of a namespace, and check that it is counted.

        While the cluster doesn't count a resource, the quota holds the others.

        Args:
            owner: key of the Account or Group, which is enqueued when the quota is due again.
            namespace: name of the namespace.
            limits: counts by resource; without any, the quota is deleted. None: the default.
            required: True if the quota must be counted.

        Returns:
            the resources that the cluster still does not count after several tries.

        Raises:
            ApiError: the quota was refused, or is ``required`` and not counted yet.
        """
        limits = self._default if limits is None else limits
        if left_s := self._pauses.left_s(namespace):
            await self._apply(namespace, limits, self._pauses.unknown(namespace))
            self._queue.add_after(owner, left_s)
        else:
            there = await self._apply(namespace, limits, self._pauses.left_out())
            if there is None or there["counted"] is Counted.WHOLLY:
                self._pauses.over(namespace)
            elif there["counted"] is Counted.IN_PART:
                pause_s = self._pauses.begin(namespace, there["uncounted"])
                await self._apply(namespace, limits, self._pauses.unknown(namespace))
                self._queue.add_after(owner, pause_s)
            elif required:
                message = (
                    "the cluster's controller manager has not counted the existing objects yet"
                )
                raise ApiError(503, {"kind": "Status", "message": message})
        return self._pauses.faulty(namespace) & limits.keys()

    async def _apply(
        self, namespace: str, limits: Mapping[str, int], but: Collection[str]
    ) -> Mapping[str, Any] | None:
        """Apply the quota ``but`` for some resources; return its subset, None if there is none."""
        key = ProvisionKey(RESOURCE_QUOTAS.plural, namespace, QUOTA_NAME)
        there = self._provisions.get(key)
        hard = {name: count for name, count in limits.items() if name not in but}
        if not hard:
            if there is not None:
                await self._writer.delete(key)
            return None
        manifest = quota_manifest(namespace, hard, FIELD_MANAGER)
        if there is None or there["hard"] != manifest["spec"]["hard"]:
            await self._writer.apply(key, manifest)
            there = self._provisions.get(key) or {"counted": Counted.NOT_YET}
        return there
