"""The API server: connection, pooled client, errors with predicates, informer.

This module exports the connection, the client and the errors. The other modules are imported by
path, among them ``informer`` (list and watch without an end), ``backoff``, ``paging``, ``encoding``
(the JSON encoder), ``content_types`` (media types) and ``resources`` (URL paths).
"""

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
