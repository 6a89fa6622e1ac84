"""Schemas of tools' arguments, in the form that all LLM providers take.

A provider refuses the whole call for one schema that it doesn't take, and each has rules of its
own. A schema that can be mended without a loss for the LLM is mended; the server checks the
arguments again in any case. A tool whose schema can't be mended is left out.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import jsonschema_rs

SCHEMA_MAX_CHARACTERS: Final = 32_768
"""Size of one schema as JSON. It is a part of each call of the LLM."""
COMBINATORS: Final = ("anyOf", "oneOf", "allOf")
NOT_AT_THE_ROOT: Final = (*COMBINATORS, "not", "enum", "const", "if", "then", "else")
"""Keywords that OpenAI and Anthropic refuse at the root of a schema."""
META: Final = jsonschema_rs.Draft202012Validator(
    {"$ref": "https://json-schema.org/draft/2020-12/schema"}
)
"""The schema of schemas."""
INVALID: Final = "its inputSchema is not a JSON Schema"
KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Form of an argument's name, as Anthropic demands it."""


class SchemaRefused(Exception):  # noqa: N818 - names the verdict
    """A schema can't be offered to an LLM. The message says why."""


def parameters_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a tool's arguments as LLM providers take it.

    Raises:
        SchemaRefused: no provider would take it.
    """
    parameters, why = _parameters_of(text_of(schema))
    if parameters is None:
        raise SchemaRefused(why)
    return parameters


def text_of(schema: Mapping[str, Any]) -> str:
    """Return a schema as JSON.

    Raises:
        SchemaRefused: it is too large, or nested too deeply.
    """
    try:
        text = json.dumps(schema, ensure_ascii=False)
    except RecursionError:
        raise SchemaRefused(INVALID) from None
    if len(text) > SCHEMA_MAX_CHARACTERS:
        raise SchemaRefused(
            f"its schema has {len(text):,} characters, and at most {SCHEMA_MAX_CHARACTERS:,} are"
            " allowed"
        )
    return text


@lru_cache(maxsize=512)
def _parameters_of(text: str) -> tuple[Mapping[str, Any] | None, str]:
    """Return the schema for a schema in JSON, or None and why there is none.

    A check takes milliseconds, and the schemas of a server are the same in each run.
    """
    schema = json.loads(text)
    try:
        if not META.is_valid(schema):
            return None, INVALID
        mended: dict[str, Any] = _with_items(_flat(schema))
    except (RecursionError, ValueError, TypeError, AttributeError):
        return None, INVALID
    if not all(map(KEY.fullmatch, mended["properties"])):
        return None, "an argument's name has other characters than A-Z a-z 0-9 _ . -"
    return mended, ""


def _flat(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without combinators at its root: their branches' properties are its own."""
    flat = {key: value for key, value in schema.items() if key not in NOT_AT_THE_ROOT}
    flat.pop("$schema", None)
    properties = dict(schema.get("properties") or {})
    branches = [it for keyword in COMBINATORS for it in schema.get(keyword) or ()]
    for branch in branches:
        if isinstance(branch, dict):
            for key, value in (branch.get("properties") or {}).items():
                properties.setdefault(key, value)
    if branches and flat.get("additionalProperties") is False:
        del flat["additionalProperties"]
    return {**flat, "type": "object", "properties": properties}


def _with_items(schema: Any) -> Any:
    """Return a schema in which each array says of which items; OpenAI demands it."""
    if isinstance(schema, list):
        return [_with_items(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    mended = {key: _with_items(value) for key, value in schema.items()}
    kind = mended.get("type")
    if (kind == "array" or (isinstance(kind, list) and "array" in kind)) and "items" not in mended:
        mended["items"] = {}
    return mended
