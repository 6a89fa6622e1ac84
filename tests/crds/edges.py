"""Values at the edges of the schema's bounds, for each value in a body."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.crds.schemas import Node, nodes, replaced, root_schema

WRONG_TYPES: Final[tuple[Any, ...]] = ("text", 5, 1.5, True, [None], {})
PYTHON_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
ASTRAL: Final = "\U0001f600"
"""One character, four bytes, two UTF-16 units: it finds counts in any other unit."""

Edge = tuple[str, Any, str | None]
"""A description, the value, and the message that the API server must give (None: it passes)."""


@dataclass(frozen=True, slots=True)
class Case:
    """A body with one value at an edge."""

    what: str
    body: Any
    said: str | None
    """The message that the API server must give; None if the body must pass."""


def cases(plural: str, body: Any) -> Iterator[Case]:
    """Yield a body for each edge of each value in the spec of ``body``."""
    for node in nodes(body, root_schema(plural)):
        if node.path[:1] == ("spec",):
            for what, value, said in _edges(node):
                where = ".".join(map(str, node.path))
                yield Case(f"{where}: {what}", replaced(body, node.path, value), said)


def _edges(node: Node) -> Iterator[Edge]:
    yield from _wrong_types(node)
    if isinstance(node.value, str):
        yield from _string_edges(node)
    elif isinstance(node.value, list):
        yield from _list_edges(node)
    elif "maxProperties" in node.schema:
        yield from _map_edges(node)
    elif "properties" in node.schema:
        yield from _object_edges(node)
    elif "minimum" in node.schema:
        yield "the minimum", node.schema["minimum"], None
        yield "less", node.schema["minimum"] - 1, "should be greater than or equal to"
        yield "the maximum", node.schema["maximum"], None
        yield "more", node.schema["maximum"] + 1, "should be less than or equal to"


def _wrong_types(node: Node) -> Iterator[Edge]:
    wanted = node.schema["type"]
    for value in WRONG_TYPES:
        is_bool = isinstance(value, bool)  # Python's bool is an int
        if not isinstance(value, PYTHON_TYPES[wanted]) or is_bool != (wanted == "boolean"):
            yield f"{value!r}", value, "Invalid value"


def _string_edges(node: Node) -> Iterator[Edge]:
    schema, value = node.schema, node.value
    if "enum" in schema:
        yield "not in the enum", "nonsense", "Unsupported value"
        yield "another case", value.swapcase(), "Unsupported value"
        return
    if "pattern" in schema:
        yield "a line break after it", f"{value}\n", "in body should match"
        if re.fullmatch(schema["pattern"], f"{value}é"):  # an address, in any script
            yield "a mark that turns the direction", f"{value}\u202e", "in body should match"
        else:
            yield "a letter beyond ASCII", f"{value}é", "in body should match"
    longest = schema["maxLength"]
    filler = "a" if "pattern" in schema else ASTRAL
    full = value + filler * (longest - len(value))
    if re.fullmatch(schema.get("pattern", ".*"), full, re.DOTALL):
        yield f"{longest} characters", full, None
    yield "one more", full + filler, "Too long"
    if schema.get("minLength"):
        yield "empty", "", "in body should be at least 1 chars long"


def _list_edges(node: Node) -> Iterator[Edge]:
    most, first = node.schema["maxItems"], node.value[0]
    yield f"{most} items", distinct(first, most), None
    yield "one more", distinct(first, most + 1), "Too many"
    yield "a null item", [None], "Invalid value"
    if "minItems" in node.schema:
        yield "no item", [], "should have at least 1 items"
    twice = None if node.schema["x-kubernetes-list-type"] == "atomic" else "Duplicate value"
    yield "an item twice", [first, first], twice


def distinct(item: Any, count: int) -> list[Any]:
    """Return ``count`` items like this one; if they have names or ids, each is unique."""
    if isinstance(item, str):
        return [f"t{index}" for index in range(count)]
    copies = [copy.deepcopy(item) for _ in range(count)]
    for index, one in enumerate(copies):
        for key in ("name", "id", "username"):
            if key in one:
                one[key] = f"{key[0]}{index}"
    return copies


def keys_like(key: str, count: int) -> list[str]:
    """Return ``count`` keys of a map, below the same folder as this one."""
    folder = f"{key.rpartition('/')[0]}/" if "/" in key else ""
    return [f"{folder}k{index}" for index in range(count)]


def _map_edges(node: Node) -> Iterator[Edge]:
    most = node.schema["maxProperties"]
    item = next(iter(node.value.values()))
    keys = keys_like(next(iter(node.value)), most + 1)
    yield f"{most} entries", dict.fromkeys(keys[:most], item), None
    yield "one more", dict.fromkeys(keys, item), "Too many"
    yield "a null entry", {**node.value, "k": None}, None


def _object_edges(node: Node) -> Iterator[Edge]:
    for name in node.schema.get("required", ()):
        without = {key: value for key, value in node.value.items() if key != name}
        yield f"without {name}", without, f"{name}: Required value"
        yield f"null {name}", {**node.value, name: None}, f"{name}: Required value"
    yield "an unknown field", {**node.value, "surprise": 1}, 'surprise"'
    yield "an unknown null", {**node.value, "surprise": None}, 'surprise"'
