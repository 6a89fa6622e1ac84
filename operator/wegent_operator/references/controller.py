"""Reconciles the kinds that users work with: the trash's finalizer, then the verdict."""

from typing import Generic, TypeVar

from wegent_crds.references import ObjectKey
from wegent_operator.references.verdict import verdict
from wegent_operator.runtime.held import HeldKeys
from wegent_operator.runtime.verdict_writer import VerdictWriter
from wegent_operator.runtime.visibility import Visibility, hidden_referent, hidden_tombstone
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState
from wegent_operator.state.refusals import Blocked, WriteStep
from wegent_operator.state.verdict import Verdict
from wegent_operator.trash.controller import TrashController

S = TypeVar("S", bound=ObjectState)


class ReferencesController(Generic[S]):
    """The controller of Ghosts, Models, Shells, Bots, Teams and Skills."""

    def __init__(
        self,
        cache: Cache,
        trash: TrashController,
        writer: VerdictWriter,
        held: HeldKeys,
        visibility: Visibility,
    ) -> None:
        self._cache = cache
        self._trash = trash
        self._writer = writer
        self._held = held
        self._visibility = visibility

    def unlisted(self, _: ObjectKey, state: S | None) -> str | None:
        """Return ``tombstones`` if a hidden Tombstone may still restore the object."""
        return None if state is None else hidden_tombstone(state, self._cache, self._visibility)

    async def reconcile(self, key: ObjectKey, state: S | None) -> bool:
        """Add or remove the trash's finalizer, and write the verdict.

        Raises:
            Blocked: the object can't be stored, or can't be deleted yet.
            KubeError: a request failed; try again.
        """
        if state is None:
            self._trash.forget(key)
            return True
        unprotected: Blocked | None = None
        try:
            if await self._trash.reconcile_finalizer(state):
                return True
        except Blocked as blocked:
            if blocked.step is not WriteStep.ADD_FINALIZER:
                raise
            # An object that can't get the finalizer gets its verdict nevertheless.
            unprotected = blocked
        await self._reconcile_status(state)
        if unprotected is not None:
            raise unprotected
        return True

    def verdict(self, state: S) -> Verdict:
        """Return the verdict on an object, given the cached objects."""
        return verdict(state, self._cache)

    async def _reconcile_status(self, state: S) -> None:
        if (unlisted := hidden_referent(state, self._cache, self._visibility)) is not None:
            self._held.hold(state.key, unlisted)
        else:
            await self._writer.write(state, self.verdict(state))
