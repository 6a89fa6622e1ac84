"""The API proxy connects to addresses in the runners' Leases: only the runner writes them."""

from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl

SYSTEM = "wegent-system"
CONFINED = "the runner can write only Leases that are named wegent-runner-..."
RESERVED = "only Wegent's runner can write Leases that are named wegent-runner-..."
APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=wegent-runner", "-f", "-")


@pytest.fixture(scope="module")
def as_runner(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """kubectl with the runner's own rights."""
    directory = tmp_path_factory.mktemp("as-runner")
    return kubectl_as(control_plane, kubectl, SYSTEM, "wegent-runner", directory)


def lease(name: str, namespace: str = SYSTEM, address: str = "http://10.0.0.1") -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {"agent.wecode.io/address": address},
        },
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 30},
    }


def test_the_runner_writes_and_deletes_its_own_lease(as_runner: Kubectl, name: str) -> None:
    own = f"wegent-runner-{name}"
    as_runner.run(*APPLY, stdin=lease(own)).ok()
    as_runner.run(*APPLY, stdin=lease(own, address="http://10.0.0.2")).ok()
    as_runner.run(
        "delete", "--raw", f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/{own}"
    ).ok()


def test_the_runner_writes_no_lease_of_another_program(
    as_runner: Kubectl, kubectl: Kubectl, name: str
) -> None:
    kubectl.run("create", "-f", "-", stdin=lease(name)).ok()
    for attempt in (name, f"{name}-new"):
        assert CONFINED in as_runner.run(*APPLY, stdin=lease(attempt)).refused()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/{name}"
    assert CONFINED in as_runner.run("delete", "--raw", path).refused()
    kubectl.run("delete", "lease", name, f"--namespace={SYSTEM}").ok()


def test_the_runner_writes_no_lease_of_another_namespace(as_runner: Kubectl, name: str) -> None:
    elsewhere = lease(f"wegent-runner-{name}", "default")
    assert "forbidden" in as_runner.run(*APPLY, stdin=elsewhere).refused().lower()


def test_nobody_else_writes_a_runners_lease(
    as_runner: Kubectl, kubectl: Kubectl, name: str
) -> None:
    """A cluster administrator may delete it, as the runner writes it again."""
    own = f"wegent-runner-{name}"
    assert RESERVED in kubectl.run("create", "-f", "-", stdin=lease(own)).refused()
    generated = lease(own)
    generated["metadata"] = {"generateName": "wegent-runner-", "namespace": SYSTEM}
    assert RESERVED in kubectl.run("create", "-f", "-", stdin=generated).refused()
    as_runner.run(*APPLY, stdin=lease(own)).ok()
    patch = '{"metadata": {"annotations": {"agent.wecode.io/address": "http://10.0.0.3"}}}'
    where = ("lease", own, f"--namespace={SYSTEM}")
    assert RESERVED in kubectl.run("patch", *where, "--type=merge", "-p", patch).refused()
    kubectl.run("delete", *where).ok()


def test_the_same_name_in_another_namespace_is_free(kubectl: Kubectl, name: str) -> None:
    """The proxy reads the Leases of Wegent's own namespace alone."""
    own = f"wegent-runner-{name}"
    kubectl.run("create", "-f", "-", stdin=lease(own, "default")).ok()
    kubectl.run("delete", "lease", own).ok()
