"""Clusters that run Pods: kind if a Docker engine answers, otherwise a node of Wegent's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from devcluster.binaries import Programs
from devcluster.kind import KindCluster, engine_answers
from devcluster.node.cluster import NodeCluster
from tests.support.kubectl import Kubectl

NODE_PORT_NAME = "from-outside"


class PodCluster(Protocol):
    """The operations on a cluster that the tests need."""

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as cluster administrator."""

    def load(self, archive: Path) -> None:
        """Load an image onto all nodes."""

    def kill(self, container: str) -> None:
        """Kill a container's program with SIGKILL."""

    def reach(self, namespace: str, service: str) -> str:
        """Return a base URL of the Service, with all of its endpoints behind it."""


class OwnNode:
    """A cluster with Wegent's own node; this machine has a route to its Services."""

    def __init__(self, cluster: NodeCluster) -> None:
        self._cluster = cluster
        self.kubectl = Kubectl(cluster.kubectl, cluster.kubeconfig)

    def load(self, archive: Path) -> None:
        self._cluster.load(archive)

    def kill(self, container: str) -> None:
        self._cluster.kill(container)

    def reach(self, namespace: str, service: str) -> str:
        found = self.kubectl.run("get", "service", "-n", namespace, service, "-o", "json").ok().json
        return f"http://{found['spec']['clusterIP']}:{found['spec']['ports'][0]['port']}"


class Kind:
    """A kind cluster: its Services are reached by a port of its node, which Docker routes to."""

    def __init__(self, cluster: KindCluster, kubectl: Path) -> None:
        self._cluster = cluster
        self.kubectl = Kubectl(kubectl, cluster.kubeconfig)

    def load(self, archive: Path) -> None:
        self._cluster.load(archive)

    def kill(self, container: str) -> None:
        self._cluster.kill(container)

    def reach(self, namespace: str, service: str) -> str:
        own = self.kubectl.run("get", "service", "-n", namespace, service, "-o", "json").ok().json
        name = f"{service}-{NODE_PORT_NAME}"
        spec = {key: own["spec"][key] for key in ("selector",)} | {
            "type": "NodePort",
            "ports": [{key: own["spec"]["ports"][0][key] for key in ("port", "targetPort")}],
        }
        beside = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        self.kubectl.run("apply", "-n", namespace, "-f", "-", stdin=beside).ok()
        made = self.kubectl.run("get", "service", "-n", namespace, name, "-o", "json").ok().json
        nodes = self.kubectl.run("get", "nodes", "-o", "json").ok().json["items"]
        [address] = [
            it["address"] for it in nodes[0]["status"]["addresses"] if it["type"] == "InternalIP"
        ]
        return f"http://{address}:{made['spec']['ports'][0]['nodePort']}"


@contextmanager
def pod_cluster(directory: Path) -> Iterator[PodCluster]:
    """Run a throwaway cluster in ``directory``."""
    programs = Programs.of_this_machine()
    if not engine_answers():
        with NodeCluster(directory, programs) as cluster:
            yield OwnNode(cluster)
        return
    paths = programs.ensure(["kind", "kubectl"])
    kind = KindCluster(directory, paths["kind"])
    try:
        kind.up()
        yield Kind(kind, paths["kubectl"])
    finally:
        kind.clean()
