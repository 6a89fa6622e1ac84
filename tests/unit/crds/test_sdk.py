"""``wegent_crds`` for other programs: its public names, and the examples of docs/python.md."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import wegent_crds
from devcluster.checkout import CHECKOUT
from tests.unit.pages import FENCED, Page, rows
from wegent_crds import Bot, ManifestError, dump, load
from wegent_crds.models import MODELS
from wegent_crds.registry import KINDS

PAGE = Page.read("docs/python.md")
BLOCKS = FENCED.findall(PAGE.text)
EXAMPLES = [
    (code, BLOCKS[at + 1][1])
    for at, (language, code) in enumerate(BLOCKS)
    if language == "python" and "wegent_sdk" not in code  # tests/sdk/test_docs.py has the others
]
STORED = """
apiVersion: agent.wecode.io/v1
kind: Bot
metadata: {name: a, uid: 9c1, creationTimestamp: 2026-01-31T12:00:00Z}
spec:
  ghostRef: {name: g, namespace: null}
  modelRef: {name: m}
  shellRef: {name: s}
status:
  observedGeneration: 1
  conditions:
  - {type: Ready, status: "True", reason: Ready, message: "",
     lastTransitionTime: 2026-01-31T12:00:00Z}
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=["create", "validate", "read"])
def test_an_example_prints_the_shown_output(code: str, printed: str) -> None:
    assert run(code) == printed


def test_the_page_lists_the_public_names() -> None:
    listed = [
        name
        for first, _ in rows(PAGE.section("Public names"))
        for name in re.findall(r"`(\w+)[`(]", first)
    ]
    assert sorted(listed) == sorted(wegent_crds.__all__)


@pytest.mark.parametrize("name", wegent_crds.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(wegent_crds, name).__name__ == name


def test_the_kinds_of_users_are_public() -> None:
    public = {kind.kind for kind in KINDS if kind.user_facing}
    assert public <= set(wegent_crds.__all__)
    for kind in KINDS:
        if kind.user_facing:
            assert getattr(wegent_crds, kind.kind) is MODELS[kind.plural]


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Bots'"):
        _ = wegent_crds.Bots  # type: ignore[attr-defined]


def test_the_package_is_imported_without_the_models() -> None:
    code = "import sys, wegent_crds.registry; print('pydantic' in sys.modules)"
    assert run(code) == "False\n"


@pytest.mark.parametrize(
    "file", sorted(CHECKOUT.glob("examples/*.yaml")), ids=lambda file: file.stem
)
def test_an_example_is_the_same_after_load_and_dump(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    written = dump(*load(text))
    assert yaml.safe_load(written) == yaml.safe_load(text)
    assert list(yaml.safe_load(written)) == ["apiVersion", "kind", "metadata", "spec"]


def test_a_stored_object_is_written_without_status() -> None:
    [bot] = load(STORED)
    assert isinstance(bot, Bot)
    assert bot.status.conditions[0].status == "True"
    written = yaml.load(dump(bot), yaml.BaseLoader)
    assert "status" not in written
    assert written["spec"]["ghostRef"] == {"name": "g"}
    assert written["metadata"]["creationTimestamp"] == "2026-01-31T12:00:00Z"


def test_several_documents_and_empty_ones() -> None:
    text = f"---\n{STORED}---\n---\n{STORED}"
    assert [type(item) for item in load(text)] == [Bot, Bot]
    assert len(load(dump(*load(text)))) == 2


def test_the_items_of_a_list() -> None:
    items = [yaml.load(STORED, yaml.BaseLoader) | {"status": {}}] * 2
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
    assert [type(item) for item in load(text)] == [Bot, Bot]
    assert load("apiVersion: v1\nkind: List\nitems: null") == []
    with pytest.raises(ManifestError, match="not an object"):
        load("apiVersion: v1\nkind: List\nitems: [a]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("a: !!timestamp x", "not valid YAML"),
        ("a: !!int ''", "not valid YAML"),
        ("a: !!bool x", "not valid YAML"),
        ("- a", "not an object"),
        ("kind: Bot", "apiVersion must be agent.wecode.io/v1"),
        ("apiVersion: v1\nkind: Pod", "apiVersion must be agent.wecode.io/v1"),
        ("apiVersion: agent.wecode.io/v1\nkind: [Bot]", "with one of its kinds"),
        ("apiVersion: agent.wecode.io/v1\nkind: Pod", "'Pod' is not a kind"),
    ],
)
def test_a_text_without_objects_of_the_kinds(text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        load(text)
