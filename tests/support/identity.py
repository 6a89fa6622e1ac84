"""Credentials of a ServiceAccount: a token from TokenRequest, and a kubeconfig with it."""

from pathlib import Path

from devcluster.controlplane import ControlPlane
from devcluster.kubeconfig import write_kubeconfig
from tests.support.kubectl import Kubectl


def token_for(
    kubectl: Kubectl, namespace: str, name: str, *, audience: str = "", duration: str = "8h"
) -> str:
    """Return a token of the ServiceAccount; the default ``audience`` is the API server's.

    It outlasts the longest run of the tests: many are of programs that run from its beginning.
    """
    audiences = [f"--audience={audience}"] if audience else []
    done = kubectl.run(
        "create", "token", name, f"--namespace={namespace}", f"--duration={duration}", *audiences
    )
    return done.ok().stdout.strip()


def kubectl_as(
    cluster: ControlPlane, admin: Kubectl, namespace: str, name: str, directory: Path
) -> Kubectl:
    """Return a kubectl with the ServiceAccount's rights; its kubeconfig is in ``directory``."""
    kubeconfig = write_kubeconfig(
        directory / f"{namespace}-{name}" / "kubeconfig",
        name=f"{namespace}-{name}",
        server=cluster.server,
        ca_file=cluster.ca_file,
        credentials=token_for(admin, namespace, name),
    )
    return Kubectl(cluster.binaries.kubectl, kubeconfig)


def operator_kubeconfig_of(cluster: ControlPlane, directory: Path) -> Path:
    """Return a kubeconfig with the rights of the operator's ServiceAccount and no others."""
    admin = Kubectl(cluster.binaries.kubectl, cluster.kubeconfig)
    return kubectl_as(cluster, admin, "wegent-system", "wegent-operator", directory).kubeconfig
