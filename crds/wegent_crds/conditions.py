"""Conditions: the interface that users wait on. Their types and reasons, and how they are read.

Types have positive names, and the set of reasons is closed. Each reason is documented at
its declaration; ``docs/conditions.md`` gives the remedy, and a test compares the two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wegent_crds.reading import integer, mapping, mappings, text


class ConditionType(StrEnum):
    """The condition types of Wegent's programs. They don't change conditions of other types."""

    RESOLVED_REFS = "ResolvedRefs"
    READY = "Ready"
    ACCEPTED = "Accepted"
    """Only on Tasks: True if the work is to be done, False if it was cancelled."""
    COMPLETE = "Complete"
    """Only on Tasks, as on Jobs: True if the work is done."""
    FAILED = "Failed"
    """Only on Tasks, as on Jobs: True if the work failed or was cancelled."""
    SERVED = "Served"
    """Only on Bots, Teams and Tasks: True if runners serve the type of each Shell and the Team's
    mode of collaboration. It doesn't affect Ready. Absent while a Shell is not known, and never
    False on a Task that has ended."""
    TOOLS_SERVED = "ToolsServed"
    """Only on Ghosts and Skills with MCP servers: True if runners use servers of these types. It
    doesn't affect Ready. A Ghost's includes the servers that its Skills bring."""
    MODEL_BOUND = "ModelBound"
    """Only on Bots and Teams: False if a Bot has no Model, so that a Task must name one. It doesn't
    affect Ready. Absent otherwise."""
    KEY_USABLE = "KeyUsable"
    """Only on Models, written by the runner: False if the API key can't be used, True if it works
    again. It doesn't affect Ready. Absent while the key has never failed."""
    KEYS_READABLE = "KeysReadable"
    """Only on Models, Ghosts and Skills: False if the runner may not read a Secret that the object
    names, because the namespace has too many. It doesn't affect Ready. Absent otherwise."""
    STALLED = "Stalled"
    """As in kstatus: True on a failed Task, and on an object that only a change of its own can
    make ready. Absent otherwise."""
    DELETED = "Deleted"
    """False if the deletion of the object is blocked; the message names the cause. Absent
    otherwise."""
    LAST_ADMIN = "LastAdmin"
    """Only on Accounts of admins: True if there is no other admin."""


