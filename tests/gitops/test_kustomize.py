"""An overlay of the examples on a real cluster: it becomes Ready, and applying again is no change.

``tests/chart/test_kustomize.py`` shows that each reference follows.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.checkout import CHECKOUT
from tests.support.api import Api
from tests.support.kubectl import Kubectl
from wegent_crds.registry import BY_KIND

pytestmark = pytest.mark.usefixtures("operator")

PREFIX = "staging-"


@pytest.fixture
def overlay(tmp_path: Path, namespace: str) -> Path:
    """A base with the examples and the component, and an overlay with another name for each."""
    base = tmp_path / "base"
    shutil.copytree(CHECKOUT / "kustomize", tmp_path / "kustomize")
    base.mkdir()
    files = []
    for path in (CHECKOUT / "examples").glob("*.yaml"):
        if path.stem not in {"account", "group"}:  # of the accounts namespace
            shutil.copy(path, base / path.name)
            files.append(path.name)
    generator = {"name": "openai", "namespace": "default", "literals": ["api-key=replace-me"]}
    write(base, resources=files, components=["../kustomize"], secretGenerator=[generator])
    write(tmp_path / "overlay", resources=["../base"], namePrefix=PREFIX, namespace=namespace)
    return tmp_path / "overlay"


def write(folder: Path, **fields: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
async def test_an_overlay_becomes_ready_and_stays_as_it_is(
    overlay: Path, how: tuple[str, ...], api: Api, namespace: str, kubectl: Kubectl
) -> None:
    built = list(yaml.safe_load_all(kubectl.run("kustomize", overlay).ok().stdout))
    kubectl.run("apply", *how, "-k", overlay).ok()
    kinds = set()
    for it in built:
        assert it["metadata"]["name"].startswith(PREFIX)
        if kind := BY_KIND.get(it["kind"]):
            kinds.add(kind.kind)
            await api.settled(kind.plural, namespace, it["metadata"]["name"])
    assert kinds == {"Bot", "Ghost", "Model", "Shell", "Skill", "Task", "Team"}
    before = [await api.list(BY_KIND[it].plural, namespace) for it in sorted(kinds)]
    again = kubectl.run("apply", *how, "-k", overlay).ok().stdout.splitlines()
    wanted = "serverside-applied" if how else "unchanged"
    assert len(again) == len(built)
    assert [line for line in again if not line.endswith(f" {wanted}")] == []
    assert [await api.list(BY_KIND[it].plural, namespace) for it in sorted(kinds)] == before
