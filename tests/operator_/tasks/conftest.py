"""Runners with the rights that a runner needs, and Tasks for them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from devcluster.controlplane import ControlPlane
from tests.operator_.tasks.watching import Writes
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.bots import create_bot
from tests.support.identity import kubectl_as
from tests.support.kubectl import Kubectl
from wegent_crds.registry import GROUP
from wegent_kube import KubeClient, load_connection

RUNNER_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "test-runner"},
    "rules": [
        {"apiGroups": [GROUP], "resources": ["tasks"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [GROUP], "resources": ["tasks/status"], "verbs": ["patch"]},
    ],
}
"""The rights that a claim needs, as docs/adr/0007-claiming-a-task.md says."""

MakeTask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def runner_kubeconfig(
    control_plane: ControlPlane, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A kubeconfig with the rights of a runner."""
    kubectl.run("create", "serviceaccount", "runner", "--namespace=default").ok()
    kubectl.run("create", "-f", "-", stdin=RUNNER_ROLE).ok()
    binding = ("--clusterrole=test-runner", "--serviceaccount=default:runner")
    kubectl.run("create", "clusterrolebinding", "test-runner", *binding).ok()
    directory = tmp_path_factory.mktemp("runner")
    return kubectl_as(control_plane, kubectl, "default", "runner", directory).kubeconfig


@pytest.fixture(scope="session")
async def runner(runner_kubeconfig: Path) -> AsyncIterator[KubeClient]:
    """A client with the rights of a runner and no others."""
    async with KubeClient(load_connection(runner_kubeconfig)) as client:
        yield client


@pytest.fixture
async def bot(api: Api, namespace: str) -> str:
    """A Bot that can be given work."""
    return await create_bot(api, namespace)


@pytest.fixture
def make_task(api: Api, namespace: str, bot: str) -> MakeTask:
    """Make a Task for the Bot and return it once it may be claimed."""

    async def make(name: str = "t", **spec: Any) -> dict[str, Any]:
        await api.create(
            "tasks", namespace, name, {"botRef": {"name": bot}, "prompt": "Do it.", **spec}
        )
        return await api.settled("tasks", namespace, name)

    return make


@pytest.fixture
def writes(audit: AuditLog, namespace: str) -> Writes:
    """The operator's writes from now on."""
    return Writes(audit, namespace)
