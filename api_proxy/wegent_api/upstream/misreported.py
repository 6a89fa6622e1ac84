"""Answers of 500 that are a request's fault.

Some of what the API server finds wrong with a write comes out of it as an error
without a type, and so as a 500. A client must not try such a request again, nor an
operator be woken by it; these are told by their words, and everything else stays a 500.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from wegent_api.http.errors import BadRequest, Cause, Invalid, Problem

_NOT_APPLICABLE: Final = re.compile(
    r"failed to create typed patch object \([^)]*\): (.+)", re.DOTALL
)
"""Server-side apply of an object that isn't of its schema's shape."""
_FIELD: Final = re.compile(r"\.(\S+): (.+)")
_VERSION: Final = re.compile(r"strconv\.ParseUint: parsing .*", re.DOTALL)
_VERSION_OF_NEW: Final = "resourceVersion should not be set on objects to be created"


def request_fault(status: Mapping[str, Any]) -> Problem | None:
    """Return what is wrong with the request that was answered so; None if it isn't its fault."""
    message = str(status.get("message") or "")
    if found := _NOT_APPLICABLE.fullmatch(message):
        lines = [line.strip() for line in found[1].splitlines()]
        return Invalid.of([_cause(line) for line in lines if line != "errors:"])
    if _VERSION.fullmatch(message):
        what = "must be one that the API server has given"
    elif message == _VERSION_OF_NEW:
        what = "must be left out of a new object"
    else:
        return None
    return BadRequest.of([Cause("FieldValueInvalid", "metadata.resourceVersion", what)])


def _cause(line: str) -> Cause:
    if field := _FIELD.fullmatch(line):
        return Cause("FieldValueInvalid", field[1], field[2])
    return Cause("FieldValueInvalid", "patch", line)
