"""The schemas in ``crds/*.yaml``, as the API server has them, and their parts for a body."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from devcluster.checkout import CHECKOUT
from wegent_crds.registry import BY_PLURAL

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]


def definition(plural: str) -> dict[str, Any]:
    """Return the repository's CustomResourceDefinition of a kind."""
    text = (CHECKOUT / "crds" / f"{BY_PLURAL[plural].singular}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def root_schema(plural: str) -> Schema:
    """Return the schema of a kind's whole object."""
    (version,) = definition(plural)["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def subschemas(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield each schema below ``schema`` and itself: ``.spec.bots[].name``, ``.spec.env.*``."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from subschemas(field, f"{path}.{name}")
    if "items" in schema:
        yield from subschemas(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from subschemas(schema["additionalProperties"], f"{path}.*")


@dataclass(frozen=True, slots=True)
class Node:
    """One value in a body, with the schema that it must meet."""

    path: Path
    """Keys and indexes from the body's root."""
    schema: Schema
    value: Any


def nodes(value: Any, schema: Schema, path: Path = ()) -> Iterator[Node]:
    """Yield each value of a body that the schema knows."""
    yield Node(path, schema, value)
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for name, item in value.items():
            if below := fields.get(name, others):
                yield from nodes(item, below, (*path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from nodes(item, schema["items"], (*path, index))


def replaced(body: Any, path: Path, value: Any) -> Any:
    """Return a copy of ``body`` with another value at ``path``."""
    if not path:
        return value
    result = copy.deepcopy(body)
    container = result
    for step in path[:-1]:
        container = container[step]
    container[path[-1]] = value
    return result
