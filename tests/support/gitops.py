"""Objects as Flux and Argo CD read them: programs with the code that those use."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from devcluster.releases import MODULES
from tests.support.commands import run
from tests.support.programs import built_for

Body = dict[str, Any]

TIMEOUT_S: Final = 150.0


@dataclass(frozen=True, slots=True)
class Health:
    """The programs of ``hack/devcluster/modules/health``."""

    kstatus: Path
    luahealth: Path

    def flux(self, objects: list[Body]) -> list[dict[str, str]]:
        """Return ``status`` and ``message`` by kstatus, and ``flux`` by its fork, of each."""
        return self._run(self.kstatus, objects)

    def argo_cd(self, check: Path, objects: list[Body]) -> list[dict[str, str]]:
        """Return ``status`` and ``message`` by a health check, for each object."""
        return self._run(self.luahealth, objects, check)

    def _run(self, program: Path, objects: list[Body], *arguments: Path) -> list[dict[str, str]]:
        text = json.dumps(objects)
        done = run(program, (), arguments, stdin=text, timeout_s=TIMEOUT_S, env={})
        found: list[dict[str, str]] = done.ok().json
        assert len(found) == len(objects)
        return found


@pytest.fixture(scope="session")
def health_programs() -> Health:
    """The programs, built if this machine has none yet; without Go, their tests are skipped."""
    return Health(**built_for("health_programs"))


@pytest.fixture(scope="session")
def flux_crds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the CustomResourceDefinitions of Flux' kinds, from its Go modules.

    They are those that Flux publishes. ``hack/devcluster/modules/flux`` pins the modules.
    """
    program = built_for("flux_crds")["fluxcrds"]
    if shutil.which("go") is None:
        pytest.skip("fluxcrds reads the sources of Flux' API with `go`, which is not on PATH")
    # go.sum vouches for the sources, as it does for those of a build.
    env = {"GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    done = run(program, (), [MODULES / "flux"], stdin="", timeout_s=TIMEOUT_S, env=env)
    directory = tmp_path_factory.mktemp("flux-crds")
    (directory / "crds.yaml").write_text(done.ok().stdout, encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def actionlint() -> Path:
    """The linter of GitHub's workflows."""
    return built_for("actionlint")["actionlint"]
