"""Checks of answers against the schema of a result, and what an LLM is told of them."""

import json
import resource
from typing import Any, Final

import pytest

from wegent_crds.output_schema import SchemaNotAllowed
from wegent_runner.agents.structured import OutputSchema, Problems, ordered

SCHEMA: Final[dict[str, Any]] = {
    "title": "Two cities",
    "type": "object",
    "$defs": {"city": {"type": "string", "pattern": "^[A-Z]", "maxLength": 60_000}},
    "properties": {
        "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "cities": {"type": "array", "items": {"$ref": "#/$defs/city"}},
        "day": {"format": "date"},
    },
    "required": ["cities", "b"],
    "additionalProperties": False,
}
GOOD: Final = '{"cities":["Bern"],"b":null}'


def check(text: str, schema: dict[str, Any] | None = None) -> str | Problems:
    return OutputSchema.compile(SCHEMA if schema is None else schema).check(text)


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        '\n{"cities": [ "Bern" ],\r\n "b": null }\n',
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```\n",
        f"Here is the JSON:\n\n  ```JSON\n{GOOD}\n  ```\nIs that all?",
        f"```json\n{GOOD}",
        f"\ufeff{GOOD}",
    ],
)
def test_valid(answer: str) -> None:
    assert check(answer) == GOOD


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "the answer: it is empty"),
        ("  ```\n```", "the answer: it is empty"),
        ("Bern", "the answer: it is not JSON: Expecting value at line 1, column 1"),
        ('{"cities": ["Bern"],\n "b": nul}', "it is not JSON: Expecting value at line 2, column 7"),
        (f"{GOOD} and more", "it is not JSON: Extra data"),
        (f"```\n{GOOD}\n```\n```\n{GOOD}\n```", "it is not JSON"),
        ('{"b":NaN}', "the answer: it is not JSON: NaN is not a number there"),
        ('{"b":1e999}', "the answer: the number 1e999 is too large"),
        (f'{{"b":{"9" * 5000}}}', "the answer: it has a number that is too long"),
        ('{"b":1,"b":2}', 'the answer: an object has the key "b" twice'),
        ("[]", 'the answer: [] is not of type "object"'),
        ("{}", 'the answer: "cities" is a required property; the answer: "b" is a required'),
        ('{"cities":["Bern","x"],"b":""}', 'cities[1]: "x" does not match "^[A-Z]"'),
        (
            '{"cities":[],"b":1}',
            """keyword (1 is not of type "string"; or 1 is not of type "null")""",
        ),
        ('{"cities":[],"b":"","day":"31 May"}', 'day: "31 May" is not a "date"'),
        ('{"cities":[],"b":"","c":1}', "('c' was unexpected)"),
    ],
)
def test_not_valid(answer: str, said: str) -> None:
    problems = check(answer)
    assert isinstance(problems, Problems)
    assert said in str(problems)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('"' + "x" * 1_000_000 + '"', "it has 1000002 characters, and at most 65536 are allowed"),
        ('"' + "x" * 70_000 + '"', "it has 70002 characters of JSON, and at most 65536 are"),
        ("[" * 100_000, "it has more than 64 levels of objects and lists"),
        ("[" * 900 + "]" * 900, "it has more than 64 levels of objects and lists"),
        ("[" * 66 + "]" * 66, "it has more than 64 levels of objects and lists"),
        ("```x\n" * 52_000, "it is not JSON"),
    ],
)
def test_large_answers(answer: str, said: str) -> None:
    problems = check(answer, {})
    assert isinstance(problems, Problems)
    assert said in str(problems)
    assert check("[" * 64 + "]" * 64, {}) == "[" * 64 + "]" * 64
    assert check('"' + "x" * 65_534 + '"' + " " * 100_000, {}) == '"' + "x" * 65_534 + '"'


def test_an_answer_that_multiplies_the_checks() -> None:
    answer = '{"a":' * 60 + "1" + "}" * 60
    problems = check(answer, {"allOf": [{"properties": {"a": {"$ref": "#"}}}] * 2})
    assert "too costly: it takes more than 100000 steps" in str(problems)