class Reason(StrEnum):
    """The reason for a condition's status."""

    PENDING = "Pending"
    """Unknown: the schema's default; the operator has not seen the object yet."""
    RESOLVED_REFS = "ResolvedRefs"
    """True: every reference names an object that exists and may be used."""
    READY = "Ready"
    """True: the object can be used."""
    REF_NOT_FOUND = "RefNotFound"
    """False: a reference names an object that does not exist."""
    REF_NOT_PERMITTED = "RefNotPermitted"
    """False: a reference names an object in another namespace, which does not allow it."""
    REF_NOT_READY = "RefNotReady"
    """False: the referenced object exists but is not ready itself."""
    DUPLICATE_REF = "DuplicateRef"
    """False: two items of a list refer to the same object, or an object to itself."""
    PROVIDER_NOT_SUPPORTED = "ProviderNotSupported"
    """False: a Bot's Shell does not support the provider of its Model or of a fallback."""
    MODEL_NOT_BOUND = "ModelNotBound"
    """False: neither the Task nor its Team nor the Bot names the Model that the Bot calls."""
    MODEL_NOT_REPLACEABLE = "ModelNotReplaceable"
    """False: a Team or Task names a Model in place of that of an object in another namespace."""
    OUTPUT_SCHEMA_INVALID = "OutputSchemaInvalid"
    """False: the schema of the Task's result is not valid, or not allowed."""
    SHELL_SERVED = "ShellServed"
    """True: runners serve the type of each Shell and the Team's mode of collaboration."""
    SHELL_NOT_SERVED = "ShellNotServed"
    """False: no runner serves Shells of this type, so that a Task stays Pending."""
    MODE_NOT_SERVED = "ModeNotServed"
    """False: no runner serves Teams with this mode, so that a Task stays Pending."""
    TOOLS_SERVED = "ToolsServed"
    """True: runners use MCP servers of these types."""
    STDIO_NOT_PERMITTED = "StdioNotPermitted"
    """False: runners don't start the command of an MCP server, so that its tools are missing."""
    KEY_USABLE = "KeyUsable"
    """True: the API key works again."""
    KEY_NOT_USABLE = "KeyNotUsable"
    """False: the Secret is missing, is not an API key, or doesn't name the Model's host."""
    KEY_REFUSED = "KeyRefused"
    """False: the provider refused the API key, or requires one."""
    TOO_MANY_KEYS = "TooManyKeys"
    """False: the objects of the namespace name more Secrets with keys than the runner may read."""
    ACCEPTED = "Accepted"
    """True: the Task is to be done; a runner may claim it as soon as it is Ready."""
    CANCELLED = "Cancelled"
    """The Task was cancelled: Accepted is False if it had not begun, Failed is True at its end."""
    COMPLETED = "Completed"
    """True: the Task is Completed."""
    TASK_FAILED = "TaskFailed"
    """True: the Task is Failed."""
    SUSPENDED = "Suspended"
    """True: the Account is suspended by its spec, and its access is withdrawn."""
    LAST_ADMIN = "LastAdmin"
    """True: the Account is the only admin. Users can't demote, suspend or delete it."""
    OTHER_ADMINS = "OtherAdmins"
    """False: there are other admins."""
    NAMESPACE_TAKEN = "NamespaceTaken"
    """False: the Account's own namespace exists and belongs to another owner."""
    WRONG_NAMESPACE = "WrongNamespace"
    """False: the Account is outside the accounts namespace, so it gives no access."""
    NAME_RESERVED = "NameReserved"
    """False: the name of the Group is that of a system or shared namespace, or is reserved."""
    NOT_PROVISIONED = "NotProvisioned"
    """False: the API server rejected an object that the Account needs."""
    NAME_TAKEN = "NameTaken"
    """False: a Tombstone is to be restored, but another object has the name."""
    NOT_RESTORED = "NotRestored"
    """False: a Tombstone is to be restored, but the API server rejected its object."""
    DELETION_PENDING = "DeletionPending"
    """False: a Tombstone is to be restored, but its object is still being deleted."""
    DELETION_BLOCKED = "DeletionBlocked"
    """False: the deletion is blocked, because the API server rejected a write of the operator."""
    FINALIZERS_REMAIN = "FinalizersRemain"
    """False: the deletion is blocked by finalizers of other controllers."""


@dataclass(frozen=True, slots=True)
class StoredCondition:
    """One entry of ``status.conditions`` as it is stored, with the fields of metav1.Condition."""

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int | None
    last_transition_time: str

    @property
    def is_true(self) -> bool:
        """True if the status is True."""
        return self.status == "True"

    @property
    def is_false(self) -> bool:
        """True if the status is False, and not Unknown."""
        return self.status == "False"

    def to_json(self) -> dict[str, Any]:
        """Return the condition as JSON for the API."""
        body: dict[str, Any] = {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": self.last_transition_time,
        }
        if self.observed_generation is not None:
            body["observedGeneration"] = self.observed_generation
        return body


def conditions_of(body: Mapping[str, Any]) -> tuple[StoredCondition, ...]:
    """Return the conditions of an object; an entry without a type is left out."""
    return tuple(
        StoredCondition(
            type=condition["type"],
            status=text(condition.get("status"), "Unknown"),
            reason=text(condition.get("reason")),
            message=text(condition.get("message")),
            observed_generation=integer(condition.get("observedGeneration")),
            last_transition_time=text(condition.get("lastTransitionTime")),
        )
        for _, condition in mappings(mapping(body.get("status")).get("conditions"))
        if isinstance(condition.get("type"), str)
    )


def find_condition(conditions: Iterable[StoredCondition], type_: str) -> StoredCondition | None:
    """Return the condition of a type, or None if there is none."""
    return next((condition for condition in conditions if condition.type == type_), None)
