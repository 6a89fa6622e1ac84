"""The addresses of an API server and of its Services."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

from devcluster.ports import LOOPBACK

SERVICES: Final = IPv4Network("10.96.0.0/16")
"""As with kubeadm."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one control plane; without nodes, it serves this machine only."""

    apiserver: str = LOOPBACK
    """The address that the API server listens on and that its clients use."""
    services: IPv4Network = SERVICES
    nodes: bool = False
    """True if nodes join: pods then reach the API server, and the API server reaches kubelets."""

    @property
    def kubernetes_service(self) -> str:
        """The first address for Services, which the API server takes for itself."""
        return str(self.services[1])

    @property
    def serving_names(self) -> tuple[str, ...]:
        """The names and addresses in the API server's certificate."""
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
        local = ("localhost", LOOPBACK, self.kubernetes_service)
        return tuple(
            dict.fromkeys((self.apiserver, *local, *names, "kubernetes.default.svc.cluster.local"))
        )
