"""The runner may read the Secrets of keys to which objects refer, and no others."""

from typing import Any

import pytest

from tests.crds.samples import MINIMAL
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


def server(**headers: str) -> dict[str, Any]:
    """Return an MCP server whose headers are in these Secrets."""
    sources = {
        header.replace("_", "-"): {"secretKeyRef": {"name": name, "key": "key"}}
        for header, name in headers.items()
    }
    return {"url": "https://mcp.example.com", "headersFrom": sources}


@pytest.mark.parametrize("plural", ["ghosts", "skills"])
async def test_the_role_follows_each_field_of_mcp_servers(
    api: Api, operator: OperatorProcess, namespace: str, kubectl: Kubectl, plural: str
) -> None:
    del operator

    async def change(**servers: Any) -> None:
        await api.merge(plural, namespace, "one", {"spec": {"mcpServers": servers}})

    spec = {**MINIMAL[plural], "mcpServers": {"a": server(Authorization="first")}}
    await api.create(plural, namespace, "one", spec)
    await readable(api, namespace, "first")
    assert may(kubectl, namespace, "get", "secret/first")
    assert not may(kubectl, namespace, "get", "secret/second")
    await change(a=server(X_Second="second"))  # a further header
    await readable(api, namespace, "first", "second")
    await change(b=server(Authorization="third"))  # a further server
    await readable(api, namespace, "first", "second", "third")
    await change(a=server(Authorization="fourth"))  # another Secret
    await readable(api, namespace, "fourth", "second", "third")
    assert not may(kubectl, namespace, "get", "secret/first")
    await change(b=server(Authorization="second"))  # the same Secret twice
    await readable(api, namespace, "fourth", "second")
    await change(a={"headersFrom": {"X-Second": None}})
    await readable(api, namespace, "fourth", "second")
    await model(api, namespace, "m", "openai")
    await change(b={"headersFrom": None})
    await readable(api, namespace, "fourth", "openai")
    await change(a=None)
    await readable(api, namespace, "openai")
    await change(a=server(Authorization="first"))
    await readable(api, namespace, "first", "openai")
    await api.delete(plural, namespace, "one")
    await readable(api, namespace, "openai")
    await api.delete("models", namespace, "m")
    await readable(api, namespace)


async def test_a_namespace_has_at_most_a_thousand_names(
    api: Api, operator: OperatorProcess, namespace: str
) -> None:
    """Eight Ghosts name 1,024 Secrets. One more of a Model comes before them."""
    del operator
    ghosts = [f"g{it}" for it in range(8)]
    for name in ghosts:
        servers = {
            f"s{number}": server(**{f"X_{it}": f"{name}-{number:02}-{it}" for it in range(8)})
            for number in range(16)
        }
        await api.create("ghosts", namespace, name, {**MINIMAL["ghosts"], "mcpServers": servers})
    await model(api, namespace, "m", "z-openai")

    async def told(name: str) -> dict[str, Any] | None:
        ghost = await api.get("ghosts", namespace, name)
        assert ghost is not None
        conditions = ghost["status"]["conditions"]
        return next((it for it in conditions if it["type"] == "KeysReadable"), None)

    async def bounded() -> bool:
        role = await api.find(RBAC_ROLES, namespace, ROLE)
        names = role["rules"][0]["resourceNames"]
        last = await told("g7")
        whole = last is not None and last["message"].endswith("; and 17 more")
        return "z-openai" in names and len(names) == 1000 and whole

    await eventually(bounded, within_s=VERDICT_WITHIN_S, what="a Role of 1,000 names")
    last = await told("g7")
    assert last is not None
    assert (last["status"], last["reason"]) == ("False", "TooManyKeys")
    assert await told("g6") is None
    await api.delete("ghosts", namespace, "g0")

    async def relieved() -> bool:
        role = await api.find(RBAC_ROLES, namespace, ROLE)
        names = role["rules"][0]["resourceNames"]
        return len(names) == 7 * 128 + 1 and await told("g7") is None

    await eventually(relieved, within_s=VERDICT_WITHIN_S, what="room for all names")


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
