"""Stores Tombstones: creates them, or updates the Tombstone of an earlier try."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from wegent_crds.conditions import Reason
from wegent_crds.registry import BY_KIND, GROUP, TOMBSTONE, Kind
from wegent_kube import ApiError, KubeClient, get_or_none
from wegent_kube.content_types import METADATA_OBJECT
from wegent_kube.encoding import encode_json
from wegent_kube.resources import CRDS, resource_of
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.state.refusals import Blocked, WriteStep, named
from wegent_operator.trash.tombstones import lean, tombstone_of

TOMBSTONES: Final = resource_of(TOMBSTONE)
LARGE: Final = 1024 * 1024
"""Bytes above which an internal error may be about the size. etcd's limit is 1.5 MiB."""
REFRESH_TRIES: Final = 5
"""Other writers of a Tombstone are few: a user who restores it, and the operator's own status."""


class TombstoneStore:
    """Stores deleted objects, each in a Tombstone of its own."""

    def __init__(
        self,
        client: KubeClient,
        metrics: Metrics,
        retention: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._retention = retention
        self._clock = clock

    async def store(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """Store an object.

        An object isn't stored if its namespace is being deleted, or its CRD along with that of
        Tombstones.

        Raises:
            Blocked: the Tombstone was refused, or one of an earlier try is being deleted.
            KubeError: the API server gave no answer; try again.
        """
        tombstone = tombstone_of(kind, body, self._clock(), self._retention)
        try:
            await self._write_or_shorten(tombstone)
        except ApiError as error:
            raise Blocked.at(WriteStep.STORE, error) from error

    async def _write_or_shorten(self, tombstone: dict[str, Any]) -> None:
        try:
            await self._write(tombstone)
        except ApiError as error:
            # By the API server's limit, or by etcd's.
            too_large = error.is_request_entity_too_large or error.is_internal_error
            if not too_large or len(encode_json(tombstone)) < LARGE:
                raise
            await self._write(lean(tombstone))

    async def _write(self, tombstone: dict[str, Any]) -> None:
        namespace = tombstone["metadata"]["namespace"]
        try:
            await self._client.request("POST", TOMBSTONES.path(namespace), body=tombstone)
            self._metrics.tombstones.labels("stored").inc()
        except ApiError as error:
            # A quota refuses a creation before the API server sees that the name is taken.
            taken = error.is_already_exists or error.is_conflict or error.is_forbidden
            if taken and await self._refresh(tombstone):
                return
            if error.is_already_exists:
                await self._write(tombstone)
            elif not _namespace_goes(error) and not await self._everything_goes(error, tombstone):
                raise

    async def _refresh(self, tombstone: dict[str, Any]) -> bool:
        """Update the object in the Tombstone of an earlier try; return False if that is gone.

        The rest of the Tombstone stays: a user may have requested a restore already.

        Raises:
            Blocked: the Tombstone is being deleted, and the object would be lost with it.
        """
        metadata = tombstone["metadata"]
        path = TOMBSTONES.path(metadata["namespace"], metadata["name"])
        tries = 0
        while (there := await get_or_none(self._client.request("GET", path))) is not None:
            if "deletionTimestamp" in there["metadata"]:
                raise Blocked(
                    Reason.DELETION_BLOCKED,
                    f"the object can't be deleted: the Tombstone {metadata['name']} of an earlier"
                    " try is being deleted and waits for"
                    f" {named(there['metadata']['finalizers'])}; remove these finalizers, so that"
                    " the object is stored in a new Tombstone",
                )
            if there["spec"]["object"] == tombstone["spec"]["object"]:
                return True
            there["spec"]["object"] = tombstone["spec"]["object"]
            tries += 1
            try:
                await self._client.request("PUT", path, body=there)
            except ApiError as error:
                # A user has requested a restore meanwhile, or the operator has written its status.
                if not error.is_conflict or tries == REFRESH_TRIES:
                    raise
            else:
                return True
        return False

    async def _everything_goes(self, error: ApiError, tombstone: Mapping[str, Any]) -> bool:
        """Return whether the CRDs of both the object and Tombstones are gone or being deleted.

        This happens when somebody deletes all CRDs. An object that waited for a Tombstone would
        block the deletion of its CRD for ever, and the CRD could not be recreated.
        """
        # A kind whose CRD is missing isn't found. One whose CRD is being deleted has no creation.
        if not (error.is_not_found or error.is_method_not_supported):
            return False
        kind = BY_KIND[tombstone["spec"]["kind"]]
        return await self._crd_goes(kind) and await self._crd_goes(TOMBSTONE)

    async def _crd_goes(self, kind: Kind) -> bool:
        path = CRDS.path(name=f"{kind.plural}.{GROUP}")
        try:
            crd = await self._client.request("GET", path, accept=METADATA_OBJECT)
        except ApiError as error:
            return error.is_not_found
        return "deletionTimestamp" in crd["metadata"]


def _namespace_goes(error: ApiError) -> bool:
    return error.has_cause("NamespaceTerminating")
