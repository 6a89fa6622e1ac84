"""A cluster with no objects of Wegent's but those of the chart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.binaries import Binaries
from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from tests.support.helm import Helm
from tests.support.kubectl import Kubectl

CHART = CHECKOUT / "charts" / "wegent"
EVERYTHING = Path(__file__).with_name("everything.yaml")
"""A file with a value for every setting of the chart."""


@pytest.fixture(scope="module")
def bare_cluster(
    binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A control plane with nothing installed."""
    with ControlPlane(binaries, tmp_path_factory.mktemp("bare"), fsync=False) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def bare_kubectl(bare_cluster: ControlPlane) -> Kubectl:
    """kubectl as its administrator."""
    return Kubectl(bare_cluster.binaries.kubectl, bare_cluster.kubeconfig)


@pytest.fixture(scope="module")
def bare_helm(
    helm_program: Path, bare_cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Helm:
    """Helm as its administrator."""
    return Helm(helm_program, tmp_path_factory.mktemp("helm"), bare_cluster.kubeconfig)
