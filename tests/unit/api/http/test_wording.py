"""Messages contain no regular expressions, and no field names that don't exist."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from wegent_api.http.wording import OTHERWISE, WORDS, in_words, pydantic_message, reworded
from wegent_crds.kinds.account import EMAIL
from wegent_crds.models import MODELS
from wegent_crds.registry import KINDS


def patterns_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for value in schema.values():
            yield from patterns_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from patterns_in(value)


@pytest.mark.parametrize("kind", [kind.plural for kind in KINDS])
def test_each_pattern_of_each_kind_has_words(kind: str) -> None:
    missing = set(patterns_in(MODELS[kind].model_json_schema())) - set(WORDS)
    assert not missing


def status(*causes: dict[str, str]) -> dict[str, Any]:
    said = ", ".join(f"{it['field']}: {it['message']}" for it in causes)
    return {
        "kind": "Status",
        "message": f'Ghost.agent.wecode.io "x" is invalid: [{said}]',
        "details": {"name": "x", "causes": list(causes)},
    }


REQUIRED = {"reason": "FieldValueRequired", "field": "spec.a", "message": "Required value"}
NOT_CHECKED = {
    "reason": "FieldValueInvalid",
    "field": "<nil>",
    "message": "Invalid value: null: some validation rules were not checked",
}


def test_a_cause_without_a_field_is_left_out() -> None:
    found = reworded(status(REQUIRED, NOT_CHECKED))
    assert found["message"] == 'Ghost.agent.wecode.io "x" is invalid: spec.a: Required value'
    assert found["details"] == {"name": "x", "causes": [REQUIRED]}


def test_a_cause_that_is_the_only_one_stays_without_its_field() -> None:
    found = reworded(status(NOT_CHECKED))
    assert found["details"]["causes"] == [
        {"reason": "FieldValueInvalid", "message": NOT_CHECKED["message"]}
    ]
    assert "<nil>" not in found["message"]


def test_a_pattern_becomes_words() -> None:
    said = f"Invalid value: \"x\": spec.email in body should match '{EMAIL}'"
    cause = {"reason": "FieldValueInvalid", "field": "spec.email", "message": said}
    found = reworded(status(cause, REQUIRED))
    assert "must be an e-mail address" in found["details"]["causes"][0]["message"]
    assert EMAIL not in str(found)
    assert found["message"].endswith(", spec.a: Required value]")
    foreign = cause | {"message": "spec.x in body should match '^(a|b)+$'"}
    assert OTHERWISE in str(reworded(status(foreign)))


@pytest.mark.parametrize(
    "odd", [{}, {"details": None}, {"details": {"causes": [1]}}, {"details": {"causes": None}}]
)
def test_any_status_passes(odd: dict[str, Any]) -> None:
    assert reworded(odd) == odd


def test_pydantics_words_too() -> None:
    assert pydantic_message(f"String should match pattern '{EMAIL}'") == in_words(EMAIL)
    assert pydantic_message("Field required") == "Field required"


@pytest.mark.parametrize(
    "address",
    [
        "developer@example.com",
        "пользователь@пример.рф",
        "用户@例子.公司",
        "jörg@müller.de",
        "josé@x",
    ],
)
def test_addresses_of_all_scripts(address: str) -> None:
    assert re.fullmatch(EMAIL, address)


@pytest.mark.parametrize(
    "address",
    ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a@-b", "a@b-", "a\u200b@b", "a@b\u202e",
     "a\u00a0@b", "a\n@b", "a@b\u3000c", "\ufeffa@b"],
)  # fmt: skip
def test_what_is_no_address(address: str) -> None:
    assert not re.fullmatch(EMAIL, address)
