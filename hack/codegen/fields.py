"""Tables from a structural schema: each field, its type and bounds."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from codegen.markdown import cell, code, table
from wegent_crds.kinds.account import Email
from wegent_crds.schema.extensions import LIST_MAP_KEYS, LIST_TYPE, VALIDATIONS
from wegent_crds.schema.fields import (
    HttpUrl,
    LabelKey,
    LabelValue,
    Money,
    NamespaceName,
    NamespaceOrOwn,
    ResourceName,
)
from wegent_crds.schema.status import Timestamp

Schema = Mapping[str, Any]


def _pattern(annotated: Any) -> str:
    return str(TypeAdapter(annotated).json_schema()["pattern"])


IN_WORDS: Final = {
    _pattern(ResourceName): "a DNS-1123 subdomain",
    _pattern(NamespaceName): "a DNS-1123 label",
    _pattern(NamespaceOrOwn): "a DNS-1123 label or empty",
    _pattern(LabelKey): "a label's key",
    _pattern(LabelValue): "a label's value",
    _pattern(HttpUrl): "an `http://` or `https://` URL without user and password",
    _pattern(Timestamp): "an RFC 3339 time",
    _pattern(Money): "a decimal number",
    _pattern(Email): "an e-mail address",
}
"""The meanings of the most common patterns."""
MERGING: Final = {
    "atomic": "replaced as a whole",
    "set": "each once",
}
"""The effect of server-side apply on a list, and the list's rule for its items."""


def field_table(path: str, schema: Schema, links: Mapping[str, str] | None = None) -> str:
    """Return a table with a row for each field below ``schema``.

    Args:
        path: of ``schema`` itself, as ``spec``.
        schema: a structural schema of an object.
        links: where the fields below a path are shown instead.
    """
    header = ("Field", "Type and bounds", "Default", "Description")
    return table(header, _rows(path, schema, links or {}))


def rule_list(path: str, schema: Schema, links: Mapping[str, str] | None = None) -> str:
    """Return a list of the rules below ``schema`` that span fields, as the API server words them.

    The arguments are those of ``field_table``.
    """
    found = _rules(path, schema, links or {})
    return "\n".join(f"- {code(where)}: {cell(message)}" for where, message in found)


def _rules(path: str, schema: Schema, links: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for rule in schema.get(VALIDATIONS, ()):
        yield f"{path}{rule.get('fieldPath', '')}".lstrip("."), rule["message"]
    for step, nested in _nested(schema):
        here = f"{path}{step}".lstrip(".")
        if here not in links:
            yield from _rules(here, nested, links)


def _rows(path: str, schema: Schema, links: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", ())
    # Required fields come first, and fields that are explained elsewhere come last.
    names = sorted(
        schema.get("properties", {}),
        key=lambda name: (f"{path}.{name}" in links, name not in required),
    )
    for name in names:
        field, here = schema["properties"][name], f"{path}.{name}"
        text = cell(field.get("description", ""))
        if here in links:
            text += f" [More]({links[here]})."
        required_too = ", **required**" if name in required else ""
        yield f"{code(here)}{required_too}", type_and_bounds(field), _default(field), text
        if here not in links:
            yield from _below(here, field, links)


def _below(path: str, schema: Schema, links: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    if "properties" in schema:
        yield from _rows(path, schema, links)
    elif "items" in schema:
        yield from _below(f"{path}[]", schema["items"], links)
    elif "additionalProperties" in schema:
        yield from _below(f"{path}.<name>", schema["additionalProperties"], links)


def _nested(schema: Schema) -> Iterator[tuple[str, Schema]]:
    for name, field in schema.get("properties", {}).items():
        yield f".{name}", field
    if "items" in schema:
        yield "[]", schema["items"]
    if "additionalProperties" in schema:
        yield ".<name>", schema["additionalProperties"]


def type_and_bounds(schema: Schema) -> str:
    """Return a field's type and bounds in words."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "items" in schema:
        size = _range(schema, "minItems", "maxItems")
        return f"list of {size} {_plural(schema['items'])}, {_merging(schema)}"
    if "additionalProperties" in schema:
        size = _range(schema, "minProperties", "maxProperties")
        return f"map of {size} {_plural(schema['additionalProperties'])} by name"
    return _scalar(schema)


def _scalar(schema: Schema) -> str:
    match schema["type"]:
        case "string":
            size = _range(schema, "minLength", "maxLength")
            return f"string, {size} characters{_pattern_of(schema)}"
        case "integer" | "number" as kind:
            return f"{kind}, {_range(schema, 'minimum', 'maximum')}"
        case "object" if schema.get("x-kubernetes-preserve-unknown-fields"):
            return "object of any fields"
        case kind:
            return str(kind)


def _plural(schema: Schema) -> str:
    if "properties" in schema:
        return "objects"
    return f"items ({type_and_bounds(schema)})"


def _merging(schema: Schema) -> str:
    if keys := schema.get(LIST_MAP_KEYS):
        return "identified by " + " and ".join(f"`{key}`" for key in keys)
    return MERGING[schema[LIST_TYPE]]


def _range(schema: Schema, least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if high is None:
        return f"at least {_number(low or 0)}"
    return f"{_number(low)} to {_number(high)}" if low is not None else f"up to {_number(high)}"


def _number(value: float) -> str:
    return f"{value:,}"


def _pattern_of(schema: Schema) -> str:
    if "pattern" not in schema:
        return ""
    pattern = schema["pattern"]
    return f", {IN_WORDS[pattern]}" if pattern in IN_WORDS else f", matching {code(pattern)}"


def _default(schema: Schema) -> str:
    match schema.get("default"):
        case None | list() | dict():  # a list's items are explained in their own rows
            return ""
        case str(text):
            return code(text or '""')
        case value:
            return code(json.dumps(value))
