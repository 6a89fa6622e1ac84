"""A real API server with the CRDs and nothing else.

The schemas are tested here. Wegent's other manifests are left out: admission policies, above all,
would check bodies before the schemas do.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from devcluster.binaries import Binaries
from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from devcluster.install import Installer
from tests.crds.validation import ApiServer
from tests.support.kubectl import Kubectl
from wegent_kube import KubeClient, load_connection
from wegent_kube.resources import NAMESPACES

NAMESPACE = "schema-tests"


@pytest.fixture(scope="package")
def schema_cluster(
    binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A cluster with only the CRDs installed."""
    directory = tmp_path_factory.mktemp("schema-cluster")
    with ControlPlane(binaries, directory, fsync=False) as cluster:
        Installer(cluster.binaries.kubectl, cluster.kubeconfig).install([CHECKOUT / "crds"])
        yield cluster


@pytest.fixture(scope="package")
def schema_kubectl(schema_cluster: ControlPlane) -> Kubectl:
    """kubectl as that cluster's administrator."""
    return Kubectl(schema_cluster.binaries.kubectl, schema_cluster.kubeconfig)


@pytest.fixture(scope="package")
async def api_server(schema_cluster: ControlPlane) -> AsyncIterator[ApiServer]:
    """The API server, to validate bodies in a namespace of its own."""
    async with KubeClient(load_connection(schema_cluster.kubeconfig)) as client:
        body = {"metadata": {"name": NAMESPACE}}
        await client.request("POST", NAMESPACES.path(), body=body)
        yield ApiServer(client, NAMESPACE)
