"""Users who may label a namespace can't choose the Account that it belongs to."""

import uuid
from collections.abc import Callable

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from wegent_crds.registry import GROUP

MARKS = (
    f"{GROUP}/account",
    f"{GROUP}/account-uid",
    f"{GROUP}/group",
    f"{GROUP}/group-uid",
)
REFUSED = "name the Account that a namespace belongs to"


@pytest.fixture(scope="module")
def somebody(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Kubectl]:
    """Make a user who may write namespaces, and has these other roles."""
    rule = ("--verb=get,create,update,patch", "--resource=namespaces")
    kubectl.run("create", "clusterrole", "namespace-writer", *rule).ok()

    def make(*roles: str) -> Kubectl:
        name = f"u{uuid.uuid4().hex[:8]}"
        kubectl.run("create", "serviceaccount", name, "--namespace=kube-public").ok()
        for role in ("namespace-writer", *roles):
            to = (f"--clusterrole={role}", f"--serviceaccount=kube-public:{name}")
            kubectl.run("create", "clusterrolebinding", f"{name}-{role}", *to).ok()
        return kubectl_as(
            control_plane, kubectl, "kube-public", name, tmp_path_factory.mktemp(name)
        )

    return make


@pytest.fixture(scope="module")
def tenant(somebody: Callable[..., Kubectl]) -> Kubectl:
    return somebody()


@pytest.mark.parametrize("mark", MARKS)
def test_a_tenant_sets_changes_and_removes_no_mark(
    tenant: Kubectl, kubectl: Kubectl, mark: str
) -> None:
    name = f"wegent-u{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    marked = {**body, "metadata": {"name": name, "labels": {mark: "ann"}}}
    assert REFUSED in tenant.run("create", "-f", "-", stdin=marked).stderr
    tenant.run("create", "-f", "-", stdin=body).ok()
    assert REFUSED in tenant.run("label", "namespace", name, f"{mark}=ann").stderr
    kubectl.run("label", "namespace", name, f"{mark}=ann").ok()
    assert REFUSED in tenant.run("label", "namespace", name, f"{mark}=bob", "--overwrite").stderr
    assert REFUSED in tenant.run("label", "namespace", name, f"{mark}-").stderr
    tenant.run("label", "namespace", name, "team=blue").ok()
    tenant.run("annotate", "namespace", name, f"{mark}=anything").ok()


def test_an_admin_gives_a_namespace_to_another_account(somebody: Callable[..., Kubectl]) -> None:
    name = f"wegent-u{uuid.uuid4().hex[:8]}"
    admin = somebody("wegent-admin")
    admin.run("create", "namespace", name).ok()
    admin.run("label", "namespace", name, f"{MARKS[1]}=some-uid").ok()


def test_namespaces_are_deleted_as_before(kubectl: Kubectl) -> None:
    name = f"wegent-u{uuid.uuid4().hex[:8]}"
    kubectl.run("create", "namespace", name).ok()
    kubectl.run("label", "namespace", name, f"{MARKS[0]}=ann").ok()
    kubectl.run("delete", "namespace", name, "--timeout=30s").ok()
