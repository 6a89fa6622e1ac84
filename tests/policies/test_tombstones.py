"""A Tombstone is the last trace of an object, so few users may delete it."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.policies.conftest import ghost, metadata_of, username
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually
from wegent_crds.well_known import CHANGED_BY, CREATED_BY, DELETED_BY

COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
REFUSED = "verb purge on tombstones, which wegent-admin has"
GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": str(uuid.uuid4())}


def tombstone(name: str, creator: str, deleter: str = "") -> dict[str, Any]:
    """Return a Tombstone of a user's object, as the operator stores it."""
    annotations = {CREATED_BY: creator} | ({DELETED_BY: deleter} if deleter else {})
    return {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Tombstone",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "kind": "Ghost",
            "name": name,
            "object": ghost(name, annotations=annotations),
            "deletedAt": "2026-01-01T00:00:00Z",
            "expiresAt": "2036-02-01T00:00:00Z",
        },
    }


@pytest.fixture
def alices(alice: Kubectl, mallory: Kubectl, as_operator: Kubectl, name: str) -> str:
    """A Tombstone of an object that Alice created and Mallory deleted."""
    body = tombstone(name, username(alice), username(mallory))
    as_operator.run("create", "-f", "-", stdin=body).ok()
    return name


def test_another_editor_does_not_purge_it(alice: Kubectl, mallory: Kubectl, alices: str) -> None:
    whole = "/apis/agent.wecode.io/v1/namespaces/default/tombstones"
    for how in (
        ["delete", "tombstone", alices],
        ["delete", "tombstone", alices, "--dry-run=server"],
        ["delete", "tombstone", alices, "--force", "--grace-period=0"],
        ["delete", "tombstone", alices, "--cascade=foreground"],
        ["delete", "tombstones", "--all"],
        ["delete", "--raw", f"{whole}?fieldSelector=metadata.name={alices}"],
        ["delete", "--raw", f"{whole}/{alices}"],
    ):
        done = mallory.run(*how, "--wait=false" if how[1] != "--raw" else "-v=0")
        assert done.exit_code != 0, how
        assert REFUSED in done.stderr
    assert "deletionTimestamp" not in metadata_of(alice, alices, "tombstone")


@pytest.mark.parametrize("who", ["alice", "chief", "kubectl", "as_operator"])
def test_its_creator_and_admins_purge_it(
    request: pytest.FixtureRequest, alices: str, who: str
) -> None:
    caller: Kubectl = request.getfixturevalue(who)
    caller.run("delete", "tombstone", alices, "--dry-run=server").ok()
    caller.run("delete", "tombstone", alices).ok()


def test_kubernetes_own_admin_purges_and_its_edit_does_not(
    user_with: Callable[..., Kubectl], alices: str
) -> None:
    assert REFUSED in user_with("edit", "kube-public").run("delete", "tombstone", alices).stderr
    user_with("admin", "kube-public").run("delete", "tombstone", alices).ok()


def test_without_a_creator_only_admins_purge_it(
    mallory: Kubectl, chief: Kubectl, as_operator: Kubectl, name: str
) -> None:
    body = tombstone(name, "")
    del body["spec"]["object"]["metadata"]["annotations"]
    as_operator.run("create", "-f", "-", stdin=body).ok()
    assert REFUSED in mallory.run("delete", "tombstone", name).stderr
    chief.run("delete", "tombstone", name).ok()


def test_restoring_is_for_every_editor(mallory: Kubectl, alices: str) -> None:
    wish = ("--type=merge", "-p", json.dumps({"spec": {"restore": True}}))
    mallory.run("patch", "tombstone", alices, *wish).ok()
    assert metadata_of(mallory, alices, "tombstone")["annotations"] == {
        CHANGED_BY: username(mallory)
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ownerReferences": [GONE]},
            "ownerReferences and finalizers can't be added to a Tombstone",
        ),
        (
            {"finalizers": ["example.com/mine"]},
            "ownerReferences and finalizers can't be added to a Tombstone",
        ),
        (
            {"finalizers": ["orphan"]},
            "ownerReferences and finalizers can't be added to a Tombstone",
        ),
        ({"labels": {"app.kubernetes.io/instance": "x"}}, "labels and annotations of a Tombstone"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "labels and annotations"),
    ],
)
def test_nothing_that_would_delete_it_is_added(
    mallory: Kubectl, alices: str, change: dict[str, Any], message: str
) -> None:
    body = mallory.run("get", "tombstone", alices, "-o", "json").ok().json
    applied = {
        "apiVersion": body["apiVersion"],
        "kind": "Tombstone",
        "metadata": {"name": alices, "namespace": "default", **change},
    }
    replaced = {**body, "metadata": {**body["metadata"], **change}}
    pointers = [
        {"op": "add", "path": f"/metadata/{field}", "value": value}
        for field, value in change.items()
    ]
    merge = json.dumps({"metadata": change})
    for how, stdin in (
        (["patch", "tombstone", alices, "--type=merge", "-p", merge], None),
        (["patch", "tombstone", alices, "--type=json", "-p", json.dumps(pointers)], None),
        (["apply", "--server-side", "-f", "-"], applied),
        (["replace", "-f", "-"], replaced),
    ):
        done = mallory.run(*how, stdin=stdin)
        assert done.exit_code != 0, how
        assert message in done.stderr


