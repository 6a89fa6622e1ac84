"""Keeps what is deleted: the Tombstone first, then the finalizer's release; and the way back.

Each step may be repeated after a crash without harm. A Tombstone is named by the
object's uid, so that a second try finds the first one's. The finalizer is released
with a patch guarded by the version that was stored. A restored object names its
Tombstone, so that a second try knows it for its own.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from wegent_crds.conditions import Reason
from wegent_crds.kinds import BY_KIND, BY_PLURAL, TOMBSTONE, Kind
from wegent_crds.references import ObjectKey
from wegent_kube import ApiError, KubeClient
from wegent_kube.client import JSON_PATCH, MERGE_PATCH, METADATA_OBJECT
from wegent_kube.resources import resource_of
from wegent_operator.facts import Facts
from wegent_operator.metrics import Metrics
from wegent_operator.store import Store
from wegent_operator.trash import (
    hold_patch,
    is_restored_from,
    release_patch,
    restored,
    restored_status,
    tombstone_of,
)
from wegent_operator.verdict import Problem, Verdict, refused

logger = logging.getLogger(__name__)

TOMBSTONES: Final = resource_of(TOMBSTONE)
REFUSED: Final = frozenset({400, 403, 422})
"""Answers to a restored object that another try would get again."""


class Keeper:
    """Carries objects into the trash and out of it."""

    def __init__(
        self,
        client: KubeClient,
        store: Store,
        metrics: Metrics,
        retention: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._store = store
        self._metrics = metrics
        self._retention = retention
        self._clock = clock

    async def attend(self, facts: Facts) -> bool:
        """Do what the trash asks for an object; return whether that was all there is to do.

        Raises:
            KubeError: the API server did not take it; to be tried again.
        """
        if self._store.is_terminating(facts.key.namespace):
            # Nothing can be kept in a namespace that goes, and nothing may hold it up. Its
            # controller waits some seconds before it begins: time to let everything go first.
            if facts.held:
                await self._patch(facts, release_patch(facts.version, facts.finalizers))
            return True
        if facts.deleting:
            if facts.held:
                await self._bury(facts)
            return True
        if not facts.held:
            # Made before the policy was, or where there is none.
            await self._patch(facts, hold_patch(facts.version, facts.finalizers))
        return False

    async def watch_over(self, key: ObjectKey, facts: Facts) -> Verdict | None:
        """Bring back what a Tombstone holds, or let it go; None once the Tombstone is gone.

        Raises:
            KubeError: the API server did not take it; to be tried again.
        """
        assert facts.tombstone is not None  # noqa: S101 - for the type checker
        if self._clock() >= facts.tombstone.expires_at:
            await self._drop(key, facts.uid)
            self._metrics.tombstones.labels("expired").inc()
            return None
        if not facts.tombstone.restore:
            return refused([], [])
        problem = await self._restore(key)
        if problem is not None:
            return refused([], [problem])
        await self._drop(key, facts.uid)
        self._metrics.tombstones.labels("restored").inc()
        return None

    async def _bury(self, facts: Facts) -> None:
        kind = BY_PLURAL[facts.key.plural]
        try:
            body = await self._client.request("GET", _path(facts.key))
        except ApiError as error:
            if error.code != 404:
                raise
            return
        metadata = body["metadata"]
        if metadata["uid"] != facts.uid or "deletionTimestamp" not in metadata:
            return
        await self._store_tombstone(kind, body)
        finalizers = metadata.get("finalizers") or []
        patch = release_patch(int(metadata["resourceVersion"]), finalizers)
        await self._patch(facts, patch)

    async def _store_tombstone(self, kind: Kind, body: Mapping[str, Any]) -> None:
        namespace = body["metadata"]["namespace"]
        tombstone = tombstone_of(kind, body, self._clock(), self._retention)
        try:
            await self._client.request("POST", TOMBSTONES.path(namespace), body=tombstone)
            self._metrics.tombstones.labels("stored").inc()
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._refresh_tombstone(tombstone)
            elif not _namespace_goes(error):
                raise

    async def _refresh_tombstone(self, tombstone: dict[str, Any]) -> None:
        """See that a Tombstone of an earlier try holds the object as it is now."""
        metadata = tombstone["metadata"]
        path = TOMBSTONES.path(metadata["namespace"], metadata["name"])
        there = await self._client.request("GET", path)
        if there["spec"]["object"] != tombstone["spec"]["object"]:
            metadata["resourceVersion"] = there["metadata"]["resourceVersion"]
            await self._client.request("PUT", path, body=tombstone)

    async def _restore(self, key: ObjectKey) -> Problem | None:
        path = TOMBSTONES.path(key.namespace, key.name)
        tombstone = await self._client.request("GET", path)
        body = restored(tombstone)
        resource = resource_of(_kind_of(tombstone))
        name = body["metadata"]["name"]
        try:
            await self._client.request("POST", resource.path(key.namespace), body=body)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                there = await self._client.request("GET", resource.path(key.namespace, name))
                if not is_restored_from(there, key.name):
                    return Problem(
                        Reason.NAME_TAKEN,
                        f"spec.restore: another {body['kind']} is named {key.namespace}/{name}; "
                        "delete or rename that one, and this one comes back",
                    )
            elif error.code in REFUSED:
                return Problem(
                    Reason.NOT_RESTORED,
                    f"spec.restore: the API server refused the {body['kind']}: {error.message}",
                )
            else:
                raise
        if status := restored_status(tombstone):
            await self._client.request(
                "PATCH",
                resource.path(key.namespace, name, "status"),
                body={"status": status},
                content_type=MERGE_PATCH,
                accept=METADATA_OBJECT,
            )
        return None

    async def _drop(self, key: ObjectKey, uid: str) -> None:
        try:
            await self._client.request(
                "DELETE",
                TOMBSTONES.path(key.namespace, key.name),
                body={"preconditions": {"uid": uid}},
            )
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    async def _patch(self, facts: Facts, patch: list[dict[str, Any]]) -> None:
        try:
            await self._client.request(
                "PATCH",
                _path(facts.key),
                body=patch,
                content_type=JSON_PATCH,
                accept=METADATA_OBJECT,
            )
        except ApiError as error:
            # Gone, or changed meanwhile: then that change's event is on its way.
            if error.code not in {404, 409, 422}:
                raise
            logger.debug("%s: not patched: %s", facts.key, error)


def _kind_of(tombstone: Mapping[str, Any]) -> Kind:
    return BY_KIND[tombstone["spec"]["kind"]]


def _namespace_goes(error: ApiError) -> bool:
    causes = (error.status.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _path(key: ObjectKey) -> str:
    return resource_of(BY_PLURAL[key.plural]).path(key.namespace, key.name)
