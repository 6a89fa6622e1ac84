"""Which JSON Schemas a Task may have for its result, and what a check by them costs: tables."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from wegent_crds.output_schema import SCHEMA_MAX_BYTES, SchemaNotAllowed, compile_schema
from wegent_crds.schema_cost import TooCostly

TREE: Final = {
    "$defs": {"node": {"properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#"}}}},
    "$ref": "#/$defs/node",
}

NAMES: Final = [f"p{n}" for n in range(500)]


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels - 1):
        schema = {"not": schema}
    return schema


def _chain(links: int, times: int = 1) -> dict[str, Any]:
    """Return a schema of definitions that each refer to the next, once or several times."""
    links_ = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * times} for n in range(links)}
    return {"$defs": {**links_, f"d{links}": {"type": "object"}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        TREE,
        _nested(32),
        {"properties": {"$ref": {"type": "string"}, "unevaluatedItems": {"const": None}}},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"a": {"type": "integer"}},
            "dependencies": {"a": ["b"]},
            "items": [{"$ref": "#/definitions/a"}],
        },
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            **dict.fromkeys(("dependentRequired", "dependentSchemas", "prefixItems"), 5),
        },
        {"$id": "https://example.com/x", "$defs": {"a/b~": {}}, "$ref": "#/$defs/a~1b~0"},
        {"enum": [[]] * 498},
        {"pattern": r"^(a+)+\p{L}+$"},
    ],
)
def test_allowed(schema: dict[str, Any]) -> None:
    compile_schema(schema).check_cost({})


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "objct"}, 'spec.outputSchema.type: "objct" is not valid'),
        (
            {"properties": {"a": {"anyOf": [{}, {"minimum": "1"}]}}},
            'spec.outputSchema.properties.a.anyOf[1].minimum: "1" is not of type "number"',
        ),
        ({"properties": None}, 'spec.outputSchema.properties: null is not of type "object"'),
        ({"pattern": "(a"}, "spec.outputSchema.pattern: must be a regular expression without"),
        ({"pattern": "(?=a)b"}, "spec.outputSchema.pattern: must be a regular expression without"),
        ({"pattern": "(a{999}){999}"}, "bound a length with maxLength"),
        ({"patternProperties": {"(?!a)": {}}}, 'and is "(?!a)"'),
        ({"properties": {f"p{n}": {"pattern": "a"} for n in range(65)}}, "at most 64 regular"),
        ({"$ref": "http://127.0.0.1:1/x.json"}, "spec.outputSchema.$ref: must be # or the place"),
        ({"$ref": "file:///etc/passwd"}, "spec.outputSchema.$ref: must be # or the place"),
        ({"$ref": "#/$defs/none"}, 'and is "#/$defs/none"'),
        ({"else": {"$ref": "#/x"}, "x": {}}, "spec.outputSchema.else.$ref: must be"),
        ({"$schema": "http://127.0.0.1:1/meta"}, "Unknown meta-schema"),
        ({"items": {"$id": "http://x"}}, "spec.outputSchema.items.$id: is not supported"),
        ({"unevaluatedProperties": False}, "unevaluatedProperties: is not supported; remove it"),
        ({"$ref": "#"}, "refers to itself for the same value"),
        ({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, "#/$defs/a/not to #/$defs/a"),
        (_nested(33), "must have at most 32 levels of objects and lists"),
        (_nested(5000), "must have at most 32 levels of objects and lists"),
        ({"enum": [[]] * 499}, "at most 500 objects and lists, and has 501"),
        ({"title": "x" * SCHEMA_MAX_BYTES}, "must have at most 32768 bytes as JSON"),
        (_chain(40, 2), "a check even of {} would not end: it takes more than 2000 steps"),
        (_chain(160), "too many nested subschemas"),
        ({"title": "\ud800"}, "surrogates not allowed"),
    ],
)
def test_refused(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(SchemaNotAllowed) as refused:
        compile_schema(schema)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 700


def test_other_than_an_object() -> None:
    with pytest.raises(SchemaNotAllowed, match="response_format: must be an object"):
        compile_schema([], "response_format")  # type: ignore[arg-type]


def _line(length: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(length):
        value = {"left": value}
    return value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (TREE, _line(60)),
        ({"items": {"type": "string", "pattern": "^a+$"}}, ["a" * 30_000] * 3),
        ({"items": {"items": {"type": "integer"}}}, [[1] * 300] * 300),
        ({"items": {"enum": [f"{n:03}" for n in range(250)]}}, ["249"] * 3000),
        ({"enum": [*range(5000)], "required": NAMES}, {}),
    ],
)
def test_affordable(schema: dict[str, Any], value: Any) -> None:
    compile_schema(schema).check_cost(value)


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        # Each level of the value doubles the checks of the next.
        ({"allOf": [{"properties": {"left": {"$ref": "#"}}}] * 2}, _line(40), "100000 steps"),
        ({"items": {"pattern": "^a+$"}}, ["a" * 30_000] * 4, "100000 steps"),
        ({"propertyNames": {"pattern": "a"}}, {"a" * 100_001: 1}, "100000 steps"),
        ({"patternProperties": {"a": {}, "b": {}}}, {"a" * 50_001: 1}, "100000 steps"),
        ({"prefixItems": [{}], "items": {"contains": {}}}, [[1] * 500] * 500, "100000 steps"),
        (TREE, _line(400), "too many nested subschemas"),
        ({"items": {"required": NAMES}}, [{} for _ in range(5000)], "100000 steps"),
        (
            {"items": {"dependentRequired": {"a": NAMES}}},
            [{"a": 1} for _ in range(5000)],
            "100000 steps",
        ),
        ({"items": {"properties": dict.fromkeys(NAMES, True)}}, [{}] * 5000, "100000 steps"),
        ({"items": {"enum": [*range(500)]}}, [-1] * 32_000, "100000 steps"),
        ({"items": {"const": [*range(500)]}}, [-1] * 32_000, "100000 steps"),
        ({"items": {"not": {"enum": [[n] for n in range(480)]}}}, [[-1]] * 11_000, "100000 steps"),
        ({"items": {"anyOf": [True] * 1000}}, [-1] * 1000, "100000 steps"),
        ({"allOf": [{"uniqueItems": True}] * 400}, [*range(10_000)], "100000 steps"),
    ],
)
def test_too_costly(schema: Mapping[str, Any], value: Any, said: str) -> None:
    compiled = compile_schema(schema)
    with pytest.raises(TooCostly, match=said):
        compiled.check_cost(value)
