"""From pydantic's JSON Schema to the structural schemas of a CRD.

A structural schema (KEP-1979; https://kubernetes.io/docs/tasks/extend-kubernetes/
custom-resources/custom-resource-definitions/#specifying-a-structural-schema) is
OpenAPI 3.0 without references, where each value has one type and unknown fields are
refused by nature. Keywords that pydantic spells differently are translated. Keywords without
meaning for the API server are left out. Any other keyword is an error, so that no constraint gets
lost.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

KEPT: Final = frozenset(
    {
        "default", "description", "enum", "format", "maxItems", "maxLength", "maxProperties",
        "maximum", "minItems", "minLength", "minProperties", "minimum", "pattern", "required",
        "type",
    }
)  # fmt: skip
SILENT: Final = frozenset({"title", "examples"})
EXTENSION: Final = "x-kubernetes-"
ORDER: Final = ("description", "type", "format", "default")
"""Keywords that come first, for readers; the others follow alphabetically, and fields come last."""

Schema = Mapping[str, Any]


class NotStructuralError(Exception):
    """A model has a constraint that a structural schema can't express."""


def structural_schema(schema: Schema) -> dict[str, Any]:
    """Return the structural schema that is equivalent to a model's JSON Schema.

    Raises:
        NotStructuralError: the model has a constraint that a structural schema can't express.
    """
    return _convert(schema, schema.get("$defs", {}), schema["title"])


def _convert(schema: Schema, definitions: Schema, path: str) -> dict[str, Any]:
    schema = _resolve(schema, definitions)
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in KEPT or keyword.startswith(EXTENSION):
            result[keyword] = value
        elif keyword == "const":
            result["enum"] = [value]
        elif keyword == "items":
            result[keyword] = _convert(value, definitions, f"{path}[]")
        elif keyword == "properties":
            result[keyword] = {
                name: _convert(field, definitions, f"{path}.{name}")
                for name, field in value.items()
            }
        elif keyword == "additionalProperties" and isinstance(value, Mapping):
            result[keyword] = _convert(value, definitions, f"{path}.*")
        elif keyword != "$defs" and keyword not in SILENT and not _closes(keyword, value):
            raise NotStructuralError(f"{path}: {keyword} has no place in a structural schema")
    if "type" not in result:
        raise NotStructuralError(f"{path}: a structural schema has one type for each value")
    if "description" in result:
        result["description"] = _unwrapped(result["description"])
    return _ordered(result)


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    """Replace ``$ref`` by its target; keywords beside it take precedence."""
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**definitions[name], **beside}
    return schema


def _closes(keyword: str, value: Any) -> bool:
    """Return True for pydantic's ban of unknown fields, which a CRD needn't declare."""
    return keyword == "additionalProperties" and value is False


def _unwrapped(text: str) -> str:
    """Return a docstring with one line for each paragraph and without markup."""
    paragraphs = re.split(r"\n\s*\n", text.replace("``", ""))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _ordered(schema: Schema) -> dict[str, Any]:
    nested = ("additionalProperties", "items", "properties")
    keywords = [*ORDER, *sorted(set(schema) - {*ORDER, *nested}), *nested]
    return {keyword: schema[keyword] for keyword in keywords if keyword in schema}
