"""The API server records the user who last changed an object, and its creator."""

import json
from typing import Any

import pytest

from tests.policies.conftest import ghost, metadata_of, username
from tests.support.kubectl import Kubectl
from wegent_crds.well_known import CHANGED_BY, CREATED_BY, DELETED_BY, RESTORED_FROM


def marks_of(who: Kubectl, name: str) -> dict[str, str]:
    found: dict[str, str] = metadata_of(who, name)["annotations"]
    return found


@pytest.fixture
def alices(alice: Kubectl, name: str) -> str:
    """A Ghost that Alice created."""
    alice.run("create", "-f", "-", stdin=ghost(name)).ok()
    assert CHANGED_BY not in marks_of(alice, name)
    return name


def merge(spec: dict[str, Any] | None = None, **metadata: Any) -> list[str]:
    patch = {"metadata": metadata} | ({"spec": spec} if spec else {})
    return ["patch", "ghost", "--type=merge", "-p", json.dumps(patch)]


@pytest.mark.parametrize("way", ["merge", "json", "replace", "apply", "server-side"])
def test_each_way_to_change_a_spec_names_its_user(
    alice: Kubectl, mallory: Kubectl, alices: str, way: str
) -> None:
    def change(who: Kubectl, prompt: str, *flags: str) -> None:
        patches = {
            "merge": {"spec": {"systemPrompt": prompt}},
            "json": [{"op": "replace", "path": "/spec/systemPrompt", "value": prompt}],
        }
        if way in patches:
            how = ("patch", "ghost", alices, f"--type={way}", "-p", json.dumps(patches[way]))
            who.run(*how, *flags).ok()
            return
        command = {
            "replace": ["replace"],
            "apply": ["apply"],
            "server-side": ["apply", "--server-side", "--force-conflicts"],
        }[way]
        who.run(*command, *flags, "-f", "-", stdin=ghost(alices, prompt)).ok()

    change(mallory, "Two.", "--dry-run=server")
    assert CHANGED_BY not in marks_of(alice, alices)
    change(mallory, "Two.")
    assert marks_of(alice, alices)[CHANGED_BY] == username(mallory)
    assert marks_of(alice, alices)[CREATED_BY] == username(alice)
    change(alice, "Two.")
    assert marks_of(alice, alices)[CHANGED_BY] == username(mallory), "nothing has changed"
    change(alice, "Three.")
    assert marks_of(alice, alices)[CHANGED_BY] == username(alice)


def test_what_is_not_the_spec_names_nobody(
    alice: Kubectl, mallory: Kubectl, kubectl: Kubectl, alices: str
) -> None:
    mallory.run("label", "ghost", alices, "a=b").ok()
    assert CHANGED_BY not in marks_of(alice, alices)
    alice.run(*merge({"systemPrompt": "Two."}), alices).ok()
    before = metadata_of(alice, alices)
    mallory.run("annotate", "ghost", alices, "a=b").ok()
    status = {"status": {"observedGeneration": 2}}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps(status))
    kubectl.run("patch", "ghost", alices, *patch).ok()
    assert marks_of(alice, alices)[CHANGED_BY] == username(alice)
    mallory.run("annotate", "ghost", alices, f"{CHANGED_BY}-").ok()
    assert marks_of(alice, alices)[CHANGED_BY] == username(alice), "it is kept"
    assert before["generation"] == metadata_of(alice, alices)["generation"]


def test_nobody_names_another(
    alice: Kubectl, mallory: Kubectl, kubectl: Kubectl, alices: str
) -> None:
    for caller in (mallory, kubectl):
        forged = {CHANGED_BY: username(alice)}
        caller.run(*merge(annotations=forged), alices).ok()
        assert CHANGED_BY not in marks_of(alice, alices)
    mallory.run(*merge({"systemPrompt": "Two."}, annotations=forged), alices).ok()
    assert marks_of(alice, alices)[CHANGED_BY] == username(mallory)


def test_an_exported_object_is_applied_over_itself(
    alice: Kubectl, mallory: Kubectl, alices: str
) -> None:
    mallory.run(*merge({"systemPrompt": "Two."}), alices).ok()
    exported = alice.run("get", "ghost", alices, "-o", "json").ok().json
    exported["spec"]["systemPrompt"] = "Three."
    del exported["metadata"]["resourceVersion"]
    alice.run("apply", "-f", "-", stdin=exported).ok()
    assert marks_of(alice, alices)[CHANGED_BY] == username(alice)


def test_only_the_operator_says_what_was_restored(
    alice: Kubectl, kubectl: Kubectl, as_operator: Kubectl, alices: str, name: str
) -> None:
    made = f"{name}-back"
    as_operator.run("create", "-f", "-", stdin=ghost(made, annotations={RESTORED_FROM: "t"})).ok()
    for caller in (alice, kubectl):
        for target in (alices, made):
            forged = merge(annotations={RESTORED_FROM: "another"})
            for patch in (forged, [*forged, "--subresource=status"]):
                done = caller.run(*patch, target)
                if "--subresource=status" not in patch:
                    assert f"only Wegent's operator sets {RESTORED_FROM}" in done.stderr
        assert RESTORED_FROM not in marks_of(alice, alices)
        assert marks_of(alice, made)[RESTORED_FROM] == "t"
    alice.run("annotate", "ghost", made, "mine=stays").ok()
    alice.run("replace", "-f", "-", stdin=ghost(made, "Two.")).ok()
    assert marks_of(alice, made)[RESTORED_FROM] == "t"


def test_a_deletion_is_asked_for_in_no_others_name(
    alice: Kubectl, mallory: Kubectl, kubectl: Kubectl, alices: str
) -> None:
    mallory.run(*merge(annotations={DELETED_BY: username(alice)}), alices).ok()
    assert DELETED_BY not in marks_of(alice, alices)
    alice.run(*merge(annotations={DELETED_BY: username(alice)}), alices).ok()
    assert marks_of(alice, alices)[DELETED_BY] == username(alice)
    mallory.run("label", "ghost", alices, "a=b").ok()
    assert DELETED_BY not in marks_of(alice, alices), "another's change comes after the wish"
    kubectl.run("delete", "ghost", alices, "--wait=false").ok()
    for caller in (mallory, alice):
        caller.run(*merge(annotations={DELETED_BY: username(caller)}), alices)
        assert DELETED_BY not in marks_of(alice, alices), "it is being deleted already"
