"""docs/adr/0014: a kind gets a second version without loss of stored data.

Tried on a cluster of its own, with a version that has one field more than ``v1``.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.binaries import Binaries
from devcluster.checkout import CHECKOUT
from tests.support.cluster import installed_plane
from tests.support.kubectl import Kubectl
from tests.support.waiting import eventually

CRD = "ghosts.agent.wecode.io"
GHOST = {
    "apiVersion": "agent.wecode.io/v1",
    "kind": "Ghost",
    "metadata": {"name": "old", "namespace": "default"},
    "spec": {"systemPrompt": "You help."},
}
AS_V2 = ("get", "ghosts.v2.agent.wecode.io", "-n", "default", "-o", "json")
AS_V1 = ("get", "ghosts.v1.agent.wecode.io", "-n", "default", "-o", "json")


@pytest.fixture
def kubectl(binaries: Binaries, tmp_path: Path) -> Iterator[Kubectl]:
    with installed_plane(binaries, tmp_path / "plane", (CHECKOUT / "crds",)) as plane:
        yield Kubectl(plane.binaries.kubectl, plane.kubeconfig)


def with_a_second_version(crd: dict[str, Any]) -> dict[str, Any]:
    """Return the CRD with ``v2``, which is stored from then on and has a field more."""
    [first] = crd["spec"]["versions"]
    second = copy.deepcopy(first)
    second["name"] = "v2"
    spec = second["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["tone"] = {"type": "string", "default": "plain", "maxLength": 40}
    # If all versions have the same list, the API server hoists it to the CRD's top, and refuses
    # it there, since the schemas differ ("may only be set when validations.schema is included").
    second["selectableFields"].append({"jsonPath": ".spec.tone"})
    first["storage"] = False
    return crd | {"spec": crd["spec"] | {"versions": [first, second]}}


async def test_a_second_version_beside_the_first(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", "-", stdin=GHOST).ok()
    shipped = yaml.safe_load((CHECKOUT / "crds" / "ghost.yaml").read_text(encoding="utf-8"))
    kubectl.run("replace", "-f", "-", stdin=with_a_second_version(shipped)).ok()

    def served() -> bool:
        found = kubectl.run(*AS_V2)
        assert found.exit_code == 0, found.stderr
        [old] = found.json["items"]
        # An object stored as v1 has the defaults of v1; it gets those of v2 at its next write.
        assert old["spec"] == {"systemPrompt": "You help."}
        return True

    await eventually(served, within_s=30, what="v2 to be served")

    new = {**GHOST, "apiVersion": "agent.wecode.io/v2", "metadata": {"name": "new"}}
    new["spec"] = {"systemPrompt": "You help.", "tone": "formal"}
    kubectl.run("create", "-n", "default", "-f", "-", stdin=new).ok()
    seen = {it["metadata"]["name"]: it["spec"] for it in kubectl.run(*AS_V1).json["items"]}
    assert seen == {"old": {"systemPrompt": "You help."}, "new": {"systemPrompt": "You help."}}
    assert stored_versions(kubectl) == ["v1", "v2"]

    # A write by a client of v1 leaves out the field of v2, and so loses its value.
    change = json.dumps({"spec": {"description": "by a client of v1"}})
    patch = ("patch", "ghosts.v1.agent.wecode.io", "new", "-n", "default", "--type=merge")
    kubectl.run(*patch, f"--patch={change}").ok()
    after = {it["metadata"]["name"]: it["spec"] for it in kubectl.run(*AS_V2).json["items"]}
    assert after["new"]["tone"] == "plain"

    # After one write of each object, all are stored as v2, and v1 can be removed.
    for item in kubectl.run(*AS_V2).json["items"]:
        kubectl.run("replace", "-f", "-", stdin=item).ok()
    kubectl.run(
        "patch", "crd", CRD, "--subresource=status", "--type=merge",
        '--patch={"status": {"storedVersions": ["v2"]}}',
    ).ok()  # fmt: skip
    assert stored_versions(kubectl) == ["v2"]
    assert {it["spec"]["tone"] for it in kubectl.run(*AS_V2).json["items"]} == {"plain"}


def stored_versions(kubectl: Kubectl) -> list[str]:
    found: list[str] = kubectl.run("get", "crd", CRD, "-o", "json").json["status"]["storedVersions"]
    return found
