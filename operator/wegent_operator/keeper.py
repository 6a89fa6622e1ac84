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
from wegent_crds.kinds import BY_KIND, BY_PLURAL, TASK, TOMBSTONE, Kind
from wegent_crds.references import ObjectKey
from wegent_kube import ApiError, KubeClient
from wegent_kube.client import JSON_PATCH, MERGE_PATCH, METADATA_OBJECT
from wegent_kube.resources import resource_of
from wegent_operator.facts import Facts
from wegent_operator.metrics import Metrics
from wegent_operator.replay import steps_to
from wegent_operator.store import Store
from wegent_operator.trash import (
    hold_patch,
    is_restored_from,
    release_patch,
    restored,
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

    async def collect(self, facts: Facts) -> bool:
        """Delete a Task for good, past the trash; return False where it changed meanwhile.

        Killed between the two writes, what is left is a Task without the finalizer that is
        still to be collected.

        Raises:
            KubeError: the API server did not take it; to be tried again.
        """
        version = str(facts.version)
        if facts.held:
            answer = await self._patch(facts, release_patch(facts.version, facts.finalizers))
            if answer is None:
                return False
            version = answer["metadata"]["resourceVersion"]
        return await self._delete(_path(facts.key), {"uid": facts.uid, "resourceVersion": version})

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
        kind = _kind_of(tombstone)
        body = restored(tombstone)
        try:
            there = await self._put_back(kind, body, key.name)
            if there is None:
                return Problem(
                    Reason.NAME_TAKEN,
                    f"spec.restore: another {kind.kind} is named {key.namespace}/"
                    f"{body['metadata']['name']}; delete that one, and this one comes "
                    "back",
                )
            if kind is TASK:
                await self._replay(tombstone, there)
        except ApiError as error:
            if error.code not in REFUSED:
                raise
            return Problem(
                Reason.NOT_RESTORED,
                f"spec.restore: the API server refused the {kind.kind}: {error.message}",
            )
        return None

    async def _put_back(
        self, kind: Kind, body: Mapping[str, Any], tombstone: str
    ) -> Mapping[str, Any] | None:
        """Create an object and return it as it is there; None where its name is another's."""
        resource, metadata = resource_of(kind), body["metadata"]
        created: Mapping[str, Any]
        try:
            created = await self._client.request(
                "POST", resource.path(metadata["namespace"]), body=body
            )
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            path = resource.path(metadata["namespace"], metadata["name"])
            created = await self._client.request("GET", path)
            return created if is_restored_from(created, tombstone) else None
        return created

    async def _replay(self, tombstone: Mapping[str, Any], there: Mapping[str, Any]) -> None:
        """Let a Task that was created again live through what it had lived through."""
        metadata = there["metadata"]
        path = resource_of(TASK).path(metadata["namespace"], metadata["name"], "status")
        for status in steps_to(tombstone["spec"]["object"].get("status") or {}, there):
            answer = await self._client.request(
                "PATCH",
                path,
                body={
                    "metadata": {"resourceVersion": metadata["resourceVersion"]},
                    "status": status,
                },
                content_type=MERGE_PATCH,
                accept=METADATA_OBJECT,
            )
            metadata = answer["metadata"]

    async def _drop(self, key: ObjectKey, uid: str) -> None:
        await self._delete(TOMBSTONES.path(key.namespace, key.name), {"uid": uid})

    async def _delete(self, path: str, preconditions: dict[str, str]) -> bool:
        """Delete what is still as it was known; return False where it isn't."""
        try:
            await self._client.request("DELETE", path, body={"preconditions": preconditions})
        except ApiError as error:
            if error.code not in {404, 409}:
                raise
            return False
        return True

    async def _patch(self, facts: Facts, patch: list[dict[str, Any]]) -> Any:
        """Patch an object and return its metadata; None where it isn't as it was known."""
        try:
            return await self._client.request(
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
            return None


def _kind_of(tombstone: Mapping[str, Any]) -> Kind:
    return BY_KIND[tombstone["spec"]["kind"]]


def _namespace_goes(error: ApiError) -> bool:
    causes = (error.status.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _path(key: ObjectKey) -> str:
    return resource_of(BY_PLURAL[key.plural]).path(key.namespace, key.name)
