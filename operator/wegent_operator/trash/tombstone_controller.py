"""Reconciles Tombstones: restores their objects, and deletes Tombstones that have expired."""

from collections.abc import Callable
from datetime import datetime

from wegent_crds.conditions import ConditionType, Reason, find_condition
from wegent_crds.references import ObjectKey
from wegent_operator.runtime.queue import KeyedQueue
from wegent_operator.runtime.verdict_writer import VerdictWriter
from wegent_operator.runtime.visibility import Visibility, hidden_tombstone
from wegent_operator.state.cache import Cache
from wegent_operator.state.conditions import without_obstacle
from wegent_operator.state.objects import TombstoneState
from wegent_operator.state.refusals import named, waiting_for
from wegent_operator.state.verdict import Verdict
from wegent_operator.trash.restorer import Restorer
from wegent_operator.trash.verdict import verdict


class TombstoneController:
    """The controller of Tombstones."""

    def __init__(
        self,
        cache: Cache,
        queue: KeyedQueue[ObjectKey],
        restorer: Restorer,
        writer: VerdictWriter,
        visibility: Visibility,
        clock: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._restorer = restorer
        self._writer = writer
        self._visibility = visibility
        self._clock = clock

    def unlisted(self, _: ObjectKey, state: TombstoneState | None) -> str | None:
        """Return the resource that must be listed first. A Tombstone has no other references."""
        return None if state is None else hidden_tombstone(state, self._cache, self._visibility)

    async def reconcile(self, key: ObjectKey, state: TombstoneState | None) -> bool:
        """Restore the object that a Tombstone contains, or delete an expired Tombstone.

        Raises:
            Blocked: the Tombstone has served its purpose and can't be deleted.
            KubeError: a request failed; try again.
        """
        if state is None:
            return True
        decided = await self._restore_or_delete(key, state)
        expires_at = state.spec.expires_at
        if decided is None or expires_at is None:
            self._queue.add_after(key, None)
        else:
            self._queue.add_after(key, (expires_at - self._clock()).total_seconds())
        if decided is None:
            await self._writer.put(state, without_obstacle(state))
            return True
        await self._writer.write(state, decided)
        # The cause of a refusal, such as a quota or a missing right, may end without an event.
        return decided.ready.reason != Reason.NOT_RESTORED

    async def _restore_or_delete(self, key: ObjectKey, state: TombstoneState) -> Verdict | None:
        """Restore or delete if due; return the verdict, or None once the Tombstone is deleted."""
        if state.deleting:
            raise waiting_for(
                state,
                self._clock(),
                f"metadata.finalizers: the Tombstone is no longer needed, but waits for"
                f" {named(state.finalizers)}; each controller removes its own finalizer",
            )
        if state.spec.expires_at is not None and self._clock() >= state.spec.expires_at:
            await self._restorer.drop(key, state.uid, "expired")
            return None
        if not state.spec.restore:
            return verdict(None)
        # The condition Deleted means that the object is restored and the Tombstone could not be
        # deleted. A second restore would bring back objects that were deleted since.
        if find_condition(state.conditions, ConditionType.DELETED) is None:
            problem = await self._restorer.restore(key, state)
            if problem is not None:
                return verdict(problem)
        await self._restorer.drop(key, state.uid, "restored")
        return None
