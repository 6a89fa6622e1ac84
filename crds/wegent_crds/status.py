"""The status that every kind has: what the operator has seen, and its verdict.

The schema's default says Unknown/Pending (as the Gateway API's does), so that a new
object says "not yet" before anything has run, and ``kubectl wait`` has something to
wait on.
"""

import re
from datetime import date, time
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from wegent_crds.common import DNS_SUBDOMAIN, Generation
from wegent_crds.conditions import ConditionType, Reason
from wegent_crds.markers import defaulted, map_by
from wegent_crds.schema import Schema

NEVER: Final = "1970-01-01T00:00:00Z"
"""When a condition changed that has not changed yet; a schema can't say now."""
PENDING_MESSAGE: Final = "Waiting for the operator"

_TIMESTAMP: Final = (
    r"^([1-9][0-9]{3}-[0-9]{2}-[0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(\.[0-9]{1,9})?(Z|[-+][0-9]{2}:[0-9]{2})$"
)


def _real_time(value: str) -> str:
    """Refuse a day or a time that does not exist, as ``format: date-time`` does."""
    day, hour, minute, second = re.findall(_TIMESTAMP, value)[0][:4]
    try:
        date.fromisoformat(day)
        time(int(hour), int(minute), int(second))
    except ValueError as error:
        raise PydanticCustomError("timestamp", "must be a date-time") from error
    return value


Timestamp = Annotated[
    str,
    Field(max_length=64, pattern=_TIMESTAMP, json_schema_extra={"format": "date-time"}),
    AfterValidator(_real_time),
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
    message: Annotated[str, Field(max_length=32768)]
    """Why, in words for people, with what to do about it."""
    last_transition_time: Timestamp
    """When the status last changed."""
    observed_generation: Generation | None = None
    """The metadata.generation that this was said about."""


def _pending(condition: ConditionType) -> dict[str, Any]:
    return {
        "type": condition.value,
        "status": "Unknown",
        "reason": Reason.PENDING.value,
        "message": PENDING_MESSAGE,
        "lastTransitionTime": NEVER,
    }


PENDING: Final = [_pending(ConditionType.RESOLVED_REFS), _pending(ConditionType.READY)]


def _pending_conditions() -> list[Condition]:
    return [Condition.model_validate(condition) for condition in PENDING]


class Status(Schema):
    """What the operator has found out; written by it alone."""

    observed_generation: Generation | None = None
    """The metadata.generation that the conditions are about."""
    conditions: Annotated[list[Condition], Field(max_length=8), map_by("type")] = Field(
        default_factory=_pending_conditions, json_schema_extra=defaulted(PENDING)
    )
    """The operator's verdict: ResolvedRefs tells whether every reference can be used, Ready
    whether the object can."""
