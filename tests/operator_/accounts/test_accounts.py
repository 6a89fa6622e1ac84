"""The ServiceAccounts and RoleBindings of Accounts are created, and restored after changes."""

import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.audit import AuditLog
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.wegent import OPERATOR_USER
from wegent_kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    NAMESPACES,
    ROLE_BINDINGS,
    SERVICE_ACCOUNTS,
    Resource,
)
from wegent_operator.accounts.quota import QUOTA_NAME

pytestmark = pytest.mark.usefixtures("operator")

ACCOUNTS = "wegent-accounts"
NAME = "wegent-accounts"
"""The RoleBinding of all users in a shared namespace."""


@pytest.fixture
def user() -> str:
    """A user name of the test's own."""
    return f"u{uuid.uuid4().hex[:8]}"


async def create(api: Api, name: str, **spec: Any) -> None:
    await api.create("accounts", ACCOUNTS, name, {"email": f"{name}@example.com", **spec})


async def until(
    api: Api, resource: Resource, namespace: str | None, name: str, *, exists: bool
) -> None:
    async def probe() -> bool:
        found = await api.find(resource, namespace, name)
        return (found is not None) is exists

    what = f"{resource.plural} {namespace}/{name} to {'exist' if exists else 'be gone'}"
    await eventually(probe, within_s=VERDICT_WITHIN_S, what=what)


@pytest.fixture
def login(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> Callable[[str], Kubectl]:
    """kubectl with a user's own token."""
    return lambda user: kubectl_as(control_plane, kubectl, ACCOUNTS, user, tmp_path)


async def test_a_user_may_work_at_home_and_in_shared_namespaces_and_nowhere_else(
    api: Api, user: str, namespace: str, login: Callable[[str], Kubectl]
) -> None:
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    kubectl = login(user)

    async def may(verb: str, resource: str, where: str) -> bool:
        done = await kubectl.call("auth", "can-i", verb, resource, f"--namespace={where}")
        return done.stdout.strip() == "yes"

    assert await may("create", "ghosts.agent.wecode.io", f"wegent-{user}")
    assert await may("delete", "bots.agent.wecode.io", "default")
    assert not await may("get", "ghosts.agent.wecode.io", namespace)
    assert not await may("get", "secrets", ACCOUNTS)
    assert not await may("get", "accounts.agent.wecode.io", ACCOUNTS)
    assert await may("create", "rolebindings.rbac.authorization.k8s.io", f"wegent-{user}")
    assert not await may("create", "rolebindings.rbac.authorization.k8s.io", "default")


async def test_two_users_are_strangers(api: Api, login: Callable[[str], Kubectl]) -> None:
    ann, bob = f"ann{uuid.uuid4().hex[:6]}", f"bob{uuid.uuid4().hex[:6]}"
    for name in (ann, bob):
        await create(api, name)
        await api.settled("accounts", ACCOUNTS, name)
    home = f"wegent-{ann}"
    ghost = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Ghost",
        "metadata": {"name": "g", "namespace": home},
        "spec": {"systemPrompt": "You help."},
    }
    (await login(ann).call("create", "-f", "-", stdin=ghost)).ok()
    stranger = login(bob)
    for command in (
        ("get", "ghosts", "g"),
        ("get", "ghosts"),
        ("get", "ghosts", "missing"),
        ("delete", "ghosts", "g"),
        ("label", "ghosts", "g", "a=b"),
    ):
        done = await stranger.call(*command, f"--namespace={home}")
        assert done.exit_code != 0
        assert "Forbidden" in done.stderr
        assert "NotFound" not in done.stderr
    assert "Forbidden" in (await stranger.call("create", "-f", "-", stdin=ghost)).stderr


async def test_memberships_follow_the_spec(api: Api, user: str, namespace: str) -> None:
    await create(api, user, namespaces=[{"name": namespace, "role": "viewer"}])
    await api.settled("accounts", ACCOUNTS, user)
    name = f"wegent-account-{user}"
    await until(api, ROLE_BINDINGS, namespace, f"{name}-viewer", exists=True)
    spec = {"namespaces": [{"name": namespace, "role": "editor"}], "role": "admin"}
    await api.merge("accounts", ACCOUNTS, user, {"spec": spec})
    await until(api, ROLE_BINDINGS, namespace, f"{name}-viewer", exists=False)
    await until(api, ROLE_BINDINGS, namespace, f"{name}-editor", exists=True)
    await until(api, CLUSTER_ROLE_BINDINGS, None, f"{name}-admin", exists=True)
    await api.merge("accounts", ACCOUNTS, user, {"spec": {"role": "user", "namespaces": []}})
    await until(api, CLUSTER_ROLE_BINDINGS, None, f"{name}-admin", exists=False)
    await until(api, ROLE_BINDINGS, namespace, f"{name}-editor", exists=False)


