"""Access is removed and given by name and namespace, step by step; refusals are reported."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.api import VERDICT_WITHIN_S, Api, condition
from tests.support.cluster_policies import refusing, without_policy
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from tests.support.operator import OperatorProcess
from tests.support.waiting import eventually
from wegent_crds import members
from wegent_kube.content_types import MERGE_PATCH
from wegent_kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    NAMESPACES,
    ROLE_BINDINGS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Resource,
)

pytestmark = pytest.mark.usefixtures("operator")

ACCOUNTS = "wegent-accounts"
RBAC = "rbac.authorization.k8s.io"
HELD = "example.com/held"


@pytest.fixture
def user() -> str:
    """A user name of the test's own."""
    return f"u{uuid.uuid4().hex[:8]}"


async def create(api: Api, name: str, **spec: Any) -> dict[str, Any]:
    body = {"email": f"{name}@example.com", **spec}
    return await api.create("accounts", ACCOUNTS, name, body)


async def suspend(api: Api, user: str, *, suspended: bool = True) -> None:
    await api.merge("accounts", ACCOUNTS, user, {"spec": {"suspended": suspended}})


async def post(api: Api, resource: Resource, namespace: str | None, body: dict[str, Any]) -> Any:
    return await api.client.request("POST", resource.path(namespace), body=body)


async def until_gone(api: Api, resource: Resource, namespace: str | None, name: str) -> None:
    async def probe() -> bool:
        found = await api.find(resource, namespace, name)
        assert found is None, found["metadata"]
        return True

    what = f"{resource.plural} {namespace}/{name} to be gone"
    await eventually(probe, within_s=VERDICT_WITHIN_S, what=what)


async def patch(
    api: Api, resource: Resource, namespace: str | None, name: str, body: dict[str, Any]
) -> None:
    path = resource.path(namespace, name)
    await api.client.request("PATCH", path, body=body, content_type=MERGE_PATCH)


def role_binding(name: str, user: str, role: str = "view", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, **metadata},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": ACCOUNTS, "name": user}],
    }


# Names and places, not labels


async def test_labels_on_objects_of_others_stop_nothing(
    api: Api, user: str, namespace: str
) -> None:
    account = await create(api, user, role="admin")
    await api.settled("accounts", ACCOUNTS, user)
    labels = {
        "app.kubernetes.io/managed-by": "wegent-operator",
        "agent.wecode.io/account": user,
        "agent.wecode.io/account-uid": account["metadata"]["uid"],
    }
    strangers: list[tuple[Resource, str | None, dict[str, Any]]] = [
        (SERVICE_ACCOUNTS, namespace, {"metadata": {"name": "lure", "labels": labels}}),
        (SERVICE_ACCOUNTS, namespace, {"metadata": {"name": user, "labels": labels}}),
        (SECRETS, namespace, {"metadata": {"name": user, "labels": labels}}),
        (ROLE_BINDINGS, namespace, role_binding("lure", user, labels=labels)),
        (
            ROLE_BINDINGS,
            namespace,
            role_binding("wegent-member-lure", user, labels={**labels, members.MANAGED_BY: "x"}),
        ),
        (CLUSTER_ROLE_BINDINGS, None, role_binding(f"lure-{user}", user, labels=labels)),
        (NAMESPACES, None, {"metadata": {"name": f"lure-{user}", "labels": labels}}),
    ]
    for resource, where, body in strangers:
        await post(api, resource, where, body)
    await suspend(api, user)
    await api.settled("accounts", ACCOUNTS, user, "Suspended")
    assert await api.find(SERVICE_ACCOUNTS, ACCOUNTS, user) is None
    await until_gone(api, ROLE_BINDINGS, f"wegent-{user}", f"wegent-account-{user}-admin")
    await until_gone(api, CLUSTER_ROLE_BINDINGS, None, f"wegent-account-{user}-admin")
    await suspend(api, user, suspended=False)
    await api.settled("accounts", ACCOUNTS, user)
    await api.delete("accounts", ACCOUNTS, user)
    await until_gone(api, SERVICE_ACCOUNTS, ACCOUNTS, user)
    await until_gone(api, CLUSTER_ROLE_BINDINGS, None, f"wegent-account-{user}-admin")
    for resource, where, body in strangers:
        assert await api.find(resource, where, body["metadata"]["name"]) is not None, body
    await api.client.request("DELETE", CLUSTER_ROLE_BINDINGS.path(None, f"lure-{user}"))


async def test_labels_for_a_user_who_is_yet_to_come_stop_nothing(
    api: Api, user: str, namespace: str
) -> None:
    labels = {
        "app.kubernetes.io/managed-by": "wegent-operator",
        "agent.wecode.io/account": user,
    }
    body = {"metadata": {"name": "lure", "labels": labels}}
    await post(api, SERVICE_ACCOUNTS, namespace, body)
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    assert await api.find(SERVICE_ACCOUNTS, namespace, "lure") is not None


