"""The API proxy's own identity may remove one member of a Group, and change nothing else."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.policies.conftest import ACCOUNTS
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from wegent_crds.kinds.group import GroupSpec

ANN = {"username": "ann", "role": "admin", "accountUid": "uid-ann"}
BOB = {"username": "bob", "role": "viewer"}
CLEO = {"username": "cleo", "role": "editor"}
SPEC = {
    "displayName": "Blue",
    "members": [ANN, BOB, CLEO],
    "quota": {"count/secrets": 5},
    "limits": {"tokensPerDay": 5},
}
REFUSED = "the API proxy can change nothing of a Group but remove one of its members"


@pytest.fixture
def proxy(control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path) -> Kubectl:
    """kubectl with the proxy's own rights."""
    return kubectl_as(control_plane, kubectl, "wegent-system", "wegent-api", tmp_path)


@pytest.fixture
def group(kubectl: Kubectl) -> str:
    name = f"g{uuid.uuid4().hex[:8]}"
    metadata = {"name": name, "namespace": ACCOUNTS, "labels": {"a": "b"}}
    body = {"apiVersion": "agent.wecode.io/v1", "kind": "Group", "metadata": metadata, "spec": SPEC}
    kubectl.run("create", "-f", "-", stdin=body).ok()
    return name


def patch(who: Kubectl, name: str, change: dict[str, Any]) -> str:
    flags = (f"--namespace={ACCOUNTS}", "--type=merge", f"--patch={json.dumps(change)}")
    return who.run("patch", "group", name, *flags).stderr


def with_members(*members: dict[str, str]) -> dict[str, Any]:
    return {"spec": {"members": list(members)}}


def test_one_member_is_removed_at_a_time(proxy: Kubectl, kubectl: Kubectl, group: str) -> None:
    for left in ([ANN, CLEO], [CLEO], []):
        assert patch(proxy, group, with_members(*left)) == ""
        found = kubectl.run("get", "group", group, f"--namespace={ACCOUNTS}", "-o", "json")
        assert found.ok().json["spec"]["members"] == left


def test_each_field_is_in_the_spec_of_these_tests() -> None:
    assert {field.alias for field in GroupSpec.model_fields.values()} == set(SPEC)


@pytest.mark.parametrize(
    "change",
    [
        with_members(ANN),
        with_members(),
        with_members(ANN, BOB, CLEO, {"username": "mallory", "role": "admin"}),
        with_members(ANN, {"username": "mallory", "role": "admin"}),
        with_members(ANN, BOB | {"role": "admin"}),
        with_members(ANN, BOB, CLEO | {"role": "admin"}),
        with_members({**ANN, "accountUid": "uid-mallory"}, BOB),
        {"spec": {"members": [ANN, BOB], "displayName": "Red"}},
        {"spec": {"members": [ANN, BOB], "quota": None}},
        {"spec": {"members": [ANN, BOB], "limits": {"tokensPerDay": 6}}},
        with_members(ANN, BOB) | {"metadata": {"labels": {"a": "c"}}},
        with_members(ANN, BOB) | {"metadata": {"annotations": {"b": "c"}}},
        with_members(ANN, BOB) | {"metadata": {"finalizers": ["example.com/hold"]}},
    ],
    ids=str,
)
def test_nothing_else_is_changed(
    proxy: Kubectl, kubectl: Kubectl, group: str, change: dict[str, Any]
) -> None:
    assert REFUSED in patch(proxy, group, change)
    assert patch(kubectl, group, change) == "", "others may"


@pytest.mark.parametrize("verb", ["create", "list", "update", "delete"])
def test_the_proxy_has_no_further_right(proxy: Kubectl, verb: str) -> None:
    done = proxy.run("auth", "can-i", verb, "groups.agent.wecode.io", f"--namespace={ACCOUNTS}")
    assert done.stdout.strip() == "no"
