"""Formats of answers, as schemas of Tasks, and back."""

from typing import Any, Final

import pytest

from wegent_api.openai_api.errors import Refusal
from wegent_api.openai_api.formats import format_of, output_schema_of

SCHEMA: Final = {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}
TITLED: Final = {"title": "answer", **SCHEMA}


def chat(**more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, **more}}


def response(**more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "name": "answer", "schema": SCHEMA, **more}


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (None, None),
        ({}, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        (chat(strict=True), TITLED),
        (response(strict=None, description="An answer"), TITLED),
        (chat(schema={"title": "Mine"}), {"title": "Mine"}),
        (response(name=None), SCHEMA),
    ],
)
def test_of_a_request(value: Any, schema: Any) -> None:
    assert output_schema_of(value, "response_format") == schema


@pytest.mark.parametrize(
    ("value", "param", "said"),
    [
        ("text", "f", "must be an object"),
        ({"type": "grammar"}, "f", "must be of type text, json_object or json_schema"),
        ({"type": ["text"]}, "f", "must be of type text, json_object or json_schema"),
        ({"type": "json_schema"}, "f.schema", "must be an object, which is a JSON Schema"),
        ({"type": "json_schema", "json_schema": 1}, "f.json_schema", "must be an object"),
        (chat(schema=True), "f.json_schema.schema", "must be an object"),
        (chat(name="a b"), "f.json_schema.name", "must have 1 to 64 letters"),
        (response(schema={"type": "objct"}), "f.schema.type", '"objct" is not valid'),
        (chat(schema={"$ref": "https://x/y"}), "f.json_schema.schema.$ref", "must be # or"),
    ],
)
def test_refused(value: Any, param: str, said: str) -> None:
    with pytest.raises(Refusal) as refused:
        output_schema_of(value, "f")
    assert refused.value.status == 400
    assert refused.value.param == param
    assert said in refused.value.message


def test_of_a_response() -> None:
    assert format_of(None) == {"type": "text"}
    assert format_of({"type": "object"}) == {"type": "json_object"}
    shown = format_of(TITLED)
    assert shown == {**response(), "schema": TITLED, "description": None, "strict": True}
    assert format_of({"title": "My answer"})["name"] == "result"
