"""Values of an object, each read as its type or not at all.

A schema says which values are valid now. A stored object may be older than the schema, or was
written under another schema, and still appears in every list. If it could not be read, the
operator would treat it as missing: its referrers would say that it does not exist, an Account
would lose its access, and a deleted object would never go.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

YAML_VALUE_FAULTS: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Errors of PyYAML, besides its own, for a value that its tag doesn't fit: ``!!timestamp x``."""


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping; an empty one in place of any other value."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    """Return a list; an empty one in place of any other value."""
    return value if isinstance(value, list) else ()


def mappings(value: object) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the mappings in a list, each with its index."""
    for index, item in enumerate(items(value)):
        if isinstance(item, Mapping):
            yield index, item


def text(value: object, default: str = "") -> str:
    """Return a string; the default in place of any other value."""
    return value if isinstance(value, str) else default


def texts(value: object) -> tuple[str, ...]:
    """Return the strings in a list."""
    return tuple(item for item in items(value) if isinstance(item, str))


def integer(value: object) -> int | None:
    """Return an integer; None in place of any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