async def test_rights_whose_labels_were_taken_off_are_taken_all_the_same(
    api: Api, user: str, namespace: str, operator: OperatorProcess
) -> None:
    """This happens while the operator is down, so that it never sees them as its own."""
    name = f"wegent-account-{user}"
    places: list[tuple[Resource, str | None, str]] = [
        (SERVICE_ACCOUNTS, ACCOUNTS, user),
        (CLUSTER_ROLE_BINDINGS, None, f"{name}-admin"),
        (ROLE_BINDINGS, f"wegent-{user}", f"{name}-admin"),
        (ROLE_BINDINGS, namespace, f"{name}-editor"),
    ]
    await create(api, user, role="admin", namespaces=[{"name": namespace, "role": "editor"}])
    await api.settled("accounts", ACCOUNTS, user)
    assert operator.stop() == 0
    for place in places:
        await patch(api, *place, {"metadata": {"labels": None}})
    await suspend(api, user)
    operator.start()
    await api.settled("accounts", ACCOUNTS, user, "Suspended")
    for place in places:
        await until_gone(api, *place)


async def test_labels_that_are_taken_off_come_back(api: Api, user: str) -> None:
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    for place in (
        (SERVICE_ACCOUNTS, ACCOUNTS, user),
        (ROLE_BINDINGS, f"wegent-{user}", f"wegent-account-{user}-admin"),
    ):
        before = await api.find(*place)
        await patch(api, *place, {"metadata": {"labels": None}})

        async def mended(place: Any = place, before: Any = before) -> bool:
            found = await api.find(*place)
            assert found["metadata"].get("labels") == before["metadata"]["labels"], found
            assert found["metadata"]["uid"] == before["metadata"]["uid"], "the very same"
            return True

        await eventually(mended, within_s=VERDICT_WITHIN_S, what=f"the labels of {place}")


# One refusal is not the end


async def test_one_step_that_is_refused_does_not_keep_the_others_alive(
    api: Api, user: str, namespace: str
) -> None:
    await create(api, user, role="admin", namespaces=[{"name": namespace, "role": "viewer"}])
    await api.settled("accounts", ACCOUNTS, user)
    stays = f"wegent-account-{user}-viewer"
    path = ROLE_BINDINGS.path(namespace, stays)

    async def trial() -> None:
        await api.client.request("DELETE", path, params={"dryRun": "All"})

    allowed = f"request.name != '{stays}'"
    async with refusing(api, ROLE_BINDINGS, "DELETE", allowed, "no deleting here", trial):
        await suspend(api, user)
        body = await api.settled("accounts", ACCOUNTS, user, "NotProvisioned")
        message = condition(body, "Ready")["message"]
        assert message.startswith(
            f"RoleBinding {stays} in namespace {namespace} can't be deleted: "
        )
        assert "no deleting here" in message
        assert await api.find(SERVICE_ACCOUNTS, ACCOUNTS, user) is None
        name = f"wegent-account-{user}-admin"
        assert await api.find(CLUSTER_ROLE_BINDINGS, None, name) is None
        assert await api.find(ROLE_BINDINGS, f"wegent-{user}", name) is None
    await api.settled("accounts", ACCOUNTS, user, "Suspended")
    assert await api.find(ROLE_BINDINGS, namespace, stays) is None


async def test_a_namespace_that_is_refused_is_told_and_the_rest_is_made(
    api: Api, user: str
) -> None:
    """As in a cluster that demands labels on namespaces."""
    home = f"wegent-{user}"
    message = "a namespace needs the label team" + " ü" * 3000

    async def trial() -> None:
        body = {"metadata": {"name": home}}
        await api.client.request("POST", NAMESPACES.path(), body=body, params={"dryRun": "All"})

    allowed = f"request.name != '{home}'"
    async with refusing(api, NAMESPACES, "CREATE", allowed, message, trial):
        await create(api, user)
        body = await api.settled("accounts", ACCOUNTS, user, "NotProvisioned")
        said = condition(body, "Ready")["message"]
        assert said.startswith(f"Namespace {home} can't be created: ")
        assert "a namespace needs the label team" in said
        assert len(said.encode()) < 1200
        assert await api.find(SERVICE_ACCOUNTS, ACCOUNTS, user) is not None
    await api.settled("accounts", ACCOUNTS, user)
    name = f"wegent-account-{user}-admin"
    assert await api.find(ROLE_BINDINGS, home, name) is not None


async def test_a_serviceaccount_that_is_refused_is_told(api: Api, user: str) -> None:
    async def trial() -> None:
        body = {"metadata": {"name": user}}
        path = SERVICE_ACCOUNTS.path(ACCOUNTS)
        await api.client.request("POST", path, body=body, params={"dryRun": "All"})

    allowed = f"request.name != '{user}'"
    async with refusing(api, SERVICE_ACCOUNTS, "CREATE", allowed, "too many here", trial):
        await create(api, user)
        body = await api.settled("accounts", ACCOUNTS, user, "NotProvisioned")
        said = condition(body, "Ready")["message"]
        assert said.startswith(f"ServiceAccount {user} in namespace {ACCOUNTS} can't be applied: ")
        assert "too many here" in said
    await api.settled("accounts", ACCOUNTS, user)


# Finalizers, and later users of the name


