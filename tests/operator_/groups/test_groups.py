"""The namespaces of groups, with the real operator."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds import members
from wegent_crds.members import GROUP_UID_LABEL
from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import NAMESPACES, RESOURCE_QUOTAS, ROLE_BINDINGS
from wegent_operator.accounts.quota import QUOTA_NAME, Counted, counted

ACCOUNTS = "wegent-accounts"
COUNTED_WITHIN_S = 90.0
Login = Callable[[str], Kubectl]

pytestmark = pytest.mark.usefixtures("operator")


def unique(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:8]}"


@pytest.fixture
def group() -> str:
    """The name of a group of the test's own."""
    return unique("group")


@pytest.fixture
async def ann(api: Api) -> str:
    """A user with an Account."""
    return await account(api, "ann")


@pytest.fixture
def login(control_plane: ControlPlane, kubectl: Kubectl, tmp_path: Path) -> Login:
    """kubectl with a user's own token."""
    return lambda user: kubectl_as(control_plane, kubectl, ACCOUNTS, user, tmp_path)


async def account(api: Api, prefix: str, name: str | None = None, **spec: Any) -> str:
    name = name or unique(prefix)
    await api.create("accounts", ACCOUNTS, name, {"email": f"{name}@example.com", **spec})
    await api.settled("accounts", ACCOUNTS, name)
    return name


async def create(
    api: Api, group: str, *members: tuple[str, str], reason: str = "Ready", **spec: Any
) -> dict[str, Any]:
    named = [{"username": username, "role": role} for username, role in members]
    await api.create("groups", ACCOUNTS, group, {"members": named, **spec})
    return await api.settled("groups", ACCOUNTS, group, reason)


async def may(who: Kubectl, verb: str, resource: str, namespace: str) -> bool:
    done = await who.call("auth", "can-i", verb, resource, f"--namespace={namespace}")
    return done.stdout.strip() == "yes"


async def until(what: str, probe: Callable[[], Any], *, within_s: float = VERDICT_WITHIN_S) -> None:
    await eventually(probe, within_s=within_s, what=what)


async def bindings(api: Api, namespace: str) -> set[str]:
    found = await api.client.request("GET", ROLE_BINDINGS.path(namespace))
    return {it["metadata"]["name"] for it in found["items"]}


async def has_bindings(api: Api, namespace: str, *names: str) -> None:
    async def probe() -> bool:
        found = await bindings(api, namespace)
        assert found == set(names), found
        return True

    await until(f"the bindings in {namespace}", probe)


async def verdict(api: Api, group: str, reason: str) -> str:
    """Wait for a reason of Ready, and return the message."""
    body = await api.settled("groups", ACCOUNTS, group, reason)
    return str(condition(body, "Ready")["message"])


def binding(user: str, role: str) -> str:
    return members.account_binding_name(user, role)


async def test_members_have_their_roles_and_no_others(
    api: Api, group: str, ann: str, login: Login
) -> None:
    bob, cleo = await account(api, "bob"), await account(api, "cleo")
    await create(api, group, (ann, "admin"), (bob, "viewer"))
    await has_bindings(api, group, binding(ann, "admin"), binding(bob, "viewer"))
    ghosts, rolebindings = "ghosts.agent.wecode.io", "rolebindings.rbac.authorization.k8s.io"
    assert await may(login(ann), "create", rolebindings, group)
    assert await may(login(bob), "get", ghosts, group)
    assert not await may(login(bob), "create", ghosts, group)
    assert not await may(login(cleo), "get", ghosts, group)
    for member in (ann, bob):  # of the kinds that a member may list
        (await login(member).call("get", "wegent", f"--namespace={group}")).ok()

    change = [{"username": bob, "role": "editor"}, {"username": cleo, "role": "viewer"}]
    await api.merge("groups", ACCOUNTS, group, {"spec": {"members": change}})
    await has_bindings(api, group, binding(bob, "editor"), binding(cleo, "viewer"))

    async def lost() -> bool:
        return not await may(login(ann), "get", ghosts, group)

    await until("the removed member to have no rights", lost)


async def test_drift_is_repaired(api: Api, group: str, ann: str) -> None:
    await create(api, group, (ann, "editor"))
    await has_bindings(api, group, binding(ann, "editor"))
    path = ROLE_BINDINGS.path(group, binding(ann, "editor"))
    await api.client.request("DELETE", path)
    await has_bindings(api, group, binding(ann, "editor"))


