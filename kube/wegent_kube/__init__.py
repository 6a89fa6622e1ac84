"""The connection of Wegent's programs to the Kubernetes API server, and one pooled client."""

from wegent_kube.client import KubeClient, audited_as
from wegent_kube.connection import Connection, ConnectionConfigError, load_connection
from wegent_kube.errors import (
    ApiError,
    KubeError,
    StatusError,
    Unreachable,
    delete_or_none,
    get_or_none,
)

__all__ = [
    "ApiError",
    "Connection",
    "ConnectionConfigError",
    "KubeClient",
    "KubeError",
    "StatusError",
    "Unreachable",
    "audited_as",
    "delete_or_none",
    "get_or_none",
    "load_connection",
]
