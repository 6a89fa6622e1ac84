"""The API proxy's own identity may change only the password's reference in an Account."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from wegent_crds.kinds.account import AccountSpec

ACCOUNTS = "wegent-accounts"
SPEC = {
    "email": "ann@example.com",
    "role": "user",
    "namespaces": [{"name": "default", "role": "viewer"}],
    "suspended": True,
    "passwordSecretRef": {"name": "one"},
}
ELSE = {
    "email": "mallory@example.com",
    "role": "admin",
    "namespaces": [{"name": "default", "role": "admin"}],
    "suspended": False,
}
"""Another value of each field but the reference."""


@pytest.fixture
def proxy(control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path) -> Kubectl:
    """kubectl with the proxy's own rights."""
    return kubectl_as(control_plane, kubectl, "wegent-system", "wegent-api", tmp_path)


@pytest.fixture
def account(kubectl: Kubectl) -> str:
    name = f"u{uuid.uuid4().hex[:8]}"
    body = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Account",
        "metadata": {
            "name": name,
            "namespace": ACCOUNTS,
            "labels": {"a": "b"},
            "annotations": {"a": "b"},
        },
        "spec": SPEC,
    }
    kubectl.run("create", "-f", "-", stdin=body).ok()
    return name


def patch(who: Kubectl, name: str, change: dict[str, Any]) -> str:
    where = f"--namespace={ACCOUNTS}"
    return who.run(
        "patch", "account", name, where, "--type=merge", f"--patch={json.dumps(change)}"
    ).stderr


def test_another_password_is_referred_to(proxy: Kubectl, kubectl: Kubectl, account: str) -> None:
    assert patch(proxy, account, {"spec": {"passwordSecretRef": {"name": "two"}}}) == ""
    found = kubectl.run("get", "account", account, f"--namespace={ACCOUNTS}", "-o", "json")
    assert found.ok().json["spec"] == SPEC | {"passwordSecretRef": {"name": "two"}}


def test_each_other_field_is_looked_at() -> None:
    fields = {field.alias for field in AccountSpec.model_fields.values()}
    assert fields == set(SPEC)
    assert fields - set(ELSE) == {"passwordSecretRef"}


@pytest.mark.parametrize(
    "change",
    [
        *({"spec": {field: value}} for field, value in ELSE.items()),
        {"spec": {"namespaces": None}},
        {"metadata": {"labels": {"a": "c"}}},
        {"metadata": {"annotations": {"b": "c"}}},
        {"metadata": {"finalizers": ["example.com/hold"]}},
    ],
    ids=str,
)
def test_nothing_else_is_changed(
    proxy: Kubectl, kubectl: Kubectl, account: str, change: dict[str, Any]
) -> None:
    refused = patch(proxy, account, change)
    assert "the API proxy can change only spec.passwordSecretRef of an Account" in refused or (
        "verb grant-admin" in refused and set(change.get("spec", ())) <= {"role", "namespaces"}
    )
    assert patch(kubectl, account, change) == "", "others may"
