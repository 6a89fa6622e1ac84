"""Messages for an object about a step of the operator that failed. Pure."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from wegent_crds.conditions import Reason
from wegent_crds.well_known import STORED_IN, TRASH_FINALIZER
from wegent_kube.errors import ApiError, KubeError
from wegent_operator.state.objects import ObjectState

OF_GATEWAYS: Final = frozenset({408, 502})
"""Status codes of a gateway before the API server, for which Kubernetes has no reasons."""
MAX_QUOTED: Final = 1024
"""Characters of the API server's message. The message quotes an invalid object in full."""
GRACE_S: Final = 5.0
"""Seconds that other finalizers may stay before the object's status says that it waits."""
MAX_NAMED: Final = 8
"""Maximum of finalizers that a message names."""
_WITHOUT_A_TOMBSTONE: Final = (
    f"or remove the finalizer {TRASH_FINALIZER}, which requires the verb bypass on tombstones and"
    " loses the object"
)
_FREEZE_FAILED: Final = f"the annotation {STORED_IN}, which prevents changes, can't be set"


class WriteStep(StrEnum):
    """A write to a user's object or to a Tombstone; the values are a label of the metric."""

    ADD_FINALIZER = "add_finalizer"
    STORE = "store"
    FREEZE = "freeze"
    REMOVE_FINALIZER = "remove_finalizer"
    DELETE_EXPIRED = "delete_expired"
    RESTORE_MANAGED_FIELDS = "restore_managed_fields"
    DELETE_TOMBSTONE = "delete_tombstone"
    STATUS = "status"


_WORDS: Final = {
    WriteStep.ADD_FINALIZER: (
        f"the finalizer {TRASH_FINALIZER} can't be added, and a deletion loses the object",
        "allow the operator to add it",
    ),
    WriteStep.STORE: (
        "the object can't be deleted: its Tombstone can't be stored",
        f"allow the operator to create it, raise the quota, {_WITHOUT_A_TOMBSTONE}",
    ),
    WriteStep.FREEZE: (
        f"the object can't be deleted: it keeps changing, and {_FREEZE_FAILED}",
        "allow the operator to set it, or stop the client that changes the object",
    ),
    WriteStep.REMOVE_FINALIZER: (
        f"the object can't be deleted: the finalizer {TRASH_FINALIZER} can't be removed",
        "allow the operator to remove it, or remove it with the verb bypass on tombstones",
    ),
    WriteStep.DELETE_EXPIRED: (
        "spec.ttlSecondsAfterFinished has passed, but the Task can't be deleted",
        "allow the operator to delete it, or remove spec.ttlSecondsAfterFinished",
    ),
    WriteStep.DELETE_TOMBSTONE: (
        "the Tombstone is no longer needed, but can't be deleted",
        "allow the operator to delete it, or delete it yourself",
    ),
    WriteStep.STATUS: ("the status can't be written", "allow the operator to write it"),
}


class Blocked(KubeError):  # noqa: N818 - what happened, in one word
    """A step of the operator failed. It is reported on the object and tried again."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        step: WriteStep | None = None,
        error: ApiError | None = None,
        after_s: float = 0.0,
    ) -> None:
        self.reason = reason
        self.message = message
        self.step = step
        self.error = error
        """The refusal; None if the object only waits for another controller."""
        self.after_s = after_s
        """Seconds to wait before reporting; the obstacle may go away by itself until then."""
        super().__init__(message if error is None else f"{step}: {error}")

    @classmethod
    def at(cls, step: WriteStep, error: ApiError) -> "Blocked":
        """Return the obstacle for a refused write."""
        failed, remedy = _WORDS[step]
        message = f"{failed}: {quoted(error)}; {remedy}"
        return cls(Reason.DELETION_BLOCKED, message, step=step, error=error)


def named(finalizers: Sequence[str]) -> str:
    """Return the finalizers as text for a message: at most ``MAX_NAMED``, and a count."""
    words = ", ".join(finalizers[:MAX_NAMED])
    more = len(finalizers) - MAX_NAMED
    return f"{words} and {more} more" if more > 0 else words


def waiting_for(
    state: ObjectState, now: datetime, message: str, *, reason: Reason = Reason.FINALIZERS_REMAIN
) -> Blocked:
    """Return an obstacle that may go away by itself; it is reported after ``GRACE_S``."""
    since = (now - (state.deleted_at or now)).total_seconds()
    return Blocked(reason, message, after_s=min(GRACE_S - since, GRACE_S))


def quoted(error: ApiError) -> str:
    """Return the API server's message, cut to ``MAX_QUOTED`` characters."""
    said = error.message
    return said if len(said) <= MAX_QUOTED else f"{said[: MAX_QUOTED - 1]}…"


def is_refusal(error: ApiError) -> bool:
    """Return whether the same write would fail again until something else changes."""
    if error.is_unauthorized:  # a policy may answer Unauthorized; its answer names the object
        return bool(error.details)
    raced = error.is_conflict or error.is_already_exists
    busy = error.is_too_many_requests or error.is_service_unavailable or error.is_timeout
    return not (raced or busy or error.code in OF_GATEWAYS)
