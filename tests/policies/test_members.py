"""The RoleBindings that an admin of a namespace may write by Wegent's role."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from wegent_crds import members

ACCOUNTS = "wegent-accounts"
GHOST_READER = "ghost-reader"
"""A role other than wegent-viewer that gives no more rights than it."""

OTHERS = ["anybodys", "wegent-account-ann-admin", "wegent-accounts"]

OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}

Binding = dict[str, Any]
Change = Callable[[Binding], None]


def unique(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> str:
    name = unique("members-")
    kubectl.run("create", "namespace", name).ok()
    rule = ("--verb=get", "--resource=ghosts.agent.wecode.io")
    kubectl.run("create", "clusterrole", GHOST_READER, *rule).ok()
    kubectl.run("create", "role", "wegent-viewer", *rule, f"--namespace={name}").ok()
    return name


@pytest.fixture(scope="module")
def person(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Kubectl]:
    """Make a user with a role in a namespace, or everywhere."""

    def make(role: str, where: str | None, home: str = ACCOUNTS) -> Kubectl:
        name = unique("u")
        kubectl.run("create", "serviceaccount", name, f"--namespace={home}").ok()
        what = ["clusterrolebinding"] if where is None else ["rolebinding", f"--namespace={where}"]
        to = (f"--clusterrole={role}", f"--serviceaccount={home}:{name}")
        kubectl.run("create", *what, name, *to).ok()
        return kubectl_as(control_plane, kubectl, home, name, tmp_path_factory.mktemp(name))

    return make


@pytest.fixture(scope="module", params=["of the namespace", "of everything", "without an account"])
def admin(
    request: pytest.FixtureRequest, person: Callable[..., Kubectl], namespace: str
) -> Kubectl:
    """A user who may write RoleBindings by Wegent's role alone."""
    where = None if request.param == "of everything" else namespace
    home = "kube-public" if request.param == "without an account" else ACCOUNTS
    return person("wegent-admin", where, home)


@pytest.fixture(scope="module")
def chief(person: Callable[..., Kubectl]) -> Kubectl:
    """An admin of all namespaces: a write refused to them is refused to every admin."""
    return person("wegent-admin", None)


@pytest.fixture(scope="module")
def others(kubectl: Kubectl, namespace: str) -> list[str]:
    """The names of RoleBindings that no admin of the namespace has made."""
    for name in OTHERS:
        to = ("--clusterrole=wegent-viewer", f"--serviceaccount={ACCOUNTS}:ann")
        kubectl.run("create", "rolebinding", name, *to, f"--namespace={namespace}").ok()
    return OTHERS


def test_memberships_are_given_and_taken(admin: Kubectl, namespace: str) -> None:
    user, where = unique("new"), f"--namespace={namespace}"
    given = [members.binding(namespace, ACCOUNTS, user, role) for role in members.ROLES]
    admin.run("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": given}).ok()
    names = [members.binding_name(user, role) for role in members.ROLES]
    found = admin.run("get", "rolebindings", *names, "-o", "json", where).ok().json["items"]
    assert {it["subjects"][0]["name"] for it in found} == {user}
    admin.run("delete", "rolebindings", *names, where).ok()


def named(name: str) -> Change:
    return lambda body: body["metadata"].update(name=name)


def labelled(**labels: str) -> Change:
    return lambda body: body["metadata"].update(labels=labels)


def to(*subjects: dict[str, str]) -> Change:
    return lambda body: body.update(subjects=[*subjects])


def of(kind: str, name: str) -> Change:
    return lambda body: body["roleRef"].update(kind=kind, name=name)


def user(name: str, namespace: str = ACCOUNTS) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


ANYBODY = {"kind": "Group", "name": "system:authenticated", "apiGroup": members.RBAC_GROUP}
SOMEBODY = {"kind": "User", "name": "ann", "apiGroup": members.RBAC_GROUP}
MANAGED = {members.MANAGED_BY: members.MANAGER}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (named("mine"), "can write and delete only RoleBindings that are named wegent-member-"),
        (named("wegent-account-ann-viewer"), "can write and delete only RoleBindings"),
        (named("wegent-member-bob-viewer"), "metadata.name: must be wegent-member-<user>-<role>"),
        (named("wegent-member-ann-admin"), "metadata.name: must be wegent-member-<user>-<role>"),
        (to(), "subjects: must be one user"),
        (to(user("ann"), user("bob")), "subjects: must be one user"),
        (to(user("ann", "kube-system")), "subjects: must be one user"),
        (to(ANYBODY), "subjects: must be one user"),
        (to(SOMEBODY), "subjects: must be one user"),
        (of("ClusterRole", GHOST_READER), "roleRef: must be a ClusterRole, one of wegent-viewer"),
        (of("Role", "wegent-viewer"), "roleRef: must be a ClusterRole, one of wegent-viewer"),
        (of("ClusterRole", "cluster-admin"), "attempting to grant RBAC permissions not currently"),
        (labelled(), "metadata.labels: must have"),
        (labelled(**MANAGED), "metadata.labels: must have"),
        (labelled(**MANAGED, **{members.ACCOUNT_LABEL: "bob"}), "metadata.labels: must have"),
    ],
)
def test_everything_else_is_refused(
    chief: Kubectl, namespace: str, change: Change, message: str
) -> None:
    body = members.binding(namespace, ACCOUNTS, "ann", "viewer")
    change(body)
    done = chief.run("create", "-f", "-", stdin=body)
    assert done.exit_code != 0
    assert message in done.stderr


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"finalizers": ["example.com/held"]}, "metadata.finalizers"),
        ({"finalizers": ["foregroundDeletion"]}, "metadata.finalizers"),
        ({"ownerReferences": [OWNER]}, "metadata.ownerReferences"),
    ],
)
@pytest.mark.parametrize("which", ["wegent-member-ann-viewer", "wegent-account-ann-viewer"])
def test_a_binding_that_could_not_be_taken_back_is_nobodys_to_make(
    chief: Kubectl, kubectl: Kubectl, namespace: str, which: str, metadata: Any, field: str
) -> None:
    """Users who may write any binding are refused too: the binding would outlive the user."""
    body = members.binding(namespace, ACCOUNTS, "ann", "viewer")
    body["metadata"] |= {**metadata, "name": which}
    for who in (chief, kubectl):
        done = who.run("create", "-f", "-", stdin=body)
        assert done.exit_code != 0
        if who is kubectl or which.startswith(members.PREFIX):
            assert f"{field}: can't be added to a binding of Wegent's" in done.stderr