async def test_the_quota_is_the_specs_and_follows_it(
    api: Api, group: str, kubectl: Kubectl
) -> None:
    resource = "count/shells.agent.wecode.io"
    await create(api, group, quota={resource: 1})

    async def in_force(hard: dict[str, str]) -> bool:
        quota = await api.find(RESOURCE_QUOTAS, group, QUOTA_NAME)
        assert quota is not None
        assert quota["spec"]["hard"] == hard
        return counted(quota) is Counted.WHOLLY

    await until("the quota", lambda: in_force({resource: "1"}), within_s=COUNTED_WITHIN_S)
    await api.create("shells", group, "first", {"type": "Chat"})
    second = {
        "apiVersion": "agent.wecode.io/v1",
        "kind": "Shell",
        "metadata": {"name": "second", "namespace": group},
        "spec": {"type": "Chat"},
    }
    refused = await kubectl.call("create", "-f", "-", stdin=second)
    assert "exceeded quota: wegent-account" in refused.stderr
    await api.merge("groups", ACCOUNTS, group, {"spec": {"quota": {resource: 2}}})
    await until("the quota", lambda: in_force({resource: "2"}), within_s=COUNTED_WITHIN_S)
    (await kubectl.call("create", "-f", "-", stdin=second)).ok()

    async def gone() -> bool:
        return await api.find(RESOURCE_QUOTAS, group, QUOTA_NAME) is None

    body = {"spec": {"quota": {resource: None}}}
    await api.merge("groups", ACCOUNTS, group, body)
    await until("no quota", gone)


async def test_a_misspelt_resource_is_a_fault_and_the_others_are_limited(
    api: Api, group: str
) -> None:
    shells, wrong, right = (f"count/{it}.agent.wecode.io" for it in ("shells", "shellz", "bots"))
    await api.create("groups", ACCOUNTS, group, {"members": [], "quota": {shells: 1, wrong: 5}})

    async def limited(reason: str, hard: dict[str, str]) -> str:
        body = await api.get("groups", ACCOUNTS, group)
        ready = condition(body or {}, "Ready")
        assert ready["reason"] == reason, ready
        quota = await api.find(RESOURCE_QUOTAS, group, QUOTA_NAME)
        assert quota is not None
        assert quota["spec"]["hard"] == hard, quota
        assert counted(quota) is Counted.WHOLLY
        return str(ready["message"]) or "none"

    said = await eventually(
        lambda: limited("NotProvisioned", {shells: "1"}),
        within_s=COUNTED_WITHIN_S,
        what="a quota without the resource",
    )
    assert said.startswith(f"spec.quota[{wrong}]: the cluster does not count it")
    change = {"spec": {"quota": {wrong: None, right: 5}}}
    await api.merge("groups", ACCOUNTS, group, change)
    await until(
        "the quota",
        lambda: limited("Ready", {shells: "1", right: "5"}),
        within_s=COUNTED_WITHIN_S,
    )


async def test_a_group_with_the_name_of_a_shared_namespace_gives_no_roles(
    api: Api,
    group: str,
    ann: str,
    operator: OperatorProcess,
    operator_kubeconfig: Path,
    tmp_path: Path,
) -> None:
    await create(api, group, (ann, "editor"), limits={"tokensPerDay": 5})
    await has_bindings(api, group, binding(ann, "editor"))
    assert operator.stop() == 0
    log = tmp_path / "operator.log"
    process = OperatorProcess(operator_kubeconfig, log, shared_namespaces=group)
    process.start()
    try:
        await has_bindings(api, group, members.SHARED_BINDING)
        said = await verdict(api, group, "NameReserved")
        assert said.startswith("metadata.name: ")
        body = await api.get("groups", ACCOUNTS, group)
        assert condition(body or {}, "Stalled")["status"] == "True"
        assert await limits_of(api, group) == {TOKENS_PER_DAY: "5"}, "limits and quota stay"
    finally:
        process.stop()
        operator.start()
    await has_bindings(api, group, binding(ann, "editor"))