def test_not_even_an_admin_makes_the_garbage_collector_delete_it(
    chief: Kubectl, kubectl: Kubectl, alices: str
) -> None:
    for caller in (chief, kubectl):
        patch = json.dumps({"metadata": {"ownerReferences": [GONE]}})
        done = caller.run("patch", "tombstone", alices, "--type=merge", "-p", patch)
        assert "ownerReferences and finalizers can't be added" in done.stderr
    chief.run("label", "tombstone", alices, "seen=yes").ok()


async def test_what_had_owners_before_the_policy_is_not_collected(
    as_operator: Kubectl, alice: Kubectl, mallory: Kubectl, audit: AuditLog, name: str
) -> None:
    body = tombstone(name, username(alice))
    body["metadata"]["ownerReferences"] = [GONE]
    as_operator.run("create", "-f", "-", stdin=body).ok()

    def attempts() -> list[int]:
        writes = audit.writes(user=COLLECTOR)
        return [it.code for it in writes if (it.verb, it.name) == ("delete", name)]

    await eventually(attempts, within_s=60, what="the garbage collector to try")
    assert set(attempts()) == {403}
    assert metadata_of(alice, name, "tombstone")["ownerReferences"] == [GONE]
    drop = json.dumps([{"op": "remove", "path": "/metadata/ownerReferences"}])
    mallory.run("patch", "tombstone", name, "--type=json", "-p", drop).ok()


async def test_a_namespace_takes_them_with_it(
    as_operator: Kubectl, kubectl: Kubectl, name: str
) -> None:
    kubectl.run("create", "namespace", name).ok()
    body = tombstone(name, "somebody")
    body["metadata"]["namespace"] = name
    as_operator.run("create", "-f", "-", stdin=body).ok()
    kubectl.run("delete", "namespace", name, "--wait=false").ok()

    async def gone() -> bool:
        found = await kubectl.call("get", "namespace", name, "-o", "json")
        assert found.exit_code != 0, found.json["status"]
        return True

    await eventually(gone, within_s=60, what="the namespace to be gone")


def test_an_owner_is_added_only_where_deleting_is_allowed(
    user_with: Callable[..., Kubectl],
    alice: Kubectl,
    mallory: Kubectl,
    kubectl: Kubectl,
    name: str,
) -> None:
    rule = ("--verb=get,update,patch", "--resource=ghosts.agent.wecode.io")
    kubectl.run("create", "clusterrole", name, *rule).ok()
    painter = user_with(name, "kube-public")
    kubectl.run("create", "configmap", name).ok()
    uid = metadata_of(kubectl, name, "configmap")["uid"]
    # The owner exists, so that the garbage collector leaves the Ghost alone.
    there = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}
    alice.run("create", "-f", "-", stdin=ghost(name)).ok()
    patch = ("--type=merge", "-p", json.dumps({"metadata": {"ownerReferences": [there]}}))
    refused = painter.run("patch", "ghost", name, *patch)
    assert "only a user who can delete the object can add owners" in refused.stderr
    painter.run("label", "ghost", name, "a=b").ok()
    mallory.run("patch", "ghost", name, *patch).ok()
    painter.run("label", "ghost", name, "a=c", "--overwrite").ok()
    drop = json.dumps([{"op": "remove", "path": "/metadata/ownerReferences"}])
    painter.run("patch", "ghost", name, "--type=json", "-p", drop).ok()
    owned = ghost(f"{name}-owned", ownerReferences=[there])
    mallory.run("create", "-f", "-", stdin=owned).ok()


def test_only_its_creator_lets_a_task_go_past_the_trash(
    alice: Kubectl, mallory: Kubectl, chief: Kubectl, name: str
) -> None:
    task = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Task",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"teamRef": {"name": "t"}, "prompt": "Help."},
    }

    def ttl(value: int | None) -> tuple[str, ...]:
        patch = {"spec": {"ttlSecondsAfterFinished": value}}
        return ("patch", "task", name, "--type=merge", "-p", json.dumps(patch))

    mallory.run("create", "-f", "-", stdin=task).ok()
    mallory.run("delete", "task", name, "--wait=false").ok()
    name = f"{name}-2"
    task["metadata"] = {"name": name, "namespace": "default"}
    alice.run("create", "-f", "-", stdin=task).ok()
    refused = "only its creator and users with the verb purge"
    assert refused in mallory.run(*ttl(0)).stderr
    alice.run(*ttl(60)).ok()
    assert refused in mallory.run(*ttl(59)).stderr
    mallory.run(*ttl(61)).ok()
    mallory.run("label", "task", name, "a=b").ok()
    mallory.run(*ttl(None)).ok()
    chief.run(*ttl(0)).ok()
    made = task | {"metadata": {"name": f"{name}-3", "namespace": "default"}}
    made["spec"] = {"teamRef": {"name": "t"}, "prompt": "Help.", "ttlSecondsAfterFinished": 0}
    mallory.run("create", "-f", "-", stdin=made).ok()
