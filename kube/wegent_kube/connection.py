"""Where the API server is and who we are to it.

In a pod, the ServiceAccount's mounted files are read directly: that is three
files, and importing the official client for them costs a second of CPU at each
start. A kubeconfig is read by the official client, which knows its exec plugins
and token files.
"""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wegent_kube.errors import Unreachable

logger = logging.getLogger(__name__)

SERVICE_ACCOUNT_DIR: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_MAX_AGE_S: Final = 60.0
"""A mounted token is renewed long before it expires; this is how often we look."""


class ConnectionConfigError(Exception):
    """No usable description of an API server; the message says where we looked."""


class TokenSource:
    """A bearer token that may change under us, read off the event loop at most once a minute."""

    def __init__(self, read: Callable[[], str | None]) -> None:
        self._read = read
        self._token: str | None = None
        self._read_at = float("-inf")

    async def current(self) -> str | None:
        """Return the token to send now, or None where the client certificate is the identity.

        Where it can't be read for a moment, or is empty, the last one goes on being sent.

        Raises:
            Unreachable: there has never been one.
        """
        if time.monotonic() - self._read_at > TOKEN_MAX_AGE_S:
            try:
                read = await asyncio.to_thread(self._read)
            except Exception as error:
                logger.warning("The token can't be read: %s", type(error).__name__)
                if self._token is None:
                    raise Unreachable("the token can't be read") from error
                return self._token
            self._token = read or self._token
            self._read_at = time.monotonic()
        return self._token

    def refused(self) -> None:
        """Take in that the API server refused the token: it is read again before the next use."""
        self._read_at = float("-inf")


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server's address, what it is verified with, and our own credentials for it."""

    server: str
    """Base URL without a trailing slash."""
    ca_file: str | None
    certificate_file: str | None
    private_key_file: str | None
    token: TokenSource
    verify: bool = True

    def ssl_context(self, *, client_certificate: bool) -> ssl.SSLContext:
        """Return a TLS context; without ``client_certificate`` it carries no identity of ours."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if client_certificate and self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.private_key_file)
        return context


def load_connection(kubeconfig: str | os.PathLike[str] | None = None) -> Connection:
    """Return the connection of ``kubeconfig``, else ``$KUBECONFIG``, else the pod.

    ``~/.kube/config`` is never taken by accident: name it to use it.

    Raises:
        ConnectionConfigError: nothing describes a cluster, or what does can't be read.
    """
    path = os.fspath(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG")
    if path:
        return _from_kubeconfig(path)
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST"),
        os.environ.get("KUBERNETES_SERVICE_PORT"),
    )
    if host and port and (SERVICE_ACCOUNT_DIR / "token").exists():
        return _from_pod(host, port)
    raise ConnectionConfigError(
        "no cluster to talk to: set KUBECONFIG, or run in a pod with a ServiceAccount"
    )


def _from_pod(host: str, port: str) -> Connection:
    address = f"[{host}]" if ":" in host else host
    return Connection(
        server=f"https://{address}:{port}",
        ca_file=str(SERVICE_ACCOUNT_DIR / "ca.crt"),
        certificate_file=None,
        private_key_file=None,
        token=TokenSource(lambda: (SERVICE_ACCOUNT_DIR / "token").read_text().strip()),
    )


def _from_kubeconfig(path: str) -> Connection:
    try:
        from kubernetes import client, config  # noqa: PLC0415 - costs a second; no pod needs it
    except ModuleNotFoundError as error:
        raise ConnectionConfigError(
            f"kubeconfig {path}: reading it needs the Python package kubernetes, which images"
            " leave out; install wegent[kubeconfig], or run in a pod with a ServiceAccount"
        ) from error

    settings = client.Configuration()
    try:
        config.load_kube_config(config_file=path, client_configuration=settings)
    except (config.ConfigException, OSError) as error:
        raise ConnectionConfigError(f"kubeconfig {path}: {error}") from error

    def read_token() -> str | None:
        header = settings.get_api_key_with_prefix("BearerToken")
        header = header or settings.get_api_key_with_prefix("authorization")
        return header.removeprefix("Bearer ").strip() if header else None

    return Connection(
        server=settings.host.rstrip("/"),
        ca_file=settings.ssl_ca_cert,
        certificate_file=settings.cert_file,
        private_key_file=settings.key_file,
        token=TokenSource(read_token),
        verify=settings.verify_ssl,
    )
