"""Schemas of tools' arguments, in the form that all providers take."""

from typing import Any

import pytest

from wegent_runner.agents.mcp.schemas import SCHEMA_MAX_CHARACTERS, SchemaRefused, parameters_of


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return {"type": "object", "properties": {"a": schema}}


def test_an_ordinary_schema_stays() -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"$ref": "#/$defs/days"}},
        "required": ["city"],
        "additionalProperties": False,
        "$defs": {"days": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
    }
    assert parameters_of(schema) == schema


def test_a_schema_without_properties_gets_none() -> None:
    assert parameters_of({"type": "object", "$schema": "x"}) == {"type": "object", "properties": {}}


def test_branches_at_the_root_become_properties() -> None:
    """OpenAI and Anthropic refuse anyOf there, which a large server had one day."""
    schema = {
        "type": "object",
        "anyOf": [
            {"properties": {"url": {"type": "string"}}, "required": ["url"]},
            {"properties": {"text": {"type": "string"}}, "required": ["text"]},
        ],
        "additionalProperties": False,
    }
    assert parameters_of(schema) == {
        "type": "object",
        "properties": {"url": {"type": "string"}, "text": {"type": "string"}},
    }


def test_arrays_get_items() -> None:
    schema = {"type": "object", "properties": {"tags": {"type": ["array", "null"]}}}
    assert parameters_of(schema)["properties"]["tags"]["items"] == {}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "object", "properties": {"a": {"type": "strin"}}}, "not a JSON Schema"),
        ({"type": "object", "required": [1]}, "not a JSON Schema"),
        ({"type": "object", "properties": {"a b": {}}}, "argument's name"),
        ({"type": "object", "properties": {"a": {}}, "anyOf": [7]}, "not a JSON Schema"),
        ({"type": "object", "x": "y" * SCHEMA_MAX_CHARACTERS}, "at most 32,768 are allowed"),
        (nested(900), "not a JSON Schema"),
    ],
)
def test_a_schema_that_no_provider_takes_is_refused(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(SchemaRefused, match=told):
        parameters_of(schema)
