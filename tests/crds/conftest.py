"""A client with which the schemas' tests ask the real API server."""

from collections.abc import AsyncIterator

import pytest

from devcluster.controlplane import ControlPlane
from tests.crds.judge import ApiServer
from wegent_kube import KubeClient, load_connection
from wegent_kube.resources import NAMESPACES

NAMESPACE = "schema-tests"


@pytest.fixture(scope="session")
async def api_server(control_plane: ControlPlane) -> AsyncIterator[ApiServer]:
    """The API server as a judge of bodies, in a namespace where nothing else is."""
    async with KubeClient(load_connection(control_plane.kubeconfig)) as client:
        body = {"metadata": {"name": NAMESPACE}}
        await client.request("POST", NAMESPACES.path(), body=body)
        yield ApiServer(client, NAMESPACE)