async def test_an_admin_may_work_everywhere_and_manage_accounts(
    api: Api, user: str, namespace: str, login: Callable[[str], Kubectl]
) -> None:
    await create(api, user, role="admin")
    await api.settled("accounts", ACCOUNTS, user)
    kubectl = login(user)
    for verb, resource, where in (
        ("delete", "teams.agent.wecode.io", namespace),
        ("create", "accounts.agent.wecode.io", ACCOUNTS),
        ("grant-admin", "accounts.agent.wecode.io", ACCOUNTS),
    ):
        done = await kubectl.call("auth", "can-i", verb, resource, f"--namespace={where}")
        assert done.stdout.strip() == "yes", (verb, resource)
    done = await kubectl.call("auth", "can-i", "get", "secrets", "--all-namespaces")
    assert done.stdout.strip() == "no"


async def test_drift_is_repaired(api: Api, user: str) -> None:
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    home, binding = f"wegent-{user}", f"wegent-account-{user}-admin"
    path = ROLE_BINDINGS.path(home, binding)
    await api.client.request("DELETE", path)
    await until(api, ROLE_BINDINGS, home, binding, exists=True)
    intruder = {"subjects": [{"kind": "User", "name": "mallory", "apiGroup": ROLE_BINDINGS.group}]}
    await api.client.request(
        "PATCH", path, body=intruder, content_type="application/merge-patch+json"
    )

    async def mended() -> bool:
        subjects = (await api.client.request("GET", path))["subjects"]
        assert [subject["name"] for subject in subjects] == [user], subjects
        return True

    await eventually(mended, within_s=VERDICT_WITHIN_S, what="the intruder out of the binding")


async def test_a_users_own_namespace_comes_back(api: Api, user: str) -> None:
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    home = f"wegent-{user}"
    deleted = await api.client.request("DELETE", NAMESPACES.path(None, home))

    async def made_anew() -> bool:
        listed = (await api.client.request("GET", NAMESPACES.path()))["items"]
        found = [it for it in listed if it["metadata"]["name"] == home]
        assert found, "it is gone"
        assert found[0]["metadata"]["uid"] != deleted["metadata"]["uid"], found[0]["status"]
        return True

    await eventually(made_anew, within_s=VERDICT_WITHIN_S, what=f"another namespace {home}")
    await until(api, ROLE_BINDINGS, home, f"wegent-account-{user}-admin", exists=True)
    await api.settled("accounts", ACCOUNTS, user)


async def test_the_shared_namespaces_binding_is_repaired(api: Api) -> None:
    path = ROLE_BINDINGS.path("default", "wegent-accounts")
    await until(api, ROLE_BINDINGS, "default", "wegent-accounts", exists=True)
    await api.client.request("DELETE", path)
    await until(api, ROLE_BINDINGS, "default", "wegent-accounts", exists=True)


async def test_the_shared_role_is_a_setting(
    api: Api, namespace: str, operator: OperatorProcess, operator_kubeconfig: Path, kubectl: Kubectl
) -> None:
    """This includes a binding of another role, and a binding in a formerly shared namespace."""
    assert operator.stop() == 0
    unshared, strange = f"{namespace}-unshared", f"{namespace}-strange"
    for where in (unshared, strange):
        await api.create_namespace(where)
    everybody = f"--group=system:serviceaccounts:{ACCOUNTS}"
    for where, group in ((namespace, everybody), (unshared, everybody), (strange, "--group=x")):
        binding = ("wegent-accounts", "--clusterrole=wegent-editor", group, f"--namespace={where}")
        (await kubectl.call("create", "rolebinding", *binding)).ok()

    async def role_in(where: str) -> str:
        found = await kubectl.call("get", "rolebinding", "-o", "json", f"--namespace={where}")
        named = [it for it in found.ok().json["items"] if it["metadata"]["name"] == NAME]
        return str(named[0]["roleRef"]["name"]) if named else ""

    async def has(where: str, role: str) -> bool:
        now = await role_in(where)
        assert now == role, now
        return True

    try:
        for setting, role in (("", "wegent-viewer"), ("none", "")):
            process = OperatorProcess(
                operator_kubeconfig,
                operator_kubeconfig.with_name("shared.log"),
                shared_namespaces=namespace,
                shared_role=setting,
            )
            if not setting:
                process.unset("shared_role")
            process.start()
            try:
                for where, wanted in ((namespace, role), (unshared, "")):
                    probe = partial(has, where, wanted)
                    await eventually(probe, within_s=VERDICT_WITHIN_S, what=f"{setting} in {where}")
                assert await role_in(strange) == "wegent-editor", "it serves somebody else"
            finally:
                assert process.stop() == 0
    finally:
        operator.start()


