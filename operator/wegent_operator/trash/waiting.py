"""The obstacles that a deleted object waits for before it can go into the trash. Pure."""

from datetime import datetime

from wegent_crds.conditions import ConditionType, Reason, find_condition
from wegent_crds.references import ObjectKey
from wegent_crds.registry import TOMBSTONE
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState, TombstoneState
from wegent_operator.state.refusals import Blocked, named, waiting_for
from wegent_operator.trash.tombstones import others


def waits_for_finalizers(state: ObjectState, now: datetime) -> Blocked | None:
    """Return the obstacle of finalizers that belong to other controllers, or None.

    While such a finalizer is on the object, the object may be edited, and a restore must bring
    the edits back.
    """
    finalizers = others(state.finalizers)
    if not finalizers:
        return None
    return waiting_for(
        state,
        now,
        f"metadata.finalizers: waiting for {named(finalizers)}; each controller removes its"
        " own finalizer, then the object is stored in the trash",
    )


def waits_for_restore(state: ObjectState, cache: Cache, now: datetime) -> Blocked | None:
    """Return the obstacle of a Tombstone that is still restoring the object, or None.

    An operator may have died during the restore. The Tombstone would restore the object a
    second time, and only the Tombstone contains the status of a half-restored Task.
    """
    name = state.restored_from or ""
    there = cache.get(ObjectKey(TOMBSTONE.plural, state.key.namespace, name))
    if not isinstance(there, TombstoneState) or not there.spec.restore:
        return None
    if state.key not in {reference.target for reference in there.references}:
        return None
    ready = find_condition(there.conditions, ConditionType.READY)
    if (
        there.deleting
        or find_condition(there.conditions, ConditionType.DELETED) is not None
        or (ready is not None and ready.reason == Reason.NAME_TAKEN)
    ):
        return None  # the restore is complete, or the name belongs to another object
    return waiting_for(
        state,
        now,
        f"the object can't be deleted: the Tombstone {name} is still restoring it; see the"
        " Tombstone's condition Ready, or delete the Tombstone to end the restore",
        reason=Reason.DELETION_BLOCKED,
    )
