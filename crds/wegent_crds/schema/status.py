"""The status that every kind has: what the operator has seen, and its verdict.

The schema's default says Unknown/Pending (as the Gateway API's does), so that a new
object says "not yet" before anything has run, and ``kubectl wait`` has something to
wait on.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.moments import moment
from wegent_crds.schema.base import Schema
from wegent_crds.schema.extensions import Rule, defaulted, map_by
from wegent_crds.schema.fields import DNS_SUBDOMAIN, Generation

READINESS: Final = "Unknown"
"""Of an object of whose condition Ready nothing has been said."""
NEVER: Final = "1970-01-01T00:00:00Z"
"""When a condition changed that has not changed yet; a schema can't say now."""
MESSAGE_MAX_CHARACTERS: Final = 32_768
"""Of a condition, as metav1.Condition has it. The API server counts characters, not bytes."""
PENDING_MESSAGE: Final = "Waiting for the operator"

Timestamp = Annotated[
    str,
    Field(
        max_length=35,
        # Not `format: date-time`, with which the API server takes a list for a string.
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
        r"(Z|[-+]([01][0-9]|2[0-3]):[0-5][0-9])$",
        examples=["2026-01-31T12:00:00Z"],
    ),
    Rule(
        # The pattern lets February 30 by, and a year that there never was.
        cel="type(timestamp(self)) == google.protobuf.Timestamp",
        message="must be a time that exists",
        check=lambda text: moment(text) is not None,
    ),
]
"""A time as RFC 3339 has it; kept as text, since only people read it here."""


class Condition(Schema):
    """One aspect of the object's state, in the shape and bounds of metav1.Condition."""

    type: Annotated[
        str,
        Field(
            min_length=1,
            max_length=316,
            pattern=rf"^({DNS_SUBDOMAIN}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]
    """Which aspect: Ready, ResolvedRefs."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """Why, in one CamelCase word for programs."""
    message: Annotated[str, Field(max_length=MESSAGE_MAX_CHARACTERS)]
    """Why, in words for people, with what to do about it."""
    last_transition_time: Timestamp
    """When the status last changed."""
    observed_generation: Generation | None = None
    """The metadata.generation that this was said about."""


Conditions = Annotated[list[Condition], Field(max_length=8), map_by("type")]


def pending_conditions(*types: ConditionType) -> Any:
    """Return a field of conditions that begins with these, before anything has looked."""
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
    """What the operator has found out; written by it alone."""

    observed_generation: Generation | None = None
    """The metadata.generation that the conditions are about."""
    conditions: Conditions = pending_conditions(ConditionType.RESOLVED_REFS, ConditionType.READY)
    """The operator's verdict: ResolvedRefs tells whether every reference can be used, Ready
    whether the object can."""
    ready: Literal["True", "False", "Unknown"] = READINESS
    """Status of the condition Ready, for field selectors, which can't look into conditions;
    Unknown where there is no such condition."""
