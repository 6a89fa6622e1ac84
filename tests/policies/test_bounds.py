"""An object's metadata is bounded, so that the trash can keep it."""

import json
from typing import Any

import pytest

from tests.policies.conftest import ghost, metadata_of
from tests.support.kubectl import Kubectl
from wegent_crds.well_known import TRASH_FINALIZER

KIB = 1024


def labels(count: int) -> dict[str, Any]:
    return {"labels": {f"l{number}": "v" for number in range(count)}}


def annotations(count: int) -> dict[str, Any]:
    return {"annotations": {f"a{number}": "v" for number in range(count)}}


def notes(character: str, count: int) -> dict[str, Any]:
    return {"annotations": {"n": character * count}}


def owners(count: int, name: str = "gone") -> dict[str, Any]:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": name}
    return {"ownerReferences": [{**owner, "uid": f"{number}"} for number in range(count)]}


def finalizers(count: int) -> dict[str, Any]:
    return {"finalizers": [f"example.com/f{number}" for number in range(count)]}


BOUNDS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (labels(64), labels(65), "metadata.labels: an object has at most 64"),
    (annotations(128), annotations(129), "metadata.annotations: an object has at most 128"),
    (notes("<", 43_000), notes("<", 44_000), "metadata.annotations: keys and values"),
    (notes("\x01", 43_000), notes("\x01", 44_000), "metadata.annotations: keys and values"),
    (notes('"', 131_000), notes("\\", 132_000), "metadata.annotations: keys and values"),
    (notes("\N{CJK UNIFIED IDEOGRAPH-4E2D}", 87_000), notes("&", 50_000), "keys and values"),
    (owners(16), owners(17), "metadata.ownerReferences: an object has at most 16"),
    (owners(1, "n" * 1000), owners(1, "n" * 1020), "metadata.ownerReferences: apiVersion, kind"),
    (finalizers(16), finalizers(17), "metadata.finalizers: an object has at most 16"),
]


@pytest.mark.parametrize(("within", "beyond", "message"), BOUNDS)
def test_each_bound_refuses_and_lets_through(
    alice: Kubectl,
    name: str,
    within: dict[str, Any],
    beyond: dict[str, Any],
    message: str,
) -> None:
    for dry_run in ("--dry-run=server", "--dry-run=none"):
        done = alice.run("create", dry_run, "-f", "-", stdin=ghost(name, **beyond))
        assert message in done.stderr
    if "ownerReferences" in within:
        alice.run("create", "--dry-run=server", "-f", "-", stdin=ghost(name, **within)).ok()
        return  # the garbage collector would delete it
    alice.run("create", "-f", "-", stdin=ghost(name, **within)).ok()
    patch = json.dumps({"metadata": beyond})
    merge = ["patch", "ghost", name, "--type=merge", "--patch-file=/dev/stdin"]
    assert message in alice.run(*merge, stdin=patch).stderr
    apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
    assert message in alice.run(*apply, stdin=ghost(name, **beyond)).stderr
    assert TRASH_FINALIZER in metadata_of(alice, name)["finalizers"]


@pytest.mark.parametrize(
    ("plural", "spec"),
    [
        ("Model", {"provider": "openai", "model": "gpt-4"}),
        ("Shell", {"type": "Chat"}),
        ("Bot", {field: {"name": "x"} for field in ("ghostRef", "modelRef", "shellRef")}),
        ("Team", {"bots": [{"name": "b"}]}),
        ("Skill", {"description": "d"}),
        ("Task", {"teamRef": {"name": "t"}, "prompt": "p"}),
        ("Account", {"email": "a@example.com"}),
    ],
)
def test_each_kind_is_bounded(
    kubectl: Kubectl, name: str, plural: str, spec: dict[str, Any]
) -> None:
    for count, allowed in ((64, True), (65, False)):
        made = {**ghost(name, **labels(count)), "kind": plural, "spec": spec}
        done = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=made)
        assert (done.exit_code == 0) is allowed, done.stderr


@pytest.mark.parametrize("over", [pair[1] for pair in BOUNDS if "ownerReferences" not in pair[1]])
def test_an_older_object_can_still_be_changed_and_made_smaller(
    alice: Kubectl, as_operator: Kubectl, name: str, over: dict[str, Any]
) -> None:
    # The operator is let through, as all users were before.
    as_operator.run("create", "-f", "-", stdin=ghost(name, **over)).ok()
    alice.run("patch", "ghost", name, "--type=merge", "-p", '{"spec":{"systemPrompt":"Two."}}').ok()
    (field, value) = next(iter(over.items()))
    if isinstance(value, dict):
        more = {field: {"one-more": "x" * 10}}
        refused = alice.run(
            "patch", "ghost", name, "--type=merge", "-p", json.dumps({"metadata": more})
        )
        assert f"metadata.{field}: " in refused.stderr
        drop = dict.fromkeys(value)
        patch = json.dumps({"metadata": {field: drop}})
        alice.run("patch", "ghost", name, "--type=merge", "-p", patch).ok()
    assert TRASH_FINALIZER in metadata_of(alice, name)["finalizers"]


def test_a_restored_object_is_let_through(
    as_operator: Kubectl, kubectl: Kubectl, name: str
) -> None:
    as_operator.run("create", "-f", "-", stdin=ghost(name, **labels(100))).ok()
    assert len(metadata_of(kubectl, name)["labels"]) == 100


def test_the_policies_cost_little_at_the_bounds(alice: Kubectl, name: str) -> None:
    """Each expression has a cost budget. The API server refuses the write if it is exceeded."""
    metadata = {
        "labels": {f"{'p' * 60}.example.com/{'k' * 60}{n}": "v" * 63 for n in range(64)},
        "annotations": {f"{'p' * 60}.example.com/a{n}": "v" * 1900 for n in range(128)},
        "finalizers": [f"example.com/{'f' * 50}{n}" for n in range(16)],
    }
    made = ghost(name, "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 128 * KIB, **metadata)
    alice.run("create", "-f", "-", stdin=made).ok()
    made["metadata"]["labels"]["one"] = "more"
    assert "metadata.labels" in alice.run("replace", "-f", "-", stdin=made).stderr
    del made["metadata"]["labels"]["one"]
    made["spec"]["description"] = "changed"
    alice.run("replace", "-f", "-", stdin=made).ok()
