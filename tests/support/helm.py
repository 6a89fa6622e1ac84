"""The real Helm, as a user runs it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster.binaries import Programs
from devcluster.controlplane import ControlPlane
from tests.support.commands import Result, run

TIMEOUT_S = 180.0
"""A command that takes longer hangs: Helm's own timeout is shorter."""


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm with one identity, or none; its own files go to ``home``."""

    program: Path
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str | Path, stdin: str = "") -> Result:
        """Run one command; ``stdin`` may be values, for ``--values -``."""
        names = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        env = {name: str(self.home / name.lower()) for name in names}
        if self.kubeconfig is not None:
            env["KUBECONFIG"] = str(self.kubeconfig)
        return run(self.program, (), arguments, stdin=stdin, timeout_s=TIMEOUT_S, env=env)


@pytest.fixture(scope="session")
def helm_program() -> Path:
    """The path of Helm, which is fetched or built if this machine has none yet."""
    return Programs.of_this_machine().ensure(["helm"])["helm"]


@pytest.fixture(scope="session")
def offline_helm(helm_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster: for linting and rendering."""
    return Helm(helm_program, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def helm(
    helm_program: Path, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Helm:
    """Helm as cluster administrator."""
    return Helm(helm_program, tmp_path_factory.mktemp("helm"), control_plane.kubeconfig)
