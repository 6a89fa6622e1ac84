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

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from wegent_crds.conditions import ConditionType, Reason, find_condition
from wegent_crds.references import ObjectKey
from wegent_crds.registry import BY_PLURAL
from wegent_kube import ApiError, KubeError
from wegent_operator.runtime.guarded import Missed
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState, state_of
from wegent_operator.state.refusals import Blocked, WriteStep, is_refusal
from wegent_operator.trash.object_writer import ObjectWriter
from wegent_operator.trash.tombstone_store import TombstoneStore
from wegent_operator.trash.tombstones import is_frozen
from wegent_operator.trash.waiting import waits_for_finalizers, waits_for_restore

HELD_UP: Final = timedelta(seconds=30)
"""Time for which edits may delay an object's deletion before the object's status reports it."""


class TrashController:
    """Puts the trash's finalizer on objects, and moves deleted objects to the trash."""

    def __init__(
        self,
        cache: Cache,
        writer: ObjectWriter,
        tombstones: TombstoneStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._writer = writer
        self._tombstones = tombstones
        self._clock = clock
        self._refused: dict[ObjectKey, str] = {}
        """uids of objects whose last try was refused, until they are gone."""
        self._done: dict[ObjectKey, str] = {}
        """uids of objects without the finalizer that are complete in the trash.

        An event from before the removal may still arrive.
        """

    def forget(self, key: ObjectKey) -> None:
        """Forget an object that is gone."""
        self._refused.pop(key, None)
        self._done.pop(key, None)

    async def reconcile_finalizer(self, state: ObjectState) -> bool:
        """Add the finalizer, or move a deleted object to the trash.

        Returns:
            True if nothing is left to do; False if the object stays and needs a verdict.

        Raises:
            Blocked: the object can't be stored, or can't be deleted yet.
            KubeError: the API server gave no answer; try again.
        """
        if self._done.get(state.key) == state.uid:
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
                now = self._clock()
                blocked = waits_for_finalizers(state, now)
                blocked = blocked or waits_for_restore(state, self._cache, now)
                if blocked is not None:
                    raise blocked
                await self._move_to_trash(state)
            return True
        if not state.has_finalizer:
            # The object was created before the policy, or the cluster has no policy.
            await self._writer.add_finalizer(state)
        return False

    async def delete_expired(self, state: ObjectState) -> bool:
        """Delete a Task without storing it in the trash; return False if it changed meanwhile.

        An operator that is killed between the two writes leaves a Task without the finalizer.
        The next operator deletes that Task.

        Raises:
            Blocked: the API server refused one of the writes.
            KubeError: the API server gave no answer; try again.
        """
        version = str(state.version)
        if state.has_finalizer:
            answer = await self._writer.remove_finalizer(state, WriteStep.DELETE_EXPIRED)
            if isinstance(answer, Missed):
                return False
            version = answer["metadata"]["resourceVersion"]
        answer = await self._writer.delete(state, version, WriteStep.DELETE_EXPIRED)
        return not isinstance(answer, Missed)

    async def _move_to_trash(self, state: ObjectState) -> None:
        """Store an object in its Tombstone and remove the finalizer."""
        if self._was_refused(state) and not await self._dry_run(state):
            return
        freezing: ApiError | None = None
        try:
            body = await self._writer.freeze(state)
        except ApiError as error:
            if not is_refusal(error):
                raise Blocked.at(WriteStep.FREEZE, error) from error
            freezing, body = error, await self._writer.get_deleted(state)
        if body is None:
            return
        try:
            await self._store_and_remove_finalizer(state, body, freezing)
        except KubeError:
            self._refused[state.key] = state.uid
            if is_frozen(body):
                await self._writer.thaw(state)
            raise
        self._refused.pop(state.key, None)

    def _was_refused(self, state: ObjectState) -> bool:
        """Return whether the last try was refused, of this operator or of an earlier one."""
        hung = find_condition(state.conditions, ConditionType.DELETED)
        return (hung is not None and hung.reason == Reason.DELETION_BLOCKED) or self._refused.get(
            state.key
        ) == state.uid

    async def _dry_run(self, state: ObjectState) -> bool:
        """Try the move to the trash as a dry run; return False if there is no object to move.

        After a refused try, the object is not changed before a dry run succeeds. Otherwise each
        try would send an event to all clients that watch the object, this operator included.

        Raises:
            Blocked: the move is refused.
        """
        body = await self._writer.get_deleted(state)
        if body is None:
            return False
        try:
            await self._tombstones.store(BY_PLURAL[state.key.plural], body)
            await self._writer.try_removal(state)
        except Blocked as blocked:
            if is_frozen(body):
                await self._writer.thaw(state)  # an operator died meanwhile
            if blocked.error is None or not _takes_no_dry_run(blocked.error):
                raise
        return True

    async def _store_and_remove_finalizer(
        self, state: ObjectState, body: Mapping[str, Any], freezing: ApiError | None
    ) -> None:
        """Store the object, and remove the finalizer if the object still has that version.

        Args:
            state: the object in the cache.
            body: the object as the API server returned it.
            freezing: refusal of the mark that stops edits; None if the mark is set.
        """
        kind = BY_PLURAL[state.key.plural]
        await self._tombstones.store(kind, body)
        answer = await self._remove_last_finalizer(state_of(kind, body))
        since = self._clock() - (state.deleted_at or self._clock())
        if answer is Missed.CHANGED and freezing is not None and since > HELD_UP:
            raise Blocked.at(WriteStep.FREEZE, freezing)
        # If the object has changed, the event of that change will arrive.

    async def _remove_last_finalizer(self, state: ObjectState) -> Any:
        """Remove the finalizer of an object, and record that nothing is left to do for it."""
        answer = await self._writer.remove_finalizer(state, WriteStep.REMOVE_FINALIZER)
        if not isinstance(answer, Missed):
            self._done[state.key] = state.uid
        return answer


def _takes_no_dry_run(error: ApiError) -> bool:
    """Return whether a webhook refused because it doesn't support dry runs."""
    return error.is_bad_request and "dry run" in error.message
