"""Lists the supported fields in the refusal of a field selector.

The CRD defines the selectable fields, and the API server checks selectors. Its answer names the
unknown field, but not the fields that are supported.
"""

from typing import Final

from wegent_api.http.errors import BadRequest, Cause, Problem, UpstreamStatus
from wegent_crds.models import model_of
from wegent_crds.registry import Kind

OF_ALL: Final = ("metadata.name", "metadata.namespace")
REFUSALS: Final = ("field label not supported", "invalid selector", "invalid field selector")
"""A 400 with one of these phrases of the API server is about the field selector."""


def fields_of(kind: Kind) -> tuple[str, ...]:
    """Return the fields that a fieldSelector may name for a kind."""
    return (*OF_ALL, *(path.removeprefix(".") for path in model_of(kind).selectable_fields()))


def with_supported_fields(refused: UpstreamStatus, kind: Kind, selector: str | None) -> Problem:
    """Return a refusal with the selectable fields added if it is about the field selector."""
    if selector is None or not refused.is_bad_request:
        return refused
    if not any(words in refused.message for words in REFUSALS):
        return refused
    fields = ", ".join(fields_of(kind))
    message = f"{refused.message}; supported fields of a {kind.kind} are {fields}, with =, == or !="
    return BadRequest.of([Cause("FieldValueInvalid", "fieldSelector", message)])
