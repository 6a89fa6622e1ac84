"""The status that all kinds share: the observed generation and the conditions.

The schema's default is Unknown with the reason Pending, as in the Gateway API. A new object
thus has conditions before the operator has seen it, and ``kubectl wait`` can wait for them.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.moments import moment
from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import Rule, defaulted, map_by
from wegent_crds.schema.fields import DNS_SUBDOMAIN, Generation

READINESS: Final = "Unknown"
"""``status.ready`` of an object that has no condition Ready yet."""
NEVER: Final = "1970-01-01T00:00:00Z"
"""lastTransitionTime of a pending condition, because a schema's default can't be the current
time."""
MESSAGE_MAX_CHARACTERS: Final = 32_768
"""Of a condition's message, as in metav1.Condition. The API server counts characters, not bytes."""
PENDING_MESSAGE: Final = "Waiting for the operator"

Timestamp = Annotated[
    str,
    Field(
        max_length=35,
        # Not `format: date-time`: with it, the API server accepts a list in place of a string.
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
        r"(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])$",
        examples=["2026-01-31T12:00:00Z"],
    ),
    Rule(
        # The pattern also matches February 30 and the year 0000.
        cel="type(timestamp(self)) == google.protobuf.Timestamp",
        message="must be a valid time",
        check=lambda text: moment(text) is not None,
    ),
]
"""A time in RFC 3339 form. It stays text, so that it is stored exactly as it was written."""


class Condition(Schema):
    """Condition is one aspect of the object's state, as metav1.Condition."""

    type: Annotated[
        str,
        Field(
            min_length=1,
            max_length=316,
            pattern=rf"^({DNS_SUBDOMAIN}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]
    """Type of the condition in CamelCase, such as Ready or ResolvedRefs."""
    status: Literal["True", "False", "Unknown"]
    """Status of the condition: True, False or Unknown."""
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """Machine-readable reason for the status, in one CamelCase word."""
    message: Annotated[str, Field(max_length=MESSAGE_MAX_CHARACTERS)]
    """Human-readable reason for the status and its remedy, at most 32,768 characters."""
    last_transition_time: Timestamp
    """Time of the last change of the status, in RFC 3339 form."""
    observed_generation: Generation | None = None
    """The metadata.generation that the condition is based on."""


Conditions = Annotated[list[Condition], Field(max_length=8), map_by("type")]


def pending_conditions(*types: ConditionType) -> Any:
    """Return a field of conditions whose default is these types with the status Unknown."""
    pending = [
        {
            "type": type_.value,
            "status": "Unknown",
            "reason": Reason.PENDING.value,
            "message": PENDING_MESSAGE,
            "lastTransitionTime": NEVER,
        }
        for type_ in types
    ]
    return Field(
        default_factory=lambda: [Condition.model_validate(condition) for condition in pending],
        json_schema_extra=defaulted(pending),
    )


class Status(Schema):
    """Status is the observed state of an object. Only Wegent's programs write it."""

    observed_generation: Generation | None = None
    """The metadata.generation that the conditions are based on."""
    conditions: Conditions = pending_conditions(ConditionType.RESOLVED_REFS, ConditionType.READY)
    """Conditions of the object. ResolvedRefs is True if every reference can be used, Ready if the
    object itself can be used."""
    ready: Literal["True", "False", "Unknown"] = READINESS
    """Status of the condition Ready, for field selectors, which can't select by conditions. Unknown
    if there is no such condition. Defaults to Unknown."""
