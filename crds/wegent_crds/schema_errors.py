"""The memory of the errors of a check, bounded before they are collected.

The library has no iterator that stops: it makes all errors of a value at once, and each has a copy
of the part that is wrong. A first error alone has inside it those of all alternatives of an
``anyOf``. So 15 KB of JSON may make gigabytes of errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wegent_crds.schema_cost import Counter, list_in, map_in

ERRORS_MAX_BYTES: Final = 8 << 20
"""Memory of errors that are collected. These are some thousand at most, and take 0.2 seconds."""
ERROR_BYTES: Final = 1024
"""Of an error, without what it copies."""
LINK_BYTES: Final = 128
"""Of a step in the paths of an error, without its names."""
VALUE_BYTES: Final = 64
"""Of a value in a copy."""
CHARACTER_BYTES: Final = 4

COPIED: Final = ("const", "enum", "not", "pattern")
"""Keywords that an error has a copy of."""
ALWAYS: Final = frozenset({"anyOf", "const", "enum", "not", "oneOf", "type"})
KEYWORDS: Final[Mapping[type, frozenset[str]]] = {
    str: ALWAYS
    | {"contentEncoding", "contentMediaType", "format", "maxLength", "minLength", "pattern"},
    dict: ALWAYS | {"additionalProperties", "maxProperties", "minProperties"},
    list: ALWAYS
    | {"additionalItems", "contains", "items", "maxContains", "maxItems", "minContains"}
    | {"minItems", "uniqueItems"},
    int: ALWAYS | {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"},
}
"""Keywords that make at most one error each, by the type of the value."""
TYPES: Final[Mapping[str, type]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "object": dict,
    "string": str,
}


@dataclass(slots=True)
class ErrorCounter(Counter):
    """Counts the bytes of the errors that a check may make, as an upper bound.

    Attributes:
        all: bytes of all errors.
        first: bytes of those that one error may have inside it: those of all alternatives of the
            largest ``anyOf``.
    """

    all: int = 0
    first: int = 0
    _inside: int = 0
    """Bytes since the last step outside alternatives."""
    _bytes: dict[int, int] = field(default_factory=dict)
    """Size of a copy of an object or list, by its ``id``."""
    _longest: int = 0
    """Characters of the longest name in the value, and of the longest place in the schema."""

    def bound(self, schema: Any, value: Any) -> None:
        """Count the bytes of the errors of a check, whose steps are affordable."""
        self._longest = max(map(len, self.places), default=0) + _longest_name(value)
        self.count(schema, value)

    def _visit(self, schema: Any, value: Any, chain: int, *, nested: bool) -> None:
        size = self._errors(schema, value, chain)
        self.all += size
        self._inside = self._inside + size if nested else 0
        self.first = max(self.first, self._inside)

    def _errors(self, schema: Any, value: Any, chain: int) -> int:
        if not isinstance(schema, Mapping):
            number, copies = int(schema is False), 0
        else:
            applied = schema.keys() & KEYWORDS.get(_kind(value), ALWAYS)
            number = len(applied) - ("type" in applied and _has_type(value, schema["type"]))
            copies = sum(self._copy(schema[keyword]) for keyword in COPIED if keyword in applied)
            if isinstance(value, dict):
                number += _missing(schema, value)
                number += len(value) if "propertyNames" in schema else 0
        if not number:
            return 0
        path = (chain + 1) * (LINK_BYTES + CHARACTER_BYTES * self._longest)
        return number * (ERROR_BYTES + path + self._copy(value)) + copies

    def _copy(self, value: Any) -> int:
        if isinstance(value, str):
            return VALUE_BYTES + CHARACTER_BYTES * len(value)
        if not isinstance(value, Mapping | list):
            return VALUE_BYTES
        if (size := self._bytes.get(id(value))) is None:
            items = [*value, *value.values()] if isinstance(value, Mapping) else value
            size = self._bytes[id(value)] = VALUE_BYTES + sum(map(self._copy, items))
        return size


def _kind(value: Any) -> type:
    return int if isinstance(value, float) else type(value)


def _has_type(value: Any, wanted: Any) -> bool:
    """Return True if a value surely has the type that a schema asks for."""
    names = wanted if isinstance(wanted, list) else [wanted]
    if type(value) in {int, float} and "number" in names:
        return True
    return any(type(value) is TYPES.get(name) for name in names)


def _missing(schema: Mapping[str, Any], value: Mapping[str, Any]) -> int:
    """Return how many names an object lacks, each of which is an error."""
    missing = sum(name not in value for name in list_in(schema, "required"))
    for keyword in ("dependencies", "dependentRequired"):
        for name, names in map_in(schema, keyword).items():
            if name in value and isinstance(names, list):
                missing += sum(other not in value for other in names)
    return missing


def _longest_name(value: Any) -> int:
    if isinstance(value, dict):
        longest = max(map(len, value), default=0)
        return max(longest, *map(_longest_name, value.values()), 0)
    return max(map(_longest_name, value), default=0) if isinstance(value, list) else 0