async def test_suspension_takes_access_and_giving_it_back_restores_it(api: Api, user: str) -> None:
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    await api.merge("accounts", ACCOUNTS, user, {"spec": {"suspended": True}})
    await api.settled("accounts", ACCOUNTS, user, "Suspended")
    assert await api.find(SERVICE_ACCOUNTS, ACCOUNTS, user) is None
    assert await api.find(NAMESPACES, None, f"wegent-{user}") is not None, "what is in it is kept"
    await api.merge("accounts", ACCOUNTS, user, {"spec": {"suspended": False}})
    await api.settled("accounts", ACCOUNTS, user)
    assert await api.find(SERVICE_ACCOUNTS, ACCOUNTS, user) is not None


async def test_an_account_deleted_while_nobody_looked_leaves_no_rights(
    api: Api, user: str, operator: OperatorProcess
) -> None:
    await create(api, user, role="admin")
    await api.settled("accounts", ACCOUNTS, user)
    assert operator.stop() == 0
    await api.delete("accounts", ACCOUNTS, user)
    operator.start()
    name = f"wegent-account-{user}"
    await until(api, CLUSTER_ROLE_BINDINGS, None, f"{name}-admin", exists=False)
    await until(api, ROLE_BINDINGS, f"wegent-{user}", f"{name}-admin", exists=False)
    await until(api, SERVICE_ACCOUNTS, ACCOUNTS, user, exists=False)
    await create(api, user)
    taken = await api.settled("accounts", ACCOUNTS, user, "NamespaceTaken")
    assert f"wegent-{user}" in condition(taken, "Ready")["message"]
    assert await api.find(ROLE_BINDINGS, f"wegent-{user}", f"{name}-admin") is None


async def test_what_gives_no_access_says_so(api: Api, user: str, namespace: str) -> None:
    await api.create("accounts", namespace, user, {"email": "a@example.com", "role": "admin"})
    await api.settled("accounts", namespace, user, "WrongNamespace")
    assert await api.find(SERVICE_ACCOUNTS, namespace, user) is None
    await create(api, user, namespaces=[{"name": f"{namespace}-later", "role": "viewer"}])
    refused = await api.settled("accounts", ACCOUNTS, user, "RefNotFound")
    assert condition(refused, "ResolvedRefs")["status"] == "False"
    await api.create_namespace(f"{namespace}-later")
    await api.settled("accounts", ACCOUNTS, user)


async def test_a_restart_over_settled_accounts_writes_nothing(
    api: Api, user: str, operator: OperatorProcess, audit: AuditLog
) -> None:
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    assert operator.stop() == 0
    before = len(audit.writes(user=OPERATOR_USER))
    operator.start()
    marker = f"{user}b"
    await create(api, marker)
    await api.settled("accounts", ACCOUNTS, marker)
    names = {write.name for write in audit.writes(user=OPERATOR_USER)[before:]}
    events = {name for name in names if name.startswith(f"{marker}.")}
    made = {f"wegent-{marker}", f"wegent-account-{marker}-admin", marker, QUOTA_NAME}
    assert names - events == made


async def test_a_member_of_a_namespace_that_the_operator_makes_later(api: Api, user: str) -> None:
    """In any order of verdicts, each Account waits for the other Account's namespace."""
    pairs = [(f"{user}-a{number}", f"{user}-b{number}") for number in range(6)]
    for one, other in pairs:
        for name, friend in ((one, other), (other, one)):
            await create(api, name, namespaces=[{"name": f"wegent-{friend}", "role": "viewer"}])
    for name in (name for pair in pairs for name in pair):
        await api.settled("accounts", ACCOUNTS, name)