async def test_a_binding_that_finalizers_hold_gives_nothing_any_more(
    api: Api, user: str, namespace: str
) -> None:
    """The binding is older than the policy. RBAC honours a binding that is being deleted."""
    await create(api, user, namespaces=[{"name": namespace, "role": "editor"}])
    await api.settled("accounts", ACCOUNTS, user)
    own = f"wegent-account-{user}-editor"
    given = members.binding(namespace, ACCOUNTS, user, "admin")
    given["metadata"]["finalizers"] = [HELD]

    async def trial() -> None:
        path = ROLE_BINDINGS.path(namespace)
        await api.client.request("POST", path, body=given, params={"dryRun": "All"})

    async with without_policy(api, "wegent-bindings", trial):
        await post(api, ROLE_BINDINGS, namespace, given)
        await patch(api, ROLE_BINDINGS, namespace, own, {"metadata": {"finalizers": [HELD]}})
    await api.delete("accounts", ACCOUNTS, user)
    for name in (own, given["metadata"]["name"]):

        async def emptied(name: str = name) -> bool:
            found = await api.find(ROLE_BINDINGS, namespace, name)
            assert not found.get("subjects"), found
            return True

        await eventually(emptied, within_s=VERDICT_WITHIN_S, what=f"{name} without subjects")
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user, "NamespaceTaken")
    for name in (own, given["metadata"]["name"]):
        found = await api.find(ROLE_BINDINGS, namespace, name)
        assert not found.get("subjects"), "inherited by a later user of the name"
        await patch(api, ROLE_BINDINGS, namespace, name, {"metadata": {"finalizers": None}})


async def test_a_serviceaccount_that_finalizers_hold_is_told(api: Api, user: str) -> None:
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    place = (SERVICE_ACCOUNTS, ACCOUNTS, user)
    await patch(api, *place, {"metadata": {"finalizers": [HELD]}})
    await suspend(api, user)
    body = await api.settled("accounts", ACCOUNTS, user, "NotProvisioned")
    assert f"the finalizers {HELD} remain" in condition(body, "Ready")["message"]
    await suspend(api, user, suspended=False)
    await api.settled("accounts", ACCOUNTS, user, "NotProvisioned")
    held = await api.find(*place)
    await patch(api, *place, {"metadata": {"finalizers": None}})
    await api.settled("accounts", ACCOUNTS, user)
    assert (await api.find(*place))["metadata"]["uid"] != held["metadata"]["uid"]


async def test_an_account_that_finalizers_hold_gives_no_access(api: Api, user: str) -> None:
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    await api.merge("accounts", ACCOUNTS, user, {"metadata": {"finalizers": [HELD]}})
    await api.ask_to_delete("accounts", ACCOUNTS, user)
    await until_gone(api, SERVICE_ACCOUNTS, ACCOUNTS, user)
    await until_gone(api, ROLE_BINDINGS, f"wegent-{user}", f"wegent-account-{user}-admin")
    await api.merge("accounts", ACCOUNTS, user, {"metadata": {"finalizers": None}})
    await api.gone("accounts", ACCOUNTS, user)


async def test_a_later_user_of_the_name_has_another_serviceaccount(
    api: Api,
    user: str,
    operator: OperatorProcess,
    kubectl: Kubectl,
    control_plane: ControlPlane,
    tmp_path: Path,
) -> None:
    """A token of the earlier user, which no password Secret ends, must not work for the later."""
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user)
    earlier = await api.find(SERVICE_ACCOUNTS, ACCOUNTS, user)
    theirs = kubectl_as(control_plane, kubectl, ACCOUNTS, user, tmp_path)
    assert operator.stop() == 0
    await patch(api, SERVICE_ACCOUNTS, ACCOUNTS, user, {"metadata": {"ownerReferences": None}})
    await api.delete("accounts", ACCOUNTS, user)
    await create(api, user)
    operator.start()
    await api.settled("accounts", ACCOUNTS, user, "NamespaceTaken")
    later = await api.find(SERVICE_ACCOUNTS, ACCOUNTS, user)
    assert later["metadata"]["uid"] != earlier["metadata"]["uid"]

    async def dead() -> bool:
        done = await theirs.call("get", "ghosts")
        return "Unauthorized" in done.stderr or "must be logged in" in done.stderr

    await eventually(dead, within_s=30, what="the earlier user's token to be refused")


async def test_an_admin_gets_the_namespace_back_after_the_accounts_were_lost(
    api: Api, user: str
) -> None:
    """As the first admin after the CRDs were deleted and installed again."""
    await create(api, user, role="admin")
    await api.settled("accounts", ACCOUNTS, user)
    await api.delete("accounts", ACCOUNTS, user)
    await create(api, user)
    await api.settled("accounts", ACCOUNTS, user, "NamespaceTaken")
    await api.merge("accounts", ACCOUNTS, user, {"spec": {"role": "admin"}})
    await api.settled("accounts", ACCOUNTS, user)
    name = f"wegent-account-{user}-admin"
    assert await api.find(ROLE_BINDINGS, f"wegent-{user}", name) is not None
