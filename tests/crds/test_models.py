"""The models in Python: parsing, serialisation, defaults, and documentation for a REST API."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.crds.samples import FULL, MINIMAL, body
from wegent_crds.kinds.ghost import Ghost
from wegent_crds.kinds.skill import Skill
from wegent_crds.models import MODELS
from wegent_crds.registry import KINDS
from wegent_crds.schema.metadata import ANNOTATIONS_MAX_BYTES, ObjectMeta
from wegent_crds.schema.status import PENDING_MESSAGE

PLURALS = [kind.plural for kind in KINDS]
META = {"name": "sample"}


@pytest.mark.parametrize("plural", PLURALS)
@pytest.mark.parametrize("specs", [MINIMAL, FULL], ids=["minimal", "full"])
def test_a_body_comes_out_as_it_went_in(plural: str, specs: Any) -> None:
    spec = specs[plural] if specs is MINIMAL else specs[plural][0]
    model = MODELS[plural].model_validate(body(plural, spec))
    out = model.body()
    assert out["metadata"] == META
    assert out["spec"].items() >= spec.items() or plural in ("teams", "ghosts", "skills")
    assert MODELS[plural].model_validate(out) == model


def test_defaults_are_those_of_the_schema() -> None:
    team = MODELS["teams"].model_validate(body("teams")).body()
    assert team["spec"] == {
        "bots": [{"name": "bot", "namespace": "", "role": "member"}],
        "collaborationMode": "solo",
    }
    assert [(item["type"], item["status"]) for item in team["status"]["conditions"]] == [
        ("ResolvedRefs", "Unknown"),
        ("Ready", "Unknown"),
    ]
    assert team["status"]["conditions"][1]["message"] == PENDING_MESSAGE


def test_models_cannot_be_changed_by_accident() -> None:
    ghost = Ghost.model_validate(body("ghosts"))
    with pytest.raises(ValidationError, match="frozen"):
        ghost.spec.system_prompt = "You harm."  # type: ignore[misc]


def test_what_the_server_adds_to_metadata_is_let_by() -> None:
    stored = {
        **META,
        "uid": "9c1",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-01-31T12:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
        "finalizers": ["agent.wecode.io/trash"],
        "labels": {"a": None},
    }
    metadata = ObjectMeta.model_validate(stored)
    assert metadata.body() == {**stored, "labels": {"a": ""}}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, "name or generateName is required"),
        ({"name": "", "generateName": None}, "name or generateName is required"),
        ({"name": "a" * 254}, "at most 253 characters"),
        ({"name": "A"}, "lower case RFC 1123 subdomain"),
        ({"generateName": "-"}, "generateName|subdomain"),
        ({"name": "a", "generateName": "a."}, "generateName must begin"),
        ({**META, "labels": {f"{'a' * 254}/b": ""}}, "qualified names"),
        ({**META, "annotations": {"a b": ""}}, "qualified names"),
        ({**META, "annotations": {"a": "é" * (ANNOTATIONS_MAX_BYTES // 2)}}, "256 KiB"),
        ({**META, "surprise": None}, "surprise"),
    ],
)
def test_metadata_is_validated_as_kubernetes_does(metadata: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ObjectMeta.model_validate(metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": "a", "annotations": {"a": "é" * (ANNOTATIONS_MAX_BYTES // 2 - 1)}},
        {"name": "a", "annotations": {"Example.com/A": ""}},
        {"generateName": "review-"},
        {"name": "a" * 253, "generateName": ""},
    ],
)
def test_metadata_at_the_edge_passes(metadata: dict[str, Any]) -> None:
    ObjectMeta.model_validate(metadata)


def test_several_faults_are_told_at_once() -> None:
    spec = {"description": "", "tags": ["a", "a"], "version": "1 2"}
    with pytest.raises(ValidationError) as caught:
        Skill.model_validate(body("skills", spec))
    assert {error["loc"] for error in caught.value.errors()} == {
        ("spec", "description"),
        ("spec", "tags"),
        ("spec", "version"),
    }


@pytest.mark.parametrize("plural", PLURALS)
def test_the_json_schema_serves_as_documentation(plural: str) -> None:
    schema = MODELS[plural].model_json_schema(ref_template="#/components/schemas/{model}")
    kind = schema["properties"]["kind"]
    assert kind["const"] == schema["title"]
    assert schema["properties"]["spec"]["$ref"] == f"#/components/schemas/{schema['title']}Spec"
    described = [schema, *schema["$defs"].values()]
    for part in described:
        assert part["description"]
        for name, field in part["properties"].items():
            assert "description" in field or "$ref" in field, name
            # Null means absent, so the documentation doesn't tell readers to send it.
            assert "anyOf" not in field, name
            assert field.get("default", 0) is not None, name
