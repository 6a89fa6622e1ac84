"""What RFC 6902 asks of each operation of a JSON patch.

The API server leaves most of this to be found while it applies the patch, where some of it
(`replace` or `test` of the whole object without a value) makes it give up the connection.
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
"""Each operation, and what it needs besides its path."""


def faults(operations: Sequence[Any]) -> Iterator[Cause]:
    """Yield what is wrong with a patch's operations, each named by its place."""
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
                yield Cause("FieldValueRequired", f"[{place}].{member}", f"{name} needs it")
            elif member != "value" and not isinstance(operation[member], str):
                yield Cause("FieldValueInvalid", f"[{place}].{member}", "must be a string")
