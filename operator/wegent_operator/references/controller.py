"""Reconciles the kinds that users work with: the trash's finalizer, then the verdict."""

from wegent_crds.references import ObjectKey
from wegent_operator.references.verdict import verdict
from wegent_operator.runtime.held import HeldKeys
from wegent_operator.runtime.refusals import Hindered, Step
from wegent_operator.runtime.sight import Sight, unseen_referent, unseen_tombstone
from wegent_operator.runtime.verdict_writer import VerdictWriter
from wegent_operator.state.objects import Facts
from wegent_operator.state.store import Store
from wegent_operator.state.verdict import Verdict
from wegent_operator.trash.controller import TrashController


class ReferencesController:
    """The controller of Ghosts, Models, Shells, Bots, Teams and Skills."""

    def __init__(
        self,
        store: Store,
        trash: TrashController,
        writer: VerdictWriter,
        held: HeldKeys,
        sight: Sight,
    ) -> None:
        self._store = store
        self._trash = trash
        self._writer = writer
        self._held = held
        self._sight = sight

    def unlisted(self, _: ObjectKey, facts: Facts | None) -> str | None:
        """Return ``tombstones`` where an object may be half restored from one that isn't seen."""
        return None if facts is None else unseen_tombstone(facts, self._store, self._sight)

    async def reconcile(self, key: ObjectKey, facts: Facts | None) -> bool:
        """Put the trash's finalizer on or take it off, and write the verdict.

        Raises:
            Hindered: the object can't be kept, or can't go yet.
            KubeError: the API server did not take something; to be tried again.
        """
        if facts is None:
            self._trash.forget(key)
            return True
        unprotected: Hindered | None = None
        try:
            if await self._trash.reconcile_finalizer(facts):
                return True
        except Hindered as hindered:
            if hindered.step is not Step.HOLD:
                raise
            unprotected = (
                hindered  # an object that the trash can't hold gets its verdict all the same
            )
        await self._reconcile_status(facts)
        if unprotected is not None:
            raise unprotected
        return True

    def verdict(self, facts: Facts) -> Verdict:
        """Return the verdict on an object as things stand."""
        return verdict(facts, self._store)

    async def _reconcile_status(self, facts: Facts) -> None:
        if (unlisted := unseen_referent(facts, self._store, self._sight)) is not None:
            self._held.hold(facts.key, unlisted)
        else:
            await self._writer.write(facts, self.verdict(facts))