async def test_a_reserved_name_gets_no_namespace_and_takes_none(
    api: Api,
    group: str,
    ann: str,
    operator: OperatorProcess,
    operator_kubeconfig: Path,
    tmp_path: Path,
) -> None:
    await create(api, group, (ann, "editor"))
    later = unique("later")
    assert operator.stop() == 0
    reserved = f"{group},later*"
    process = OperatorProcess(
        operator_kubeconfig, tmp_path / "operator.log", reserved_namespaces=reserved
    )
    process.start()
    try:
        body = await create(api, later, (ann, "editor"), reason="NameReserved")
        said = str(condition(body, "Ready")["message"])
        assert said.startswith(f"metadata.name: {later} is reserved for the cluster, by later*")
        assert condition(body, "Stalled")["status"] == "True"
        assert await api.find(NAMESPACES, None, later) is None
        # The operator has seen this change, and keeps the namespace that the Group has.
        change = {"spec": {"members": [{"username": ann, "role": "viewer"}]}}
        await api.merge("groups", ACCOUNTS, group, change)
        await has_bindings(api, group, binding(ann, "viewer"))
        await verdict(api, group, "Ready")
    finally:
        process.stop()
        operator.start()
    await verdict(api, later, "Ready")
    await has_bindings(api, later, binding(ann, "editor"))


async def limits_of(api: Api, group: str) -> dict[str, str]:
    found = await api.find(NAMESPACES, None, group)
    annotations = found["metadata"].get("annotations") or {}
    return {k: v for k, v in annotations.items() if k in (REQUESTS_PER_MINUTE, TOKENS_PER_DAY)}


async def has_limits(api: Api, group: str, limits: dict[str, str]) -> None:
    async def probe() -> bool:
        found = await limits_of(api, group)
        assert found == limits, found
        return True

    await until("the limits", probe)


async def test_limits_are_annotations_of_the_namespace(api: Api, group: str) -> None:
    await create(api, group, limits={"requestsPerMinute": 60, "tokensPerDay": 1000})
    both = {REQUESTS_PER_MINUTE: "60", TOKENS_PER_DAY: "1000"}
    await has_limits(api, group, both)
    change = {"spec": {"limits": {"tokensPerDay": None, "requestsPerMinute": 5}}}
    await api.merge("groups", ACCOUNTS, group, change)
    await has_limits(api, group, {REQUESTS_PER_MINUTE: "5"})
    await api.merge("groups", ACCOUNTS, group, {"spec": {"limits": None}})
    await has_limits(api, group, {})


async def test_a_cluster_administrators_limit_precedes(
    api: Api, group: str, kubectl: Kubectl
) -> None:
    await create(api, group)
    limit = f"{TOKENS_PER_DAY}=7"
    (await kubectl.call("annotate", "namespace", group, limit)).ok()
    await api.merge("groups", ACCOUNTS, group, {"spec": {"limits": {"tokensPerDay": 9}}})
    said = await verdict(api, group, "NotProvisioned")
    assert said.startswith(f"spec.limits can't be applied to namespace {group}: ")
    assert "conflict" in said
    assert await limits_of(api, group) == {TOKENS_PER_DAY: "7"}
    await api.merge("groups", ACCOUNTS, group, {"spec": {"limits": None}})
    await verdict(api, group, "Ready")
    assert await limits_of(api, group) == {TOKENS_PER_DAY: "7"}


async def test_an_existing_namespace_is_taken_until_its_label_says_otherwise(
    api: Api, group: str, ann: str
) -> None:
    await api.create_namespace(group)
    body = await create(api, group, (ann, "editor"), reason="NamespaceTaken")
    said = condition(body, "Ready")["message"]
    label = {GROUP_UID_LABEL: body["metadata"]["uid"]}
    assert f"{GROUP_UID_LABEL}={label[GROUP_UID_LABEL]}" in said
    assert await bindings(api, group) == set()
    await api.client.request(
        "PATCH",
        NAMESPACES.path(None, group),
        body={"metadata": {"labels": label}},
        content_type=MERGE_PATCH,
    )
    await has_bindings(api, group, binding(ann, "editor"))
    await verdict(api, group, "Ready")


async def test_the_access_ends_with_the_group_and_objects_stay(
    api: Api, group: str, ann: str
) -> None:
    bob = await account(api, "bob")
    await create(api, group, (ann, "admin"))
    await has_bindings(api, group, binding(ann, "admin"))
    await api.create("shells", group, "kept", {"type": "Chat"})
    membership = members.binding(group, ACCOUNTS, bob, "editor")
    await api.client.request("POST", ROLE_BINDINGS.path(group), body=membership)
    await api.delete("groups", ACCOUNTS, group)
    await has_bindings(api, group)
    assert await api.get("shells", group, "kept") is not None

    # Another Group of the name does not get what the first one left.
    await create(api, group, (bob, "editor"), reason="NamespaceTaken")
    assert await bindings(api, group) == set()


