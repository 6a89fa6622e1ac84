"""How Wegent's programs reach the Kubernetes API server: one connection, one pooled client."""

from wegent_kube.client import KubeClient, audited_as
from wegent_kube.connection import Connection, ConnectionConfigError, load_connection
from wegent_kube.errors import ApiError, KubeError, Unreachable

__all__ = [
    "ApiError",
    "Connection",
    "ConnectionConfigError",
    "KubeClient",
    "KubeError",
    "Unreachable",
    "audited_as",
    "load_connection",
]
