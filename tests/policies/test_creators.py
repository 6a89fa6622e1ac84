"""Who created an object is noted by the API server itself, and nobody can say otherwise."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from wegent_crds.marks import CREATED_BY, CREATOR, TRASH_FINALIZER

ACCOUNTS = "wegent-accounts"
ADMIN = "wegent-dev"
"""What the cluster administrator of these tests is called."""


def ghost(name: str, prompt: str = "You help.", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Ghost",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"systemPrompt": prompt},
    }


@pytest.fixture
def name() -> str:
    """A name of the test's own."""
    return f"g{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def user(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """kubectl as a user, who is an editor of the namespace default."""
    who = f"u{uuid.uuid4().hex[:8]}"
    kubectl.run("create", "serviceaccount", who, f"--namespace={ACCOUNTS}").ok()
    binding = (f"--serviceaccount={ACCOUNTS}:{who}", "--clusterrole=wegent-editor")
    kubectl.run("create", "rolebinding", who, "--namespace=default", *binding).ok()
    return kubectl_as(control_plane, kubectl, ACCOUNTS, who, tmp_path_factory.mktemp("user"))


def metadata_of(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.run("get", "ghost", name, "-o", "json").ok().json["metadata"]
    return found


def test_the_creator_is_stamped_with_the_real_and_the_plain_name(user: Kubectl, name: str) -> None:
    user.run("create", "-f", "-", stdin=ghost(name, annotations={"mine": "stays"})).ok()
    metadata = metadata_of(user, name)
    who = metadata["annotations"][CREATOR]
    assert metadata["annotations"] == {
        "mine": "stays",
        CREATED_BY: f"system:serviceaccount:{ACCOUNTS}:{who}",
        CREATOR: who,
    }
    assert metadata["finalizers"] == [TRASH_FINALIZER]


def test_somebody_without_an_account_is_noted_as_they_are(kubectl: Kubectl, name: str) -> None:
    kubectl.run("create", "-f", "-", stdin=ghost(name)).ok()
    annotations = metadata_of(kubectl, name)["annotations"]
    assert annotations[CREATED_BY] == annotations[CREATOR]


@pytest.mark.parametrize("mark", [CREATED_BY, CREATOR])
def test_a_forged_creator_is_refused(user: Kubectl, kubectl: Kubectl, name: str, mark: str) -> None:
    for whoever in (user, kubectl):
        done = whoever.run(
            "create", "-f", "-", stdin=ghost(name, annotations={mark: "somebody-else"})
        )
        assert done.exit_code != 0
        assert "are set by the API server; leave them out" in done.stderr


@pytest.mark.parametrize("mark", [CREATED_BY, CREATOR])
def test_a_creator_can_not_be_changed(
    user: Kubectl, kubectl: Kubectl, name: str, mark: str
) -> None:
    user.run("create", "-f", "-", stdin=ghost(name)).ok()
    for whoever in (user, kubectl):
        done = whoever.run("annotate", "ghost", name, f"{mark}=mallory", "--overwrite")
        assert "can't be changed" in done.stderr


def test_plain_manifests_can_be_replaced_and_applied_again_and_again(
    user: Kubectl, name: str
) -> None:
    user.run("create", "-f", "-", stdin=ghost(name)).ok()
    marks = metadata_of(user, name)["annotations"]
    user.run("replace", "-f", "-", stdin=ghost(name, "Two.")).ok()
    for number, flags in enumerate([[], ["--server-side", "--force-conflicts"]] * 2):
        manifest = ghost(name, f"Number {number}.", labels={"number": str(number)})
        user.run("apply", *flags, "-f", "-", stdin=manifest).ok()
        metadata = metadata_of(user, name)
        assert metadata["finalizers"] == [TRASH_FINALIZER]
        assert {mark: metadata["annotations"][mark] for mark in marks} == marks
    user.run("annotate", "ghost", name, f"{CREATED_BY}-").ok()
    assert metadata_of(user, name)["annotations"][CREATED_BY] == marks[CREATED_BY], "it is kept"


def test_only_who_may_bypass_removes_the_finalizer(
    user: Kubectl, kubectl: Kubectl, name: str
) -> None:
    user.run("create", "-f", "-", stdin=ghost(name)).ok()
    patch = json.dumps([{"op": "remove", "path": "/metadata/finalizers/0"}])
    strip = ("patch", "ghost", name, "--type=json", "-p", patch)
    user.run(*strip).ok()
    assert metadata_of(user, name)["finalizers"] == [TRASH_FINALIZER], "it is kept"
    user.run("delete", "ghost", name, "--wait=false").ok()
    refused = user.run(*strip)
    assert "only Wegent's operator removes" in refused.stderr
    user.run("delete", "ghost", name, "--wait=false", "--force", "--grace-period=0").ok()
    assert metadata_of(user, name)["deletionTimestamp"]
    kubectl.run(*strip).ok()
    assert user.run("get", "ghost", name).exit_code != 0


def test_nobody_makes_or_edits_tombstones(kubectl: Kubectl, user: Kubectl, name: str) -> None:
    tombstone = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Tombstone",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "kind": "Ghost",
            "name": name,
            "object": ghost(name),
            "deletedAt": "2026-01-01T00:00:00Z",
            "expiresAt": "2026-02-01T00:00:00Z",
        },
    }
    assert (
        "only Wegent's operator makes" in kubectl.run("create", "-f", "-", stdin=tombstone).stderr
    )
    assert "Forbidden" in user.run("create", "-f", "-", stdin=tombstone).stderr


def test_the_examples_apply(kubectl: Kubectl) -> None:
    examples = Path(__file__).parents[2] / "examples"
    kubectl.run("apply", "--dry-run=server", "-f", examples).ok()


def test_a_wrong_type_is_the_schemas_to_name(user: Kubectl, name: str) -> None:
    wrong = ghost(name) | {"spec": {"systemPrompt": 7}}
    for command in (["create", "-f", "-"], ["apply", "--server-side", "-f", "-"]):
        done = user.run(*command, "--validate=false", stdin=wrong)
        assert "spec.systemPrompt" in done.stderr


def test_a_manifest_that_was_exported_is_held_once(user: Kubectl, name: str) -> None:
    finalizers = ["example.com/other", TRASH_FINALIZER]
    user.run("create", "-f", "-", stdin=ghost(name, finalizers=finalizers)).ok()
    assert metadata_of(user, name)["finalizers"] == finalizers
    user.run("replace", "-f", "-", stdin=ghost(name, finalizers=["example.com/other"])).ok()
    assert sorted(metadata_of(user, name)["finalizers"]) == sorted(finalizers)
