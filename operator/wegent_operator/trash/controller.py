"""Keeps deleted objects: stores a Tombstone first, then removes the trash's finalizer.

Each step may be repeated after a crash without harm. The name of a Tombstone contains
the object's uid, so that a second try finds the Tombstone of the first. The trash's
finalizer is removed last. While another controller's finalizer is on the object, the
object may still be edited, and a restore must bring those edits back.

The removal is guarded by the version that was stored. That is not enough: the API
server compares the version, and deletes the object in a second transaction. It may
accept an edit between the two. So the operator first marks the object as stored, and a
policy then refuses all edits but the operator's. If the deletion fails, the operator
removes the mark.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_KIND, BY_PLURAL, GROUP, TOMBSTONE, Kind
from wegent_crds.well_known import TRASH_FINALIZER
from wegent_kube import ApiError, KubeClient, KubeError
from wegent_kube.client import MERGE_PATCH, METADATA_OBJECT
from wegent_kube.encoding import encode_json
from wegent_kube.resources import CRDS, resource_of
from wegent_operator.runtime.guarded import Guarded, Missed
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.refusals import Hindered, Step, is_refusal, named, waiting_for
from wegent_operator.runtime.status_writer import FIELD_MANAGER
from wegent_operator.state.cache import Cache
from wegent_operator.state.conditions import find
from wegent_operator.state.objects import ObjectState, TombstoneState, state_of
from wegent_operator.trash.tombstones import (
    add_finalizer_patch,
    freeze_patch,
    is_frozen,
    lean,
    others,
    remove_finalizer_patch,
    tombstone_name,
    tombstone_of,
)

logger = logging.getLogger(__name__)

TOMBSTONES: Final = resource_of(TOMBSTONE)
TOO_LARGE: Final = frozenset({413, 500})
"""Status codes for an object that is too large: 413 by the API server's limit, 500 by etcd's."""
NOT_SERVED: Final = frozenset({404, 405})
"""Status codes for a creation if the kind's CRD is missing or being deleted."""
LARGE: Final = 1024 * 1024
"""Bytes above which such an answer may be about the size. etcd's limit is 1.5 MiB."""
HELD_UP: Final = timedelta(seconds=30)
"""Time for which edits may delay an object's deletion before the object's status reports it."""


