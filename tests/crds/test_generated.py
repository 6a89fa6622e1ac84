"""The files in ``crds/`` follow from the models and keep the project's rules."""

from pathlib import Path

import pytest

from codegen.__main__ import main
from codegen.files import MARK
from codegen.structural import NotStructuralError, structural_schema
from devcluster.checkout import CHECKOUT
from tests.crds.schemas import definition, root_schema, subschemas
from wegent_crds.models import model_of
from wegent_crds.registry import KINDS, TOMBSTONE, Kind

PLURALS = [kind.plural for kind in KINDS]


def test_what_is_committed_is_what_would_be_generated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_check_shows_what_differs_and_what_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path)]) == 0
    crds = tmp_path / "crds"
    assert {file.name for file in crds.iterdir()} == {f"{kind.singular}.yaml" for kind in KINDS}
    ghost = (crds / "ghost.yaml").read_text()
    (crds / "ghost.yaml").write_text(ghost.replace("maxLength: 131072", "maxLength: 7"))
    (crds / "gone.yaml").write_text(f"{MARK}\nkind: Gone\n")
    (crds / "by-hand.yaml").write_text("kind: Mine\n")
    capsys.readouterr()

    assert main(["--check", "--root", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "-                maxLength: 7\n+                maxLength: 131072\n" in shown.out
    assert "-kind: Gone" in shown.out
    assert "Mine" not in shown.out
    assert "make generate" in shown.err

    assert main(["--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == ["wrote crds/ghost.yaml", "wrote crds/gone.yaml"]
    assert (crds / "ghost.yaml").read_text() == ghost
    assert not (crds / "gone.yaml").exists()
    assert (crds / "by-hand.yaml").exists()
    assert main(["--check", "--root", str(tmp_path)]) == 0


def test_each_file_says_what_it_is_generated_from() -> None:
    for kind in KINDS:
        header = (CHECKOUT / "crds" / f"{kind.singular}.yaml").read_text().splitlines()[:2]
        assert header[0] == MARK
        assert f"crds/wegent_crds/kinds/{kind.singular}.py" in header[1]


@pytest.mark.parametrize("plural", PLURALS)
def test_everything_is_bounded_described_and_mergeable(plural: str) -> None:
    for path, schema in subschemas(root_schema(plural)):
        if path in ("", ".apiVersion", ".kind", ".metadata", ".metadata.name"):
            continue
        if schema["type"] == "string":
            assert "maxLength" in schema or "enum" in schema, path
        if schema["type"] in ("integer", "number"):
            assert "minimum" in schema, path
        if schema["type"] == "integer":
            assert "format" in schema, path
        if schema["type"] == "array":
            assert "maxItems" in schema, path
            assert "x-kubernetes-list-type" in schema, path
        if "additionalProperties" in schema:
            assert "maxProperties" in schema, path
        if not path.endswith(("[]", ".*")):
            assert schema.get("description"), path
            assert "\n" not in schema["description"].replace("\n\n", ""), path


@pytest.mark.parametrize("kind", KINDS, ids=PLURALS)
def test_names_and_columns(kind: Kind) -> None:
    crd = definition(kind.plural)
    assert crd["metadata"]["name"] == f"{kind.plural}.agent.wecode.io"
    names = crd["spec"]["names"]
    assert names["categories"] == (["wegent"] if kind.user_facing else [])
    assert names["listKind"] == f"{kind.kind}List"
    assert names["singular"] == kind.kind.lower()
    (version,) = crd["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    columns = {it["name"]: it.get("priority", 0) for it in version["additionalPrinterColumns"]}
    assert len(columns) > 4
    assert list(columns)[-4:] == ["Ready", "Reason", "Age", "Message"]
    assert columns["Reason"] == (1 if kind is TOMBSTONE else 0), "a word, where it has room"
    assert columns["Message"] == 1, "a sentence, if asked"


def test_only_referable_kinds_say_who_may_refer_to_them() -> None:
    having = {
        kind.kind
        for kind in KINDS
        if "accessFrom" in root_schema(kind.plural)["properties"]["spec"]["properties"]
    }
    assert having == {kind.kind for kind in KINDS if kind.referable}


def test_a_kind_without_a_model_of_its_name_is_told() -> None:
    with pytest.raises(
        TypeError, match=r"wegent_crds.kinds.task_status has no CustomResource named Task_Status"
    ):
        model_of(Kind("Task_Status", "task_statuses", ()))


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "M.x: anyOf"),
        ({"type": "object", "additionalProperties": True}, "M.x: additionalProperties"),
        ({"type": "object", "propertyNames": {"maxLength": 3}}, "M.x: propertyNames"),
        ({"type": "array", "prefixItems": []}, "M.x: prefixItems"),
        ({"description": "anything"}, "M.x: a structural schema has one type"),
    ],
)
def test_what_a_structural_schema_cannot_say_is_an_error(field: object, said: str) -> None:
    with pytest.raises(NotStructuralError, match=said):
        structural_schema({"title": "M", "type": "object", "properties": {"x": field}})


def test_references_are_put_in_their_place() -> None:
    schema = structural_schema(
        {
            "title": "M",
            "type": "object",
            "additionalProperties": False,
            "properties": {"a": {"$ref": "#/$defs/A", "description": "Here."}},
            "$defs": {"A": {"title": "A", "type": "string", "const": "x", "description": "There."}},
        }
    )
    assert schema == {
        "type": "object",
        "properties": {"a": {"description": "Here.", "type": "string", "enum": ["x"]}},
    }
