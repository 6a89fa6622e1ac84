"""A proxy and its users, for tests that apply what they import."""

from tests.api.conftest import (
    admin_client,
    anonymous,
    new_user,
    proxy_kubeconfig,
    proxy_url,
    session,
    user,
)

__all__ = [
    "admin_client",
    "anonymous",
    "new_user",
    "proxy_kubeconfig",
    "proxy_url",
    "session",
    "user",
]