def test_nor_to_make_of_one_that_is_there(kubectl: Kubectl, namespace: str) -> None:
    user, where = unique("held"), f"--namespace={namespace}"
    body = members.binding(namespace, ACCOUNTS, user, "viewer")
    kubectl.run("create", "-f", "-", stdin=body).ok()
    name = body["metadata"]["name"]
    for metadata in ({"finalizers": ["example.com/held"]}, {"ownerReferences": [OWNER]}):
        change = json.dumps({"metadata": metadata})
        done = kubectl.run("patch", "rolebinding", name, where, "--type=merge", f"-p={change}")
        assert "can't be added to a binding of Wegent's" in done.stderr
    kubectl.run("label", "rolebinding", name, "a=b", where).ok()
    kubectl.run("delete", "rolebinding", name, where, "--cascade=foreground", "--timeout=30s").ok()


@pytest.mark.parametrize("system", [ACCOUNTS, "wegent-system", "kube-system", "kube-public"])
def test_system_namespaces_have_no_members(chief: Kubectl, kubectl: Kubectl, system: str) -> None:
    """An admin of wegent-accounts may make admins, and no list of Accounts would show them."""
    for role in members.ROLES:
        body = members.binding(system, ACCOUNTS, unique("u"), role)
        for who in (chief, kubectl):
            done = who.run("create", "-f", "-", stdin=body)
            assert "a system namespace can't have members" in done.stderr


def test_bindings_in_the_whole_cluster_are_looked_at_too(kubectl: Kubectl) -> None:
    name = unique("wegent-account-ann-")
    kubectl.run(
        "create", "clusterrolebinding", name, "--clusterrole=wegent-viewer", "--user=ann"
    ).ok()
    held = '{"metadata": {"finalizers": ["example.com/held"]}}'
    done = kubectl.run("patch", "clusterrolebinding", name, "--type=merge", f"-p={held}")
    assert "can't be added to a binding of Wegent's" in done.stderr
    kubectl.run("delete", "clusterrolebinding", name).ok()


def test_a_generated_name_is_no_way_around(chief: Kubectl, namespace: str) -> None:
    body = members.binding(namespace, ACCOUNTS, "ann", "viewer")
    del body["metadata"]["name"]
    body["metadata"]["generateName"] = "wegent-member-ann-viewer"
    assert "metadata.name" in chief.run("create", "-f", "-", stdin=body).stderr


def test_bindings_of_others_stay(admin: Kubectl, others: list[str], namespace: str) -> None:
    where = f"--namespace={namespace}"
    done = admin.run("delete", "rolebindings", *others, where)
    for name in others:
        assert f'"{name}" is forbidden: ValidatingAdmissionPolicy' in done.stderr
    assert "can write and delete only RoleBindings that are named wegent-member-" in done.stderr
    whole = f"/apis/{members.RBAC_GROUP}/v1/namespaces/{namespace}/rolebindings"
    assert "cannot deletecollection resource" in admin.run("delete", "--raw", whole).stderr
    assert (
        "cannot patch resource" in admin.run("label", "rolebinding", others[0], "a=b", where).stderr
    )
    admin.run("get", "rolebindings", *others, where).ok()


def test_an_admin_elsewhere_is_none_here(
    person: Callable[..., Kubectl], namespace: str, kubectl: Kubectl
) -> None:
    elsewhere = unique("elsewhere-")
    kubectl.run("create", "namespace", elsewhere).ok()
    body = members.binding(namespace, ACCOUNTS, unique("new"), "viewer")
    for stranger in (person("wegent-admin", elsewhere), person("wegent-editor", namespace)):
        done = stranger.run("create", "-f", "-", stdin=body)
        assert "cannot create resource" in done.stderr
        listed = stranger.run("get", "rolebindings", f"--namespace={namespace}")
        assert "cannot list resource" in listed.stderr


def test_who_has_kubernetes_own_rights_keeps_them(
    person: Callable[..., Kubectl], namespace: str, kubectl: Kubectl
) -> None:
    """Users with an Account keep them too: Wegent doesn't narrow rights that the cluster gave."""
    where = f"--namespace={namespace}"
    for keeper in (person("admin", namespace), kubectl):
        name = unique("mine-")
        keeper.run("create", "rolebinding", name, "--clusterrole=view", "--user=ann", where).ok()
        keeper.run("delete", "rolebinding", name, where).ok()


def test_a_namespace_with_members_can_be_deleted(kubectl: Kubectl) -> None:
    """The namespace controller may delete RoleBindings, but not update them."""
    name = unique("short-lived-")
    kubectl.run("create", "namespace", name).ok()
    for role in members.ROLES:
        body = members.binding(name, ACCOUNTS, "ann", role)
        kubectl.run("create", "-f", "-", stdin=body).ok()
    kubectl.run("delete", "namespace", name, "--timeout=30s").ok()
