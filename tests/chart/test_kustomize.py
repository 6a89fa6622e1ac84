"""kustomize renames objects, and, with the component, the references to them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.kustomize import FOLDER, secret_refs
from devcluster.binaries import Binaries
from devcluster.checkout import CHECKOUT
from tests.support.kubectl import Kubectl
from wegent_crds.references import ObjectKey, references_of
from wegent_crds.registry import API_VERSION, BY_KIND, BY_PLURAL, KINDS, referrers_of

Body = dict[str, Any]
EXAMPLES = [
    path for path in sorted((CHECKOUT / "examples").glob("*.yaml")) if path.stem != "account"
]
WITH_SECRETS = [(kind, path) for kind in KINDS for path in secret_refs(kind)]


@pytest.fixture
def built(binaries: Binaries, tmp_path: Path) -> "Builder":
    return Builder(Kubectl(binaries.kubectl, tmp_path / "none"), tmp_path)


class Builder:
    """A base with the component, and an overlay of it."""

    def __init__(self, kubectl: Kubectl, root: Path) -> None:
        self._kubectl = kubectl
        self._root = root
        for name in ("base", "overlay"):
            (root / name).mkdir()
        (root / "component").mkdir()
        for path in (CHECKOUT / FOLDER).glob("*.yaml"):
            (root / "component" / path.name).write_text(path.read_text("utf-8"), "utf-8")

    def build(self, objects: list[Body], base: Body, overlay: Body) -> list[Body]:
        """Return the objects that kustomize makes of ``objects``."""
        text = yaml.safe_dump_all(objects)
        (self._root / "base" / "objects.yaml").write_text(text, "utf-8")
        base = {"resources": ["objects.yaml"], "components": ["../component"], **base}
        self._write("base", base)
        self._write("overlay", {"resources": ["../base"], **overlay})
        done = self._kubectl.run("kustomize", self._root / "overlay").ok()
        return list(yaml.safe_load_all(done.stdout))

    def _write(self, name: str, kustomization: Body) -> None:
        text = yaml.safe_dump(kustomization)
        (self._root / name / "kustomization.yaml").write_text(text, "utf-8")


def examples() -> list[Body]:
    return [yaml.safe_load(path.read_text("utf-8")) for path in EXAMPLES]


def without_namespaces(objects: list[Body]) -> list[Body]:
    for it in objects:
        del it["metadata"]["namespace"]
    return objects


def keys(objects: list[Body]) -> set[ObjectKey]:
    return {
        ObjectKey(kind.plural, it["metadata"].get("namespace", ""), it["metadata"]["name"])
        for it in objects
        if (kind := BY_KIND.get(it["kind"]))
    }


def targets(objects: list[Body]) -> set[ObjectKey]:
    return {
        reference.target
        for it in objects
        if (kind := BY_KIND.get(it["kind"]))
        for reference in references_of(kind, it["metadata"].get("namespace", ""), it)
    }


CHANGES: list[tuple[Body, Body]] = [
    ({"namePrefix": "a-"}, {}),
    ({}, {"nameSuffix": "-z"}),
    ({"namePrefix": "a-"}, {"namePrefix": "b-", "nameSuffix": "-z"}),
    ({}, {"namespace": "prod"}),
    ({"namePrefix": "a-"}, {"namespace": "prod", "nameSuffix": "-z"}),
]


@pytest.mark.parametrize("prepared", [examples, lambda: without_namespaces(examples())],
    ids=["namespaced", "without-namespace"],
)  # fmt: skip
@pytest.mark.parametrize(("base", "overlay"), CHANGES)
def test_references_of_the_examples_follow(
    built: Builder, prepared: Any, base: Body, overlay: Body
) -> None:
    made = built.build(prepared(), base, overlay)
    assert len(made) == len(EXAMPLES)
    wanted = f"{overlay.get('namePrefix', '')}{base.get('namePrefix', '')}"
    assert all(it["metadata"]["name"].startswith(wanted) for it in made)
    assert all(it["metadata"]["name"].endswith(overlay.get("nameSuffix", "")) for it in made)
    assert targets(made)
    assert targets(made) <= keys(made)


def reference(kind: str, name: str, path: str, namespace: str | None) -> Body:
    """Return an object of ``kind`` that refers at ``path``."""
    there: Body = {"name": "referent"} | ({} if namespace is None else {"namespace": namespace})
    *steps, last = path.split(".")
    value: Any = {last.removesuffix("[]"): [there] if last.endswith("[]") else there}
    for step in reversed(steps):
        in_list = step.endswith("[]")
        # An item of a list is a reference itself, and has to have a name.
        value = {step.removesuffix("[]"): [{"name": "other", **value}] if in_list else value}
    metadata = {"name": name, "namespace": "app"}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **value}


@pytest.mark.parametrize("namespace", [None, "", "app"], ids=["none", "empty", "own"])
def test_every_reference_of_the_table_follows(built: Builder, namespace: str | None) -> None:
    objects = [
        {"apiVersion": API_VERSION, "kind": kind.kind,
         "metadata": {"name": "referent", "namespace": "app"}}
        for kind in KINDS if referrers_of(kind)
    ]  # fmt: skip
    fields = [(kind, it) for kind in KINDS for it in kind.references]
    for number, (kind, field) in enumerate(fields):
        objects.append(reference(kind.kind, f"from-{number}", field.path, namespace))
    made = built.build(objects, {"namePrefix": "a-"}, {"nameSuffix": "-z", "namespace": "prod"})
    named = {it["metadata"]["name"]: it for it in made}
    for number, (kind, field) in enumerate(fields):
        body = named[f"a-from-{number}-z"]
        [found] = (it for it in references_of(kind, "prod", body) if it.target.plural == field.to)
        assert found.target == ObjectKey(BY_PLURAL[field.to].plural, "prod", "a-referent-z"), body


def test_references_to_what_kustomize_does_not_have_stay(built: Builder) -> None:
    objects = [reference("Bot", "bot", "spec.ghostRef", namespace) for namespace in (None,)]
    objects.append(reference("Team", "team", "spec.bots[]", "default"))
    made = {it["kind"]: it for it in built.build(objects, {"namePrefix": "a-"}, {})}
    assert made["Bot"]["spec"]["ghostRef"] == {"name": "referent"}
    assert made["Team"]["spec"]["bots"] == [{"name": "referent", "namespace": "default"}]


def test_generated_secrets_are_followed(built: Builder) -> None:
    objects = [reference(kind.kind, "user", path, None) for kind, path in WITH_SECRETS]
    assert {path for _, path in WITH_SECRETS} >= {"spec.apiKeySecretRef"}
    generator = [{"name": "referent", "namespace": "app", "literals": ["api-key=x"]}]
    base = {"secretGenerator": generator}
    made = built.build(objects, base, {"namePrefix": "a-", "namespace": "prod"})
    [secret] = [it for it in made if it["kind"] == "Secret"]
    name = secret["metadata"]["name"]
    assert name.startswith("a-referent-")
    for kind, path in WITH_SECRETS:
        [body] = [it for it in made if it["kind"] == kind.kind]
        # A reference to a Secret has no namespace.
        assert body["spec"][path.removeprefix("spec.")] == {"name": name}
