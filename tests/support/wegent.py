"""Fixtures of a cluster in which Wegent's operator runs, for tests of its verdicts."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devcluster.controlplane import ControlPlane
from tests.support.api import Api
from tests.support.audit import AuditLog
from tests.support.identity import operator_kubeconfig_of
from tests.support.operator import OperatorProcess
from wegent_kube import KubeClient, load_connection

OPERATOR_USER = "system:serviceaccount:wegent-system:wegent-operator"


@pytest.fixture(scope="session")
def operator_kubeconfig(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A kubeconfig with the rights of the operator's ServiceAccount and no others."""
    return operator_kubeconfig_of(control_plane, tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="module")
def operator(
    operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """The operator, running while a file's tests run.

    It ends with the file: tests of other files do its work themselves, or show what holds without
    it. So the files may run in any order.
    """
    process = OperatorProcess(operator_kubeconfig, tmp_path_factory.mktemp("operator") / "log")
    process.start()
    process.settle()  # the cluster has objects of earlier tests; all are new to this operator
    yield process
    assert process.stop() == 0, process.tail()


@pytest.fixture(scope="session")
async def api(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """A client with the rights of a cluster administrator."""
    async with KubeClient(load_connection(control_plane.kubeconfig)) as client:
        yield Api(client)


@pytest.fixture
async def namespace(api: Api) -> str:
    """A namespace of the test's own; it is deleted with the cluster."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    await api.create_namespace(name)
    return name


@pytest.fixture
def audit(control_plane: ControlPlane) -> AuditLog:
    """The requests that the API server receives from now on."""
    return AuditLog(control_plane.audit_log)
