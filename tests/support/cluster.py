"""The cluster that tests share: a real, throwaway control plane with what ships installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.binaries import Binaries, find_binaries
from devcluster.controlplane import ControlPlane
from devcluster.install import Installer
from tests.support.kubectl import Kubectl

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The control plane's programs, fetched or built if this machine has none yet."""
    return find_binaries()


@pytest.fixture(scope="session")
def control_plane(
    binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """One cluster for each worker of the run, with the CRDs, roles and policies of the checkout."""
    directory = tmp_path_factory.mktemp("control-plane")
    with ControlPlane(binaries, directory, fsync=False, audit=True) as cluster:
        Installer(cluster.binaries.kubectl, cluster.kubeconfig).install(
            [ROOT / "crds", ROOT / "config"]
        )
        yield cluster


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """kubectl as cluster administrator."""
    return Kubectl(control_plane.binaries.kubectl, control_plane.kubeconfig)
