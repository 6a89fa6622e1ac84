"""A control plane whose kinds and rights the tests take away: other tests need all of them.

The package's files share it if they run in one worker.
"""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devcluster.binaries import Binaries
from devcluster.controlplane import ControlPlane
from tests.support.api import Api
from tests.support.cluster import installed_plane
from tests.support.identity import operator_kubeconfig_of
from tests.support.operator import OperatorProcess
from wegent_kube import KubeClient, load_connection


@pytest.fixture(scope="package")
def cluster(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with installed_plane(binaries, tmp_path_factory.mktemp("watching"), audit=True) as plane:
        yield plane


@pytest.fixture(scope="package")
def kubeconfig(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the rights of the operator."""
    return operator_kubeconfig_of(cluster, tmp_path_factory.mktemp("watching-operator"))


@pytest.fixture
async def admin(cluster: ControlPlane) -> AsyncIterator[Api]:
    async with KubeClient(load_connection(cluster.kubeconfig)) as client:
        yield Api(client)


@pytest.fixture
async def space(admin: Api) -> str:
    """A namespace in which a Bot can be Ready."""
    name = f"w{time.monotonic_ns()}"
    await admin.create_namespace(name)
    await admin.create("models", name, "m", {"provider": "openai", "model": "gpt-4"})
    await admin.create("shells", name, "s", {"type": "Chat"})
    return name


@pytest.fixture
def operator_of_its_own(kubeconfig: Path) -> Iterator[OperatorProcess]:
    process = OperatorProcess(kubeconfig, kubeconfig.with_name("watching.log"))
    yield process
    if process.running():
        process.kill()
