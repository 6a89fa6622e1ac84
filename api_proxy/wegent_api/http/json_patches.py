"""Checks each operation of a JSON patch against RFC 6902.

The API server finds most of these errors only while it applies the patch. For some of them
(`replace` or `test` of the whole object without a value) it drops the connection.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from wegent_api.http.errors import Cause

NEEDS: Final[Mapping[str, str | None]] = {
    "add": "value",
    "replace": "value",
    "test": "value",
    "move": "from",
    "copy": "from",
    "remove": None,
}
"""Each operation, with its required member besides the path."""


def operation_errors(operations: Sequence[Any]) -> Iterator[Cause]:
    """Yield a cause for each error in a patch's operations, with the operation's place."""
    for place, operation in enumerate(operations):
        if not isinstance(operation, dict):
            yield Cause("FieldValueInvalid", f"[{place}]", "must be an object")
            continue
        name = operation.get("op")
        if not isinstance(name, str) or name not in NEEDS:
            yield Cause("FieldValueInvalid", f"[{place}].op", f"must be one of {', '.join(NEEDS)}")
            continue
        for member in filter(None, ("path", NEEDS[name])):
            if member not in operation:
                yield Cause("FieldValueRequired", f"[{place}].{member}", f"is required for {name}")
            elif member != "value" and not isinstance(operation[member], str):
                yield Cause("FieldValueInvalid", f"[{place}].{member}", "must be a string")
