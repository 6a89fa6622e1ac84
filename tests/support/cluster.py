"""The cluster that tests share: a real, throwaway control plane with Wegent's manifests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from devcluster.binaries import Binaries, find_binaries
from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from devcluster.install import Installer
from tests.support.kubectl import Kubectl

SHIPPED: Final = (CHECKOUT / "crds", CHECKOUT / "config")
"""The kinds, roles and policies of the checkout."""


@contextmanager
def installed_plane(
    binaries: Binaries,
    directory: Path,
    manifests: tuple[Path, ...] = SHIPPED,
    *,
    audit: bool = False,
) -> Iterator[ControlPlane]:
    """A control plane with ``manifests`` installed; it is deleted afterwards."""
    with ControlPlane(binaries, directory, fsync=False, audit=audit) as plane:
        Installer(plane.binaries.kubectl, plane.kubeconfig).install(manifests)
        yield plane


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
    with installed_plane(binaries, directory, audit=True) as plane:
        yield plane


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane) -> Kubectl:
    """kubectl as cluster administrator."""
    return Kubectl(control_plane.binaries.kubectl, control_plane.kubeconfig)
