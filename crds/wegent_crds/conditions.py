"""The types and reasons of conditions: the interface that users wait on.

Positive names, a closed set of reasons. Each reason is documented where it is
declared; ``docs/conditions.md`` gives the remedy, and a test compares the two.
"""

from enum import StrEnum


class ConditionType(StrEnum):
    """The condition types that Wegent's operator owns; others in the list are left alone."""

    RESOLVED_REFS = "ResolvedRefs"
    READY = "Ready"
    ACCEPTED = "Accepted"
    """Tasks alone: whether the work is to be done at all."""
    COMPLETE = "Complete"
    """Tasks alone, as Jobs have it: the work is done."""
    FAILED = "Failed"
    """Tasks alone, as Jobs have it: the work is not going to be done."""
    STALLED = "Stalled"
    """As kstatus has it; only there, and True, where waiting is in vain: on a Task that failed,
    and on an object that no change but its own mends."""
    DELETED = "Deleted"
    """Only there, and False, where an object's deletion hangs: says on what."""
    LAST_ADMIN = "LastAdmin"
    """Accounts of admins alone: whether there is no other admin."""


class Reason(StrEnum):
    """Why a condition has its status."""

    PENDING = "Pending"
    """Unknown: the schema's default, nothing has looked at the object yet."""
    RESOLVED_REFS = "ResolvedRefs"
    """True: every reference names an object that is there and may be used."""
    READY = "Ready"
    """True: the object can be used."""
    REF_NOT_FOUND = "RefNotFound"
    """False: a reference names an object that does not exist."""
    REF_NOT_PERMITTED = "RefNotPermitted"
    """False: a reference points into a namespace that does not allow it."""
    REF_NOT_READY = "RefNotReady"
    """False: what the object refers to is there but not ready itself."""
    DUPLICATE_REF = "DuplicateRef"
    """False: two items of a list refer to the same object."""
    PROVIDER_NOT_SUPPORTED = "ProviderNotSupported"
    """False: the Bot's Shell does not take the provider of its Model."""
    ACCEPTED = "Accepted"
    """True: the Task is to be done; who runs Tasks may claim it once it is Ready."""
    CANCELLED = "Cancelled"
    """The Task was cancelled: Accepted is False while it has not begun, Failed is True at its
    end."""
    COMPLETED = "Completed"
    """True: the Task is Completed."""
    TASK_FAILED = "TaskFailed"
    """True: the Task is Failed."""
    SUSPENDED = "Suspended"
    """True: the Account is suspended, and its access withdrawn, as its spec says."""
    LAST_ADMIN = "LastAdmin"
    """True: the Account is the only admin, and users can't demote, suspend or delete it."""
    OTHER_ADMINS = "OtherAdmins"
    """False: there are other admins."""
    NAMESPACE_TAKEN = "NamespaceTaken"
    """False: the Account's own namespace exists and belongs to somebody else."""
    WRONG_NAMESPACE = "WrongNamespace"
    """False: an Account outside the accounts namespace gives no access."""
    NOT_PROVISIONED = "NotProvisioned"
    """False: the API server refused something that the Account needs."""
    NAME_TAKEN = "NameTaken"
    """False: a Tombstone is to be restored, and another object has its name meanwhile."""
    NOT_RESTORED = "NotRestored"
    """False: the API server refused the object that a Tombstone holds."""
    DELETION_PENDING = "DeletionPending"
    """False: a Tombstone is to be restored, and the object itself is still there, being deleted."""
    DELETION_BLOCKED = "DeletionBlocked"
    """False: the object can't go, because the API server refused what the operator must write."""
    FINALIZERS_REMAIN = "FinalizersRemain"
    """False: the object can't go, because finalizers of other controllers are still on it."""