async def test_a_later_user_of_the_name_inherits_nothing(api: Api, group: str, ann: str) -> None:
    bob = await account(api, "bob")
    await create(api, group, (ann, "editor"), (bob, "viewer"))
    await has_bindings(api, group, binding(ann, "editor"), binding(bob, "viewer"))
    await api.delete("accounts", ACCOUNTS, ann)
    await has_bindings(api, group, binding(bob, "viewer"))
    assert "does not exist" in await verdict(api, group, "RefNotFound")

    await api.create("accounts", ACCOUNTS, ann, {"email": "other@example.com"})
    said = await verdict(api, group, "RefNotPermitted")
    assert "is younger than the member" in said
    # Another edit doesn't let that user in.
    await api.merge("groups", ACCOUNTS, group, {"spec": {"displayName": "Blue"}})
    await verdict(api, group, "RefNotPermitted")
    assert await bindings(api, group) == {binding(bob, "viewer")}

    now = await api.get("accounts", ACCOUNTS, ann)
    assert now is not None
    uid = now["metadata"]["uid"]
    assert uid in said
    named = [{"username": ann, "role": "editor", "accountUid": uid}]
    await api.merge("groups", ACCOUNTS, group, {"spec": {"members": named}})
    await has_bindings(api, group, binding(ann, "editor"))
    await verdict(api, group, "Ready")


async def test_a_member_who_registers_later_is_not_let_in(api: Api, group: str) -> None:
    name = unique("late")
    await create(api, group, (name, "editor"), reason="RefNotFound")
    assert name in await verdict(api, group, "RefNotFound")
    await account(api, "late", name)
    await verdict(api, group, "RefNotPermitted")
    assert await bindings(api, group) == set()


async def test_a_suspended_member_has_no_role_until_the_end_of_the_suspension(
    api: Api, group: str, ann: str
) -> None:
    await create(api, group, (ann, "editor"))
    await has_bindings(api, group, binding(ann, "editor"))
    await api.merge("accounts", ACCOUNTS, ann, {"spec": {"suspended": True}})
    await has_bindings(api, group)
    await api.merge("accounts", ACCOUNTS, ann, {"spec": {"suspended": False}})
    await has_bindings(api, group, binding(ann, "editor"))


async def test_a_group_elsewhere_has_no_effect(api: Api, group: str, namespace: str) -> None:
    await api.create("groups", namespace, group, {"members": []})
    await api.settled("groups", namespace, group, "WrongNamespace")
    assert await api.find(NAMESPACES, None, group) is None


async def test_changes_while_the_operator_is_killed_are_carried_out_later(
    api: Api, group: str, ann: str, operator: OperatorProcess
) -> None:
    bob, former = await account(api, "bob"), unique("former")
    await create(api, group, (ann, "editor"))
    await create(api, former, (ann, "editor"), (bob, "viewer"))
    await has_bindings(api, group, binding(ann, "editor"))
    await has_bindings(api, former, binding(ann, "editor"), binding(bob, "viewer"))
    operator.kill()
    await api.merge(
        "groups", ACCOUNTS, group, {"spec": {"members": [{"username": bob, "role": "admin"}]}}
    )
    await api.ask_to_delete("groups", ACCOUNTS, former)
    operator.start()
    await has_bindings(api, group, binding(bob, "admin"))
    await has_bindings(api, former)


async def test_a_kill_between_the_steps_of_a_new_group_loses_nothing(
    api: Api, ann: str, operator: OperatorProcess
) -> None:
    groups = [unique("killed") for _ in range(6)]
    for number, group in enumerate(groups):
        spec = {"members": [{"username": ann, "role": "editor"}], "limits": {"tokensPerDay": 5}}
        await api.create("groups", ACCOUNTS, group, spec)
        if number % 2:  # in the middle of the work on the last two
            operator.kill()
            operator.start()
    for group in groups:
        await has_bindings(api, group, binding(ann, "editor"))
        await has_limits(api, group, {TOKENS_PER_DAY: "5"})
        await verdict(api, group, "Ready")
