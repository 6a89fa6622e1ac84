"""Generated regions in Markdown, and schemas in words."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.chart_policies import template
from codegen.chart_values import VALUES, Value, type_of, values
from codegen.docs import names, targets
from codegen.fields import field_table, rule_list, type_and_bounds
from codegen.files import GeneratedRegion, differences, write, yaml_file
from codegen.rights import refusals, rights
from devcluster.checkout import CHECKOUT
from wegent_crds.registry import ACCOUNT, GHOST

PAGE = Path("page.md")
BEGIN, END = "<!-- generated: a (make generate) -->", "<!-- end of generated: a -->"


def region(text: str, name: str = "a") -> GeneratedRegion:
    return GeneratedRegion(PAGE, name, text)


def test_a_region_is_replaced_and_the_rest_is_left_alone() -> None:
    before = f"# Page\n\n{BEGIN}\nold\n{END}\n\nBy hand.\n"
    after = region("new").applied_to(before)
    assert after == before.replace("old", "new")
    assert region("new").applied_to(after) == after


def test_a_region_without_a_place_goes_to_the_end() -> None:
    assert region("new").applied_to("# Page\n") == f"# Page\n\n{BEGIN}\nnew\n{END}\n"
    assert region("new").applied_to("") == f"{BEGIN}\nnew\n{END}\n"


def test_a_region_that_does_not_end_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"page\.md: .* has no <!-- end of generated: a -->"):
        region("new").applied_to(f"{BEGIN}\nold\n\nBy hand.\n")


def test_several_regions_of_one_file_are_one_change(tmp_path: Path) -> None:
    wanted = [region("first"), region("second", "b")]
    [diff] = ["".join(differences(tmp_path, wanted))]
    assert diff.count("--- page.md") == 1
    assert list(write(tmp_path, wanted)) == [PAGE]
    text = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert text.index("first") < text.index("second")
    assert list(differences(tmp_path, wanted)) == []
    assert list(write(tmp_path, wanted)) == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "boolean"}, "boolean"),
        ({"type": "integer", "minimum": 1, "maximum": 604800}, "integer, 1 to 604,800"),
        ({"type": "number", "minimum": 0, "maximum": 0.5}, "number, 0 to 0.5"),
        ({"type": "integer", "minimum": 0}, "integer, at least 0"),
        ({"type": "string", "maxLength": 5}, "string, up to 5 characters"),
        (
            {"type": "string", "maxLength": 5, "pattern": "^a|b$"},
            r"string, up to 5 characters, matching `^a\|b$`",
        ),
        ({"type": "string", "enum": ["a", "b"]}, "one of `a`, `b`"),
        ({"type": "object"}, "object"),
        (
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "object of any fields",
        ),
        (
            {
                "type": "object",
                "maxProperties": 2,
                "additionalProperties": {"type": "string", "maxLength": 9},
            },
            "map of up to 2 items (string, up to 9 characters) by name",
        ),
        (
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 4,
                "items": {"type": "object", "properties": {}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["namespace", "name"],
            },
            "list of 1 to 4 objects, identified by `namespace` and `name`",
        ),
        (
            {
                "type": "array",
                "maxItems": 4,
                "items": {"type": "string", "enum": ["a"]},
                "x-kubernetes-list-type": "set",
            },
            "list of up to 4 items (one of `a`), each once",
        ),
    ],
)
def test_types_and_bounds_in_words(schema: dict[str, Any], words: str) -> None:
    assert type_and_bounds(schema) == words


SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["b"],
    "properties": {
        "far": {"type": "object", "description": "Far.", "properties": {"x": {"type": "object"}}},
        "a": {"type": "boolean", "default": False, "description": "One | two."},
        "b": {
            "type": "object",
            "description": "B.",
            "properties": {"c": {"type": "string", "maxLength": 1, "default": ""}},
            "x-kubernetes-validations": [
                {"rule": "true", "message": "c must fit", "fieldPath": ".c"}
            ],
        },
    },
}


def test_required_fields_come_first_and_what_is_explained_elsewhere_last() -> None:
    assert field_table("spec", SPEC, {"spec.far": "far.md"}).splitlines()[2:] == [
        "| `spec.b`, **required** | object |  | B. |",
        '| `spec.b.c` | string, up to 1 characters | `""` |  |',
        r"| `spec.a` | boolean | `false` | One \| two. |",
        "| `spec.far` | object |  | Far. [More](far.md). |",
    ]


def test_rules_name_the_field_that_the_api_server_names() -> None:
    assert rule_list("spec", SPEC) == "- `spec.b.c`: c must fit"


def test_names_say_who_refers_to_whom() -> None:
    assert "- Refers to: [Skill](skill.md), by `spec.skillRefs[]`" in names(GHOST)
    assert "- Referred to by: [Bot](bot.md)" in names(GHOST)
    assert "REST" not in names(ACCOUNT)


def test_targets_are_those_with_a_description() -> None:
    makefile = "up: env ## Run it\n\t@run\n\n$(VENV)/x: y\n\n.PHONY: up\nhidden: env\n"
    assert targets(makefile).splitlines()[2:] == ["| `make up` | Run it |"]


def test_rights_name_what_they_are_confined_to() -> None:
    rule = {"resources": ["clusterroles"], "resourceNames": ["a", "b"], "verbs": ["bind"]}
    assert rights({"rules": [rule]}).splitlines()[2:] == [
        "| `clusterroles`, only `a`, `b` | bind |"
    ]


def test_refusals_are_those_of_validating_policies() -> None:
    constraints = {"resourceRules": [{"operations": ["CREATE", "UPDATE"], "resources": ["bots"]}]}
    policy = {
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": constraints, "validations": [{"message": "no"}]},
    }
    other = {"kind": "Role", "metadata": {"name": "r"}}
    assert refusals([other, policy]).splitlines()[2:] == [
        "| `p` | CREATE and UPDATE of `bots` | no |"
    ]


def test_a_policy_has_the_names_of_the_release_but_its_own_name_stays() -> None:
    policy = "metadata:\n  name: wegent-accounts\n  namespace in ['wegent-accounts']\n"
    assert template(policy) == (
        "{{- if .Values.policies.enabled }}\nmetadata:\n  name: wegent-accounts\n"
        "  namespace in ['{{ .Values.accounts.namespace }}']\n{{- end }}\n"
    )


def test_cel_that_looks_like_helm_is_escaped() -> None:
    assert '{{ "{{" }}' in template("expression: {{}}")


def test_every_value_of_the_chart_is_documented_above_its_default() -> None:
    sections = {it.path: it.is_section for it in values()}

    def walk(prefix: str, part: dict[str, Any]) -> None:
        for name, default in part.items():
            assert prefix + name in sections
            if sections[prefix + name]:
                walk(f"{prefix}{name}.", default)

    walk("", yaml.safe_load((CHECKOUT / VALUES).read_text(encoding="utf-8")))
    assert len(sections) > 150


def test_a_value_whose_default_does_not_tell_its_type_needs_a_row() -> None:
    with pytest.raises(ValueError, match=r"values\.types\.yaml: no type of api\.unheardOf, and"):
        type_of(Value("api.unheardOf", [], "Its text."))


def test_no_generated_file_has_anchors() -> None:
    shared = ["name"]
    text = yaml_file("crds/thing.yaml", "here", {"one": shared, "other": shared}).text
    assert text.count("- name") == 2
