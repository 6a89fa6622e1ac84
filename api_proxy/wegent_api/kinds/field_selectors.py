"""Field selectors that the API server refuses, with the fields that it would take.

Which fields can be selected is the CRD's to say, and the API server's to check. Its answer names
the field that it doesn't know, and none that it does.
"""

from typing import Final

from wegent_api.http.errors import BadRequest, Cause, Problem, UpstreamStatus
from wegent_crds.models import model_of
from wegent_crds.registry import Kind

OF_ALL: Final = ("metadata.name", "metadata.namespace")
REFUSALS: Final = ("field label not supported", "invalid selector", "invalid field selector")
"""By these words of the API server's a 400 is about the field selector."""


def fields_of(kind: Kind) -> tuple[str, ...]:
    """Return the fields that a fieldSelector may name for a kind."""
    return (*OF_ALL, *(path.removeprefix(".") for path in model_of(kind).selectable_fields()))


def explained(refused: UpstreamStatus, kind: Kind, selector: str | None) -> Problem:
    """Return a refusal with the fields that can be selected, if it is about the selector."""
    if selector is None or refused.code != 400:
        return refused
    if not any(words in refused.message for words in REFUSALS):
        return refused
    fields = ", ".join(fields_of(kind))
    message = f"{refused.message}; a {kind.kind} is selected by {fields}, with =, == or !="
    return BadRequest.of([Cause("FieldValueInvalid", "fieldSelector", message)])