class TrashController:
    """Puts the trash's finalizer on objects, and moves deleted objects to the trash."""

    def __init__(
        self,
        client: KubeClient,
        cache: Cache,
        metrics: Metrics,
        retention: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._guarded = Guarded(client)
        self._cache = cache
        self._metrics = metrics
        self._retention = retention
        self._clock = clock
        self._refused: dict[ObjectKey, str] = {}
        """uids of objects whose last try was refused, until they are gone."""
        self._released: dict[ObjectKey, str] = {}
        """uids of objects without the finalizer that are complete in the trash.

        An event from before the removal may still arrive.
        """

    def forget(self, key: ObjectKey) -> None:
        """Forget an object that is gone."""
        self._refused.pop(key, None)
        self._released.pop(key, None)

    async def reconcile_finalizer(self, state: ObjectState) -> bool:
        """Add the finalizer, or move a deleted object to the trash.

        Returns:
            True if nothing is left to do; False if the object stays and needs a verdict.

        Raises:
            Hindered: the object can't be stored, or can't be deleted yet.
            KubeError: the API server gave no answer; try again.
        """
        if self._released.get(state.key) == state.uid:
            return True
        if self._cache.is_terminating(state.key.namespace):
            # A namespace that is being deleted can't store a Tombstone, and no finalizer may delay
            # its deletion. The namespace controller waits some seconds before it begins. That is
            # enough time to remove the finalizers.
            if state.has_finalizer:
                await self._remove_last_finalizer(state)
            return True
        if state.deleting:
            if state.has_finalizer:
                self._wait_for_finalizers(state, others(state.finalizers))
                self._wait_for_restore(state)
                await self._move_to_trash(state)
            return True
        if not state.has_finalizer:
            # The object was created before the policy, or the cluster has no policy.
            patch = add_finalizer_patch(state.version, state.finalizers)
            await self._patch(state, patch, state.version, Step.HOLD)
        return False

    async def delete_expired(self, state: ObjectState) -> bool:
        """Delete a Task without storing it in the trash; return False if it changed meanwhile.

        An operator that is killed between the two writes leaves a Task without the finalizer.
        The next operator deletes that Task.

        Raises:
            Hindered: the API server refused one of the writes.
            KubeError: the API server gave no answer; try again.
        """
        version = str(state.version)
        if state.has_finalizer:
            answer = await self._release(state, Step.COLLECT)
            if isinstance(answer, Missed):
                return False
            version = answer["metadata"]["resourceVersion"]
        preconditions = {"uid": state.uid, "resourceVersion": version}
        try:
            answer = await self._guarded.send(
                "DELETE",
                _path(state.key),
                {"preconditions": preconditions},
                uid=state.uid,
                version=version,
            )
        except ApiError as error:
            raise Hindered.at(Step.COLLECT, error) from error
        return not isinstance(answer, Missed)

    def _wait_for_finalizers(self, state: ObjectState, finalizers: list[str]) -> None:
        if finalizers:
            raise waiting_for(
                state,
                self._clock(),
                f"metadata.finalizers: waiting for {named(finalizers)}; each controller removes its"
                " own finalizer, then the object is stored in the trash",
            )

    def _wait_for_restore(self, state: ObjectState) -> None:
        """Raise Hindered while a Tombstone is still restoring the object.

        An operator may have died during the restore. The Tombstone would restore the object a
        second time, and only the Tombstone contains the status of a half-restored Task.
        """
        name = state.restored_from or ""
        there = self._cache.get(ObjectKey(TOMBSTONE.plural, state.key.namespace, name))
        if not isinstance(there, TombstoneState) or not there.spec.restore:
            return
        if state.key not in {reference.target for reference in there.references}:
            return
        ready = find(there.conditions, ConditionType.READY)
        if (
            there.deleting
            or find(there.conditions, ConditionType.DELETED) is not None
            or (ready is not None and ready.reason == Reason.NAME_TAKEN)
        ):
            return  # the restore is complete, or the name belongs to another object
        raise waiting_for(
            state,
            self._clock(),
            f"the object can't be deleted: the Tombstone {name} is still restoring it; see the"
            " Tombstone's condition Ready, or delete the Tombstone to end the restore",
            reason=Reason.DELETION_BLOCKED,
        )

    async def _move_to_trash(self, state: ObjectState) -> None:
        """Store an object in its Tombstone and remove the finalizer."""
        if self._was_refused(state) and not await self._dry_run(state):
            return
        freezing: ApiError | None = None
        try:
            body = await self._freeze(state)
        except ApiError as error:
            if not is_refusal(error):
                raise Hindered.at(Step.FREEZE, error) from error
            freezing, body = error, await self._get_deleted(state)
        if body is None:
            return
        try:
            await self._keep_and_remove_finalizer(state, body, freezing)
        except KubeError:
            self._refused[state.key] = state.uid
            if is_frozen(body):
                await self._thaw(state)
            raise
        self._refused.pop(state.key, None)

    def _was_refused(self, state: ObjectState) -> bool:
        """Return whether the last try was refused, of this operator or of an earlier one."""
        hung = find(state.conditions, ConditionType.DELETED)
        return (hung is not None and hung.reason == Reason.DELETION_BLOCKED) or self._refused.get(
            state.key
        ) == state.uid

    async def _dry_run(self, state: ObjectState) -> bool:
        """Try the move to the trash as a dry run; return False if there is no object to move.

        After a refused try, the object is not changed before a dry run succeeds. Otherwise each
        try would send an event to all clients that watch the object, this operator included.

        Raises:
            Hindered: the move is refused.
        """
        body = await self._get_deleted(state)
        if body is None:
            return False
        try:
            await self._keep(state, body)
            # The patch names no version, so that edits meanwhile don't change the answer.
            patch = {"metadata": {"uid": state.uid, "finalizers": None}}
            await self._patch(state, patch, None, Step.RELEASE, dry_run=True)
        except Hindered as hindered:
            if is_frozen(body):
                await self._thaw(state)  # an operator died meanwhile
            if hindered.error is None or not _takes_no_dry_run(hindered.error):
                raise
        return True

    async def _keep(self, state: ObjectState, body: Mapping[str, Any]) -> None:
        try:
            await self._store_tombstone(BY_PLURAL[state.key.plural], body)
        except ApiError as error:
            raise Hindered.at(Step.STORE, error) from error

    async def _keep_and_remove_finalizer(
        self, state: ObjectState, body: Mapping[str, Any], freezing: ApiError | None
    ) -> None:
        """Store the object, and remove the finalizer if the object still has that version.

        Args:
            state: the object in the cache.
            body: the object as the API server returned it.
            freezing: refusal of the mark that stops edits; None if the mark is set.
        """
        await self._keep(state, body)
        answer = await self._remove_last_finalizer(state_of(BY_PLURAL[state.key.plural], body))
        since = self._clock() - (state.deleted_at or self._clock())
        if answer is Missed.CHANGED and freezing is not None and since > HELD_UP:
            raise Hindered.at(Step.FREEZE, freezing)
        # If the object has changed, the event of that change will arrive.

    async def _freeze(self, state: ObjectState) -> dict[str, Any] | None:
        """Mark an object so that others can't edit it; return it, or None if it is gone."""
        patch = freeze_patch(state.uid, tombstone_name(BY_PLURAL[state.key.plural], state.uid))
        answer = await self._guarded.send(
            "PATCH",
            _path(state.key),
            patch,
            uid=state.uid,
            content_type=MERGE_PATCH,
            params={"fieldManager": FIELD_MANAGER},
        )
        if isinstance(answer, Missed):
            return None
        # Cache the result now; the event of the operator's own write adds nothing.
        self._cache.put(state_of(BY_PLURAL[state.key.plural], answer))
        return self._if_deleted(state, answer)

    async def _thaw(self, state: ObjectState) -> None:
        """Remove the mark, so that others can edit an object that stays for now."""
        try:
            answer = await self._guarded.send(
                "PATCH",
                _path(state.key),
                freeze_patch(state.uid, None),
                uid=state.uid,
                content_type=MERGE_PATCH,
                params={"fieldManager": FIELD_MANAGER},
            )
        except KubeError as error:
            logger.warning(
                "%s: annotation not removed, so changes stay forbidden until the deletion: %s",
                state.key,
                error,
            )
            return
        if not isinstance(answer, Missed):
            self._cache.put(state_of(BY_PLURAL[state.key.plural], answer))

    async def _get_deleted(self, state: ObjectState) -> dict[str, Any] | None:
        """Return an object that is ready to be deleted; None if it is gone or isn't ready."""
        try:
            body = await self._client.request("GET", _path(state.key))
        except ApiError as error:
            if error.code == 404:
                return None
            raise Hindered.at(Step.STORE, error) from error
        return self._if_deleted(state, body)

    def _if_deleted(self, state: ObjectState, body: dict[str, Any]) -> dict[str, Any] | None:
        metadata = body["metadata"]
        ready = (
            metadata["uid"] == state.uid
            and "deletionTimestamp" in metadata
            and metadata.get("finalizers") == [TRASH_FINALIZER]
        )
        return body if ready else None  # if not ready, the event of the change will arrive

    async def _store_tombstone(self, kind: Kind, body: Mapping[str, Any]) -> None:
        tombstone = tombstone_of(kind, body, self._clock(), self._retention)
        try:
            await self._write_tombstone(tombstone)
        except ApiError as error:
            if error.code not in TOO_LARGE or len(encode_json(tombstone)) < LARGE:
                raise
            await self._write_tombstone(lean(tombstone))

    async def _write_tombstone(self, tombstone: dict[str, Any]) -> None:
        namespace = tombstone["metadata"]["namespace"]
        try:
            await self._client.request("POST", TOMBSTONES.path(namespace), body=tombstone)
            self._metrics.tombstones.labels("stored").inc()
        except ApiError as error:
            # A quota refuses a creation before the API server sees that the name is taken.
            if error.code in {403, 409} and await self._refresh_tombstone(tombstone):
                return
            if error.reason == "AlreadyExists":
                await self._write_tombstone(tombstone)
            elif not _namespace_goes(error) and not await self._everything_goes(error, tombstone):
                raise

    async def _everything_goes(self, error: ApiError, tombstone: Mapping[str, Any]) -> bool:
        """Return whether the CRDs of both the object and Tombstones are gone or being deleted.

        This happens when somebody deletes all CRDs. An object that waited for a Tombstone would
        block the deletion of its CRD for ever, and the CRD could not be recreated.
        """
        if error.code not in NOT_SERVED:
            return False
        kind = BY_KIND[tombstone["spec"]["kind"]]
        return await self._crd_goes(kind) and await self._crd_goes(TOMBSTONE)

    async def _crd_goes(self, kind: Kind) -> bool:
        path = CRDS.path(name=f"{kind.plural}.{GROUP}")
        try:
            crd = await self._client.request("GET", path, accept=METADATA_OBJECT)
        except ApiError as error:
            return error.code == 404
        return "deletionTimestamp" in crd["metadata"]

    async def _refresh_tombstone(self, tombstone: dict[str, Any]) -> bool:
        """Update the object in the Tombstone of an earlier try; return False if that is gone.

        The rest of the Tombstone stays: a user may have requested a restore already.

        Raises:
            Hindered: the Tombstone is being deleted, and the object would be lost with it.
        """
        metadata = tombstone["metadata"]
        path = TOMBSTONES.path(metadata["namespace"], metadata["name"])
        try:
            there = await self._client.request("GET", path)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        if "deletionTimestamp" in there["metadata"]:
            raise Hindered(
                Reason.DELETION_BLOCKED,
                f"the object can't be deleted: the Tombstone {metadata['name']} of an earlier try"
                f" is being deleted and waits for {named(there['metadata']['finalizers'])};"
                " remove these finalizers, so that the object is stored in a new Tombstone",
            )
        if there["spec"]["object"] != tombstone["spec"]["object"]:
            there["spec"]["object"] = tombstone["spec"]["object"]
            await self._client.request("PUT", path, body=there)
        return True

    async def _remove_last_finalizer(self, state: ObjectState) -> Any:
        """Remove the finalizer of an object, and record that nothing is left to do for it."""
        answer = await self._release(state, Step.RELEASE)
        if not isinstance(answer, Missed):
            self._released[state.key] = state.uid
        return answer

    async def _release(self, state: ObjectState, step: Step) -> Any:
        patch = remove_finalizer_patch(state.version, state.finalizers)
        return await self._patch(state, patch, state.version, step)

    async def _patch(
        self,
        state: ObjectState,
        patch: dict[str, Any],
        version: int | str | None,
        step: Step,
        *,
        dry_run: bool = False,
    ) -> Any:
        """Patch an object and return its metadata; `Missed` if it is gone or has changed."""
        try:
            return await self._guarded.send(
                "PATCH",
                _path(state.key),
                patch,
                uid=state.uid,
                version=None if version is None else str(version),
                content_type=MERGE_PATCH,
                accept=METADATA_OBJECT,
                params={"dryRun": "All"} if dry_run else None,
            )
        except ApiError as error:
            raise Hindered.at(step, error) from error


def _takes_no_dry_run(error: ApiError) -> bool:
    """Return whether a webhook refused because it doesn't support dry runs."""
    return error.code == 400 and "dry run" in error.message


def _namespace_goes(error: ApiError) -> bool:
    causes = (error.status.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _path(key: ObjectKey) -> str:
    return resource_of(BY_PLURAL[key.plural]).path(key.namespace, key.name)
