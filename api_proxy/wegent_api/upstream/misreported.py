"""Answers of 500 whose cause is the request.

The API server reports some errors in a write without a type, and so as a 500. A client must not
retry such a request, and nobody must be paged for it. The proxy recognizes these errors by their
message. Every other 500 stays a 500.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from wegent_api.http.errors import BadRequest, Cause, Invalid, Problem

_NOT_APPLICABLE: Final = re.compile(
    r"failed to create typed patch object \([^)]*\): (.+)", re.DOTALL
)
"""Server-side apply to an object whose shape differs from its schema."""
_FIELD: Final = re.compile(r"\.(\S+): (.+)")
_VERSION: Final = re.compile(r"strconv\.ParseUint: parsing .*", re.DOTALL)
_VERSION_OF_NEW: Final = "resourceVersion should not be set on objects to be created"


def request_fault(status: Mapping[str, Any]) -> Problem | None:
    """Return the error in the request behind this 500, or None if the cause is elsewhere."""
    message = str(status.get("message") or "")
    if found := _NOT_APPLICABLE.fullmatch(message):
        lines = [line.strip() for line in found[1].splitlines()]
        return Invalid.of([_cause(line) for line in lines if line != "errors:"])
    if _VERSION.fullmatch(message):
        what = "must be a version from the API server"
    elif message == _VERSION_OF_NEW:
        what = "must be omitted for a new object"
    else:
        return None
    return BadRequest.of([Cause("FieldValueInvalid", "metadata.resourceVersion", what)])


def _cause(line: str) -> Cause:
    if field := _FIELD.fullmatch(line):
        return Cause("FieldValueInvalid", field[1], field[2])
    return Cause("FieldValueInvalid", "patch", line)
