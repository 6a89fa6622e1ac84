"""The address of the API server, and the program's credentials for it.

In a Pod, the three mounted files of the ServiceAccount are read directly: importing the
official client costs a second of CPU at each start. Only a kubeconfig is read by the official
client, which supports exec plugins and token files.
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
"""Seconds between two reads of a mounted token, which is renewed long before it expires."""


class ConnectionConfigError(Exception):
    """No usable configuration of an API server; the message names its source."""


class TokenSource:
    """A bearer token that can change. A thread reads it at most once a minute."""

    def __init__(self, read: Callable[[], str | None]) -> None:
        self._read = read
        self._token: str | None = None
        self._read_at = float("-inf")

    async def current(self) -> str | None:
        """Return the current token, or None if the identity is a client certificate.

        If the token is not readable or is empty, the last one is returned.

        Raises:
            Unreachable: the token is not readable, and there is no last one.
        """
        if time.monotonic() - self._read_at > TOKEN_MAX_AGE_S:
            try:
                read = await asyncio.to_thread(self._read)
            except Exception as error:
                logger.warning("Token not readable: %s", type(error).__name__)
                if self._token is None:
                    raise Unreachable("the token is not readable") from error
                return self._token
            self._token = read or self._token
            self._read_at = time.monotonic()
        return self._token

    def refused(self) -> None:
        """Record that the API server rejected the token, so that the next use reads it again."""
        self._read_at = float("-inf")


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server's address and CA, and the program's credentials for it."""

    server: str
    """Base URL without a trailing slash."""
    ca_file: str | None
    certificate_file: str | None
    private_key_file: str | None
    token: TokenSource
    verify: bool = True

    def ssl_context(self, *, client_certificate: bool) -> ssl.SSLContext:
        """Return a TLS context, which has the program's own certificate only on demand."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if client_certificate and self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.private_key_file)
        return context


def load_connection(kubeconfig: str | os.PathLike[str] | None = None) -> Connection:
    """Return the connection from ``kubeconfig``, else ``$KUBECONFIG``, else the Pod.

    ``~/.kube/config`` is used only if it is named, so that no cluster is used by accident.

    Raises:
        ConnectionConfigError: no cluster is configured, or the configuration can't be read.
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
        "no cluster configured: set KUBECONFIG, or run in a Pod with a ServiceAccount"
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
        from kubernetes import client, config  # noqa: PLC0415 - costs a second; no Pod needs it
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
