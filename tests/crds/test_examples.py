"""``examples/``: one object of each kind; each is valid, and together they are complete."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from devstack import ask
from tests.crds.validation import by_model
from tests.support.kubectl import Kubectl
from tests.unit.pages import PAGES, PATHS, Page
from wegent_crds import dump, load
from wegent_crds.references import ObjectKey, references_of
from wegent_crds.registry import GROUP, KINDS, TOMBSTONE

APPLY = re.compile(r"kubectl apply ((?:-f examples/\S* ?)+)")
FOLDER = CHECKOUT / "examples"
FILES = sorted(FOLDER.glob("*.yaml"))
MADE_BY_USERS = [kind for kind in KINDS if kind != TOMBSTONE]
ACCOUNTS = "wegent-accounts"


@pytest.fixture(scope="module")
def namespaces(schema_kubectl: Kubectl) -> None:
    """The namespaces of the examples."""
    for namespace in (ACCOUNTS, "wegent-system"):
        schema_kubectl.run("create", "namespace", namespace).ok()


def _load(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded


def test_there_is_one_of_each_kind_that_users_make() -> None:
    assert [file.stem for file in FILES] == sorted(kind.singular for kind in MADE_BY_USERS)


@pytest.mark.parametrize("kind", MADE_BY_USERS, ids=lambda kind: kind.singular)
def test_each_is_right_and_refers_to_what_is_there(kind: Any) -> None:
    manifest = _load(FOLDER / f"{kind.singular}.yaml")
    assert manifest["metadata"]["namespace"] == ("default" if kind.user_facing else ACCOUNTS)
    verdict = by_model(kind.plural, manifest)
    assert verdict.accepted, verdict.said
    there = {
        ObjectKey(other.plural, example["metadata"]["namespace"], example["metadata"]["name"])
        for other in MADE_BY_USERS
        for example in [_load(FOLDER / f"{other.singular}.yaml")]
    }
    referred_to = {
        reference.target
        for reference in references_of(kind, manifest["metadata"]["namespace"], manifest)
    }
    assert referred_to <= there
    assert referred_to or all(reference.to == kind.plural for reference in kind.references)


def test_the_demo_is_complete() -> None:
    documents = (FOLDER / "demo" / "assistant.yaml").read_text(encoding="utf-8")
    kinds = {kind.kind: kind for kind in KINDS}
    demo = {(it["kind"], it["metadata"]["name"]): it for it in yaml.safe_load_all(documents)}
    there = {
        ObjectKey(kinds[kind].plural, it["metadata"]["namespace"], name)
        for (kind, name), it in demo.items()
    }
    for (kind, _), manifest in demo.items():
        verdict = by_model(kinds[kind].plural, manifest)
        assert verdict.accepted, verdict.said
        found = references_of(kinds[kind], manifest["metadata"]["namespace"], manifest)
        assert {it.target for it in found} <= there
    assert ("Team", ask.TEAM) in demo


def of_pages() -> Iterator[dict[str, Any]]:
    """Yield the documentation's manifests, each under a unique name."""
    for page in PAGES:
        for block in page.blocks("yaml"):
            for manifest in yaml.safe_load_all(block):
                if str(manifest.get("apiVersion", "")).startswith(f"{GROUP}/"):
                    yield manifest


@pytest.mark.parametrize(
    # The API server stores the status's default only at the second write, so a third one is needed.
    ("how", "before"),
    [((), 1), (("--server-side",), 2)],
    ids=["client-side", "server-side"],
)
def test_applying_again_changes_nothing(
    schema_kubectl: Kubectl, how: tuple[str, ...], before: int
) -> None:
    namespace = f"again-{before}"
    schema_kubectl.run("create", "namespace", namespace).ok()
    found = [*map(_load, FILES), *of_pages()]
    for number, manifest in enumerate(found):
        manifest["metadata"] |= {"namespace": namespace, "name": f"manifest-{number}"}
    listing = {"apiVersion": "v1", "kind": "List", "items": found}

    def versions() -> list[tuple[str, str]]:
        applied = schema_kubectl.run("apply", "-f", "-", "-o", "json", *how, stdin=listing).ok()
        items = applied.json["items"]
        return [(json.dumps(it["spec"]), it["metadata"]["resourceVersion"]) for it in items]

    for _ in range(before - 1):
        versions()
    first, second = versions(), versions()
    assert len(first) == len(found)
    assert [it for it, now in zip(first, second, strict=True) if it != now] == []