def test_an_evil_pattern_takes_linear_time() -> None:
    problems = check('"' + "a" * 60_000 + '!"', {"pattern": "^(a+)+$"})
    assert isinstance(problems, Problems)
    assert len(str(problems)) < 300, "the answer is repeated in part"


def test_at_most_ten_problems_are_told() -> None:
    problems = check("[" + ",".join("1" * 1000) + "]", {"items": {"type": "string"}})
    assert isinstance(problems, Problems)
    assert len(problems.told) == 10
    assert str(problems).endswith('[9]: 1 is not of type "string"; and more')


FIRST: Final = ("[0]: 1 is not of type", "; and more")
NONE: Final = ("the answer: it is not valid, in too many ways to name one", "")
MANY: Final = "[" + ",".join("1" * 30_000) + "]"


@pytest.mark.parametrize(
    ("schema", "answer", "said"),
    [
        ({"items": {"type": "string"}}, MANY, FIRST),
        ({"allOf": [False] * 1500}, MANY, ("the answer: False schema", "; and more")),
        (
            {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            MANY[:20_000] + "]",
            ("[0]: 1 is not valid under any", 'not of type "null"); and more'),
        ),
        ({"anyOf": [False] * 1500}, MANY, NONE),
        ({"anyOf": [{"items": {"type": "string"}}]}, MANY, NONE),
        (
            {"propertyNames": {"maxLength": 1}},
            json.dumps({str(n): 0 for n in range(1000, 5000)}),
            ("the answer: ", "; and more"),
        ),
        (
            {"properties": {"k" * 20_000: {"items": {"type": "string"}}}},
            json.dumps({"k" * 20_000: [1] * 5000}),
            ("kkk", "; and more"),
        ),
        (
            {"items": {"required": [f"p{n}" for n in range(40)]}},
            json.dumps([{}] * 5000),
            ('[0]: "p0" is a required property', "; and more"),
        ),
    ],
)
def test_many_problems_take_little_memory(
    schema: dict[str, Any], answer: str, said: tuple[str, str]
) -> None:
    """Each error of the library has a copy of what is wrong: some of these took gigabytes."""
    compiled = OutputSchema.compile(schema)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problems = compiled.check(answer)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert isinstance(problems, Problems)
    assert len(problems.told) == 1
    assert used < 40_000, "KiB"
    assert len(str(problems)) < 500
    assert str(problems).startswith(said[0])
    assert str(problems).endswith(said[1])


def test_text_that_can_not_be_stored() -> None:
    assert check(r'"\ud800 \u0000 \ud83d\ude00"', {}) == r'"' + "\ufffd" + r' \u0000 😀"'
    problems = check(r'"\ud800"', {"maxLength": 0})
    str(problems).encode()


def test_what_an_llm_is_told() -> None:
    schema = OutputSchema.compile(SCHEMA)
    told = schema.instructions()
    assert json.loads(told[told.index("{") :]) == SCHEMA
    assert schema.form.name == "Two_cities"
    assert OutputSchema.compile({"title": "?" * 99}).form.name == "result"
    problems = schema.check('{"cities":[1]}')
    assert isinstance(problems, Problems)
    told = schema.correction(problems)
    assert '\n- cities[0]: 1 is not of type "string"\n' in told
    assert json.loads(told[told.index("{") :]) == SCHEMA


def test_properties_are_in_the_order_of_required() -> None:
    """The API server sorts the keys of an object, and keeps the order of a list."""
    stored = json.loads(json.dumps(SCHEMA, sort_keys=True))
    assert [*OutputSchema.compile(stored).definition["properties"]] == ["cities", "b", "day"]
    assert ordered({"properties": {"required": {}}, "required": [1, "x"]}) == {
        "properties": {"required": {}},
        "required": [1, "x"],
    }


def test_a_schema_that_is_not_allowed() -> None:
    with pytest.raises(SchemaNotAllowed, match=r"spec\.outputSchema\.type: 1 is not valid"):
        OutputSchema.compile({"type": 1})
