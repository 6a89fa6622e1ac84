"""The output of ``make chart`` for kubectl, installed and removed as docs/install.md says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster.checkout import CHECKOUT
from devcluster.controlplane import ControlPlane
from tests.support.kubectl import Kubectl
from tests.support.pods import JobPods

NAMESPACE = "wegent-system"
IMAGES = "registry.example.com/wegent"


@pytest.fixture(scope="module")
def dist(helm_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``make chart`` writes."""
    assert helm_program.exists()
    directory = tmp_path_factory.mktemp("dist")
    binaries = f"BIN={Path(sys.executable).parent}"
    # The environment is not rebuilt, since it runs this test.
    images = f"IMAGES={IMAGES}"
    make = ["make", "--old-file=env", "chart", binaries, f"DIST={directory}", images]
    subprocess.run(make, cwd=CHECKOUT, check=True, capture_output=True)
    return directory


def test_installed_and_taken_out_with_kubectl(
    dist: Path, bare_cluster: ControlPlane, bare_kubectl: Kubectl, tmp_path: Path
) -> None:
    def kubectl(*arguments: str | Path) -> str:
        return bare_kubectl.run(*arguments).ok().stdout

    rendered = [(dist / file).read_text() for file in ("wegent.yaml", "wegent-first-admin.yaml")]
    assert sum(text.count(f'image: "{IMAGES}-') for text in rendered) == 4

    kubectl("apply", "-f", CHECKOUT / "config" / "namespaces.yaml")
    kubectl("apply", "--server-side", "-f", dist / "wegent.yaml")
    literal = "--from-literal=password=correct-horse-battery"
    kubectl("create", "secret", "generic", "wegent-first-admin", literal, f"-n={NAMESPACE}")
    kubectl("apply", "-f", dist / "wegent-first-admin.yaml")
    with JobPods(bare_cluster, tmp_path):
        job = "job/wegent-first-admin"
        kubectl("wait", "--for=condition=Complete", job, f"-n={NAMESPACE}", "--timeout=50s")
    kubectl("delete", "-f", dist / "wegent-first-admin.yaml")
    assert "admin" in kubectl("get", "account", "admin", "-n=wegent-accounts", "-o=name")
    assert "first-admin" not in kubectl("get", "roles,rolebindings,serviceaccounts", "-A")
    kubectl("create", "-f", CHECKOUT / "examples" / "ghost.yaml")

    deployment = ("delete", "deployment", "wegent-operator", f"-n={NAMESPACE}")
    kubectl(*deployment, "--cascade=foreground")
    kubectl("delete", "-f", CHECKOUT / "config" / "policies")
    removal = [sys.executable, "-m", "wegent_operator", "--remove-finalizers"]
    env = {**os.environ, "KUBECONFIG": str(bare_cluster.kubeconfig)}
    subprocess.run(removal, env=env, check=True, capture_output=True)
    ours = ("-l", "app.kubernetes.io/part-of=wegent")
    kubectl("delete", "deployment,service,pdb", *ours, f"-n={NAMESPACE}")
    kubectl("delete", "-f", CHECKOUT / "config" / "rbac")
    kubectl("delete", "ghosts", "--all", "-n=default", "--timeout=20s")
    everything = "clusterroles,clusterrolebindings,deployments,services,pdb,roles,rolebindings"
    assert not kubectl("get", everything, *ours, "-A", "-o", "name")
