"""The limits on calls of Models, as annotations of a namespace. Pure."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from wegent_crds.reading import mapping, mappings, text
from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY
from wegent_operator.names import FIELD_MANAGER

LIMITS: Final = (REQUESTS_PER_MINUTE, TOKENS_PER_DAY)
"""Annotations of a group's namespace that the operator keeps."""


class Limit(NamedTuple):
    """An annotation of a namespace that limits the calls of Models."""

    value: str
    applied: bool
    """True if the operator has applied it, and is one of its managers."""


def limits_of(metadata: Mapping[str, Any]) -> dict[str, Limit]:
    """Return the annotations of a namespace that limit the calls of Models."""
    annotations = mapping(metadata.get("annotations"))
    applied = {
        field.removeprefix("f:")
        for _, item in mappings(metadata.get("managedFields"))
        if (item.get("manager"), item.get("operation")) == (FIELD_MANAGER, "Apply")
        for field in mapping(
            mapping(mapping(item.get("fieldsV1")).get("f:metadata")).get("f:annotations")
        )
    }
    return {
        name: Limit(text(annotations[name]), name in applied)
        for name in LIMITS
        if name in annotations
    }
