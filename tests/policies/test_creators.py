"""The API server itself records an object's creator, and no user can forge it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.policies.conftest import ACCOUNTS, ghost, metadata_of, username
from tests.support.kubectl import Kubectl
from wegent_crds.well_known import (
    CHANGED_BY,
    CREATED_BY,
    CREATOR,
    DELETED_BY,
    RESTORED_FROM,
    TRASH_FINALIZER,
)

FORGED = dict.fromkeys((CREATED_BY, CREATOR, CHANGED_BY, DELETED_BY, RESTORED_FROM), "somebody")


@pytest.fixture(scope="module")
def user(alice: Kubectl) -> Kubectl:
    """kubectl as a user, who is an editor of the namespace default."""
    return alice


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


@pytest.mark.parametrize("way", ["create", "apply", "server-side", "generateName", "replace"])
def test_a_copied_object_gets_its_real_creator(user: Kubectl, name: str, way: str) -> None:
    copy = ghost(name, annotations=FORGED | {"mine": "stays"})
    commands = {
        "create": ["create"],
        "apply": ["apply"],
        "server-side": ["apply", "--server-side"],
        "generateName": ["create"],
        "replace": ["replace", "--force"],
    }
    if way == "generateName":
        copy["metadata"]["generateName"] = f"{copy['metadata'].pop('name')}-"
    if way != "replace":  # it has no dry run
        user.run(*commands[way], "--dry-run=server", "-f", "-", stdin=copy).ok()
    made = user.run(*commands[way], "-f", "-", "-o", "json", stdin=copy).ok().json
    annotations = made["metadata"]["annotations"]
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    plain = username(user).removeprefix(f"system:serviceaccount:{ACCOUNTS}:")
    assert annotations == {"mine": "stays", CREATED_BY: username(user), CREATOR: plain}


def test_an_exported_object_replaces_itself_by_force(
    chief: Kubectl, user: Kubectl, kubectl: Kubectl, name: str
) -> None:
    user.run("create", "-f", "-", stdin=ghost(name)).ok()
    exported = chief.run("get", "ghost", name, "-o", "json").ok().json
    del exported["metadata"]["finalizers"]
    strip = json.dumps([{"op": "remove", "path": "/metadata/finalizers"}])
    kubectl.run("patch", "ghost", name, "--type=json", "-p", strip).ok()
    kubectl.run("delete", "ghost", name).ok()
    del exported["metadata"]["resourceVersion"], exported["metadata"]["uid"]
    chief.run("replace", "--force", "-f", "-", stdin=exported).ok()
    assert metadata_of(chief, name)["annotations"][CREATED_BY] == username(chief)


def test_with_the_verb_a_backup_keeps_its_creators(
    user_with: Callable[..., Kubectl], kubectl: Kubectl, name: str
) -> None:
    keeper = user_with("wegent-editor")
    rule = ("--verb=keep-creator", "--resource=tombstones.agent.wecode.io")
    kubectl.run("create", "role", name, "--namespace=default", *rule).ok()
    account = username(keeper).removeprefix("system:serviceaccount:")
    binding = (f"--role={name}", f"--serviceaccount={account}")
    kubectl.run("create", "rolebinding", name, "--namespace=default", *binding).ok()
    anns = {CREATED_BY: f"system:serviceaccount:{ACCOUNTS}:ann", CREATOR: "ann"}
    half = {key: anns[key] for key in (CREATED_BY,)}
    for number, caller in enumerate((keeper, kubectl)):
        for given in (anns | {CHANGED_BY: "bob"}, half):
            one = f"{name}-{number}-{len(given)}"
            saved = ghost(one, annotations=given | {RESTORED_FROM: "x", DELETED_BY: "y"})
            caller.run("create", "-f", "-", stdin=saved).ok()
            assert metadata_of(caller, one)["annotations"] == anns | given
    keeper.run("create", "-f", "-", stdin=ghost(name)).ok()
    assert metadata_of(keeper, name)["annotations"][CREATED_BY] == username(keeper)
    elsewhere = ghost(name, annotations=anns) | {"kind": "Ghost"}
    elsewhere["metadata"]["namespace"] = "kube-public"
    assert keeper.run("create", "-f", "-", stdin=elsewhere).exit_code != 0


@pytest.mark.parametrize("mark", [CREATED_BY, CREATOR])
def test_a_creator_can_not_be_changed(
    user: Kubectl, kubectl: Kubectl, name: str, mark: str
) -> None:
    user.run("create", "-f", "-", stdin=ghost(name)).ok()
    for caller in (user, kubectl):
        done = caller.run("annotate", "ghost", name, f"{mark}=mallory", "--overwrite")
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
        "only Wegent's operator creates" in kubectl.run("create", "-f", "-", stdin=tombstone).stderr
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
