"""The real Helm, as a user runs it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.binaries import Programs
from devcluster.controlplane import ControlPlane

TIMEOUT_S = 180.0
"""A command that takes longer hangs: Helm's own timeout is shorter."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one command."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    def ok(self) -> "Result":
        """Return self if the command succeeded; otherwise fail the test with its output."""
        assert self.exit_code == 0, f"helm {' '.join(self.command)}: {self.stderr}{self.stdout}"
        return self

    def refused(self) -> str:
        """Return the error output of a command that must have failed."""
        assert self.exit_code != 0, f"helm {' '.join(self.command)} succeeded: {self.stdout}"
        return self.stderr

    @property
    def manifests(self) -> list[dict[str, Any]]:
        """The objects that ``helm template`` printed."""
        return [it for it in yaml.load_all(self.ok().stdout, yaml.CSafeLoader) if it]


@dataclass(frozen=True, slots=True)
class Helm:
    """Helm with one identity, or none; its own files go to ``home``."""

    program: Path
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str | Path, stdin: str = "") -> Result:
        """Run one command; ``stdin`` may be values, for ``--values -``."""
        command = tuple(str(argument) for argument in arguments)
        names = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        env = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        env |= {name: str(self.home / name.lower()) for name in names}
        if self.kubeconfig is not None:
            env["KUBECONFIG"] = str(self.kubeconfig)
        done = subprocess.run(
            [self.program, *command],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
            env=env,
        )
        return Result(command, done.returncode, done.stdout, done.stderr)


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
