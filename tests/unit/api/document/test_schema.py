"""The OpenAPI document: names for generated clients, and valid examples."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml

from devcluster.checkout import CHECKOUT
from wegent_api.app import create_app
from wegent_api.http import examples
from wegent_api.settings import Settings
from wegent_crds.registry import BY_KIND

DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
VERBS = (
    *(
        "answer",
        "apply",
        "cancel",
        "change",
        "create",
        "delete",
        "follow",
        "get",
        "leave",
        "list",
        "login",
        "open",
    ),
    *("purge", "put", "refresh", "register", "replace", "reset", "restore", "revoke", "test"),
)
each = pytest.mark.parametrize(
    "operation", [it for _, it in OPERATIONS], ids=[name for name, _ in OPERATIONS]
)


@each
def test_operations_are_named_by_verb_and_noun(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    assert re.fullmatch(rf"({'|'.join(VERBS)})([A-Z][a-z]+)*", name), name
    assert [it["operationId"] for _, it in OPERATIONS].count(name) == 1


@each
def test_parameters_have_one_type(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        assert "null" not in str(parameter["schema"]), parameter
        types = [it.get("type") for it in parameter["schema"].get("anyOf", ())]
        assert len(types) == len(set(types)), parameter


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, operation in OPERATIONS:
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            yield name, media_type, content


@pytest.mark.parametrize(
    ("media_type", "content"),
    [pytest.param(media, content, id=f"{name} {media}") for name, media, content in bodies()],
)
def test_each_body_has_an_example_that_holds(media_type: str, content: dict[str, Any]) -> None:
    schema = {**content.get("schema", {}), "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(schema).validate(content["example"])
    if media_type.endswith("yaml"):
        assert isinstance(content["example"], dict)  # Swagger UI turns it into YAML


@each
def test_one_body_of_an_operation_has_a_schema_in_json(operation: dict[str, Any]) -> None:
    """From two, openapi-python-client makes functions that fail."""
    content = operation.get("requestBody", {}).get("content", {})
    made = [name for name, it in content.items() if "schema" in it and not name.endswith("yaml")]
    assert made == list(content)[:1] or made == ["application/json"], content


def test_examples_are_not_those_of_the_folder() -> None:
    there = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (CHECKOUT / "examples").glob("*.yaml")
    ]
    taken = {(BY_KIND[it["kind"]].plural, it["metadata"]["name"]) for it in there}
    assert not taken & {(plural, it["metadata"]["name"]) for plural, it in examples.KINDS.items()}