def test_kubectl_says_unchanged(schema_kubectl: Kubectl) -> None:
    namespace = "unchanged"
    schema_kubectl.run("create", "namespace", namespace).ok()
    texts = []
    for file in FILES:
        manifest = _load(file)
        manifest["metadata"]["namespace"] = namespace
        texts.append(yaml.safe_dump(manifest))
    command = ("apply", "-f", "-")
    schema_kubectl.run(*command, stdin="---\n".join(texts)).ok()
    said = schema_kubectl.run(*command, stdin="---\n".join(texts)).ok().stdout.splitlines()
    assert len(said) == len(FILES)
    assert all(line.endswith(" unchanged") for line in said), said


def test_an_object_of_the_sdk_is_applied_as_its_page_shows(schema_kubectl: Kubectl) -> None:
    page = Page.read("docs/python.md")
    [(command, shown)] = [
        block.splitlines() for block in page.blocks("console") if "apply" in block
    ]
    manifest = dump(*load(page.blocks("yaml")[0]))
    arguments = command.partition("| kubectl ")[2].split()
    assert schema_kubectl.run(*arguments, stdin=manifest).ok().stdout.splitlines() == [shown]
    listed = schema_kubectl.run("get", "-f", "-", "-o", "yaml", stdin=manifest).ok().stdout
    [stored] = load(listed)
    assert yaml.safe_load(dump(stored))["spec"] == yaml.safe_load(manifest)["spec"]
    schema_kubectl.run("delete", "-f", "-", stdin=manifest).ok()


@pytest.mark.usefixtures("namespaces")
def test_they_apply_in_any_order(schema_kubectl: Kubectl) -> None:
    # Three orders are enough: for any two files, each comes first in one of them.
    for order in (FILES, FILES[::-1], sorted(FILES, key=lambda file: file.stem[::-1])):
        files = [argument for file in order for argument in ("-f", file)]
        schema_kubectl.run("apply", *files).ok()
        shown = schema_kubectl.run("get", *files, "-o", "name").ok().stdout
        for file in order:
            assert f"{file.stem}.agent.wecode.io/" in shown
        schema_kubectl.run("delete", "--wait", *files).ok()


def applied() -> Iterator[tuple[str, str, list[str]]]:
    """Yield the pages' commands that apply examples and show an output.

    Page, arguments, and the printed lines.
    """
    for path, page in zip(PATHS, PAGES, strict=True):
        for block in page.blocks("console"):
            for command in re.split(r"^\$ ", block, flags=re.MULTILINE):
                line, *printed = command.splitlines() or [""]
                if printed and (found := APPLY.fullmatch(line)) is not None:
                    yield path, found[1], printed


APPLIED = list(applied())


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize(("page", "arguments", "printed"), APPLIED, ids=str)
def test_pages_show_the_output_of_apply(
    schema_kubectl: Kubectl, page: str, arguments: str, printed: list[str]
) -> None:
    files = [CHECKOUT / it if it.startswith("examples/") else it for it in arguments.split()]
    done = schema_kubectl.run("apply", "--dry-run=server", *map(str, files)).ok()
    names = [it.partition(" ")[0] for it in done.stdout.splitlines()]
    assert [it.partition(" ")[0] for it in printed] == names, page
    assert {it.partition(" ")[2] for it in printed} <= {"created", "configured"}


def test_most_pages_of_kinds_are_among_them() -> None:
    pages = {page for page, *_ in APPLIED}
    assert {"README.md", "docs/tutorial.md", "docs/kinds/bot.md", "docs/accounts.md"} <= pages
