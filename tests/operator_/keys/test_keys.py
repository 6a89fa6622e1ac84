"""The runner may read the Secrets to which Models refer, and no others."""

import pytest

from tests.support.api import VERDICT_WITHIN_S, Api
from tests.support.audit import AuditLog
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER
from wegent_crds.api_keys import ROLE
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import RBAC_ROLES, ROLE_BINDINGS

RUNNER = "--as=system:serviceaccount:wegent-system:wegent-runner"


async def model(api: Api, namespace: str, name: str, secret: str) -> None:
    spec = {
        "provider": "openai",
        "model": "gpt-4",
        "apiKeySecretRef": {"name": secret, "key": "key"},
    }
    await api.create("models", namespace, name, spec)


async def readable(api: Api, namespace: str, *secrets: str) -> None:
    """Wait until the Role names exactly these Secrets, or is gone with its binding."""

    async def probe() -> bool:
        role = await api.find(RBAC_ROLES, namespace, ROLE)
        binding = await api.find(ROLE_BINDINGS, namespace, ROLE)
        if not secrets:
            return role is None and binding is None
        assert role is not None
        assert binding is not None
        return bool(role["rules"][0]["resourceNames"] == list(secrets))

    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"the runner reads {secrets}")


def may(kubectl: Kubectl, namespace: str, *request: str) -> bool:
    done = kubectl.run("auth", "can-i", *request, RUNNER, f"--namespace={namespace}")
    return done.stdout.strip() == "yes"


async def test_the_role_follows_the_models(
    api: Api, operator: OperatorProcess, namespace: str, kubectl: Kubectl, audit: AuditLog
) -> None:
    del operator
    await model(api, namespace, "m1", "openai")
    await readable(api, namespace, "openai")
    assert may(kubectl, namespace, "get", "secret/openai")
    assert not may(kubectl, namespace, "get", "secret/anthropic")
    assert not may(kubectl, namespace, "list", "secrets")
    assert not may(kubectl, namespace, "watch", "secrets")
    assert not may(kubectl, "default", "get", "secret/openai")
    await model(api, namespace, "m2", "openai")
    await model(api, namespace, "m3", "anthropic")
    await readable(api, namespace, "anthropic", "openai")
    await api.merge("models", namespace, "m3", {"spec": {"apiKeySecretRef": {"name": "other"}}})
    await readable(api, namespace, "openai", "other")
    await api.delete("models", namespace, "m1")
    await api.merge("models", namespace, "m3", {"spec": {"apiKeySecretRef": None}})
    await readable(api, namespace, "openai")
    await api.delete("models", namespace, "m2")
    await readable(api, namespace)
    writes = audit.writes(user=OPERATOR_USER, namespace=namespace)
    of_roles = [it for it in writes if it.resource in {"roles", "rolebindings"}]
    assert len(of_roles) <= 8, of_roles  # one for each change, and two for the binding
    reads = [it for it in audit.requests(user=OPERATOR_USER) if it.resource == "secrets"]
    assert reads == []


async def test_edits_by_hand_are_undone(
    api: Api, operator: OperatorProcess, namespace: str
) -> None:
    del operator
    await model(api, namespace, "m", "openai")
    await readable(api, namespace, "openai")
    for resource in (RBAC_ROLES, ROLE_BINDINGS):
        await api.client.request("DELETE", resource.path(namespace, ROLE))
        await readable(api, namespace, "openai")
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    path = RBAC_ROLES.path(namespace, ROLE)
    await api.client.request("PATCH", path, body={"rules": rules}, content_type=MERGE_PATCH)

    async def mended() -> bool:
        role = await api.find(RBAC_ROLES, namespace, ROLE)
        return bool(role["rules"][0].get("resourceNames") == ["openai"])

    await eventually(mended, within_s=VERDICT_WITHIN_S, what="the Role as before")


@pytest.mark.parametrize("kept", [True, False])
async def test_changes_while_no_operator_runs(
    api: Api,
    operator: OperatorProcess,
    namespace: str,
    kept: bool,  # noqa: FBT001
) -> None:
    await model(api, namespace, "m", "openai")
    await readable(api, namespace, "openai")
    assert operator.stop() == 0
    if kept:
        await model(api, namespace, "n", "another")
    else:
        await api.merge("models", namespace, "m", {"spec": {"apiKeySecretRef": None}})
    operator.start()
    await readable(api, namespace, *(("another", "openai") if kept else ()))
