"""The connection of a client, from an address or from a kubeconfig."""

import ssl
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from os import PathLike, fspath
from typing import Any, Final
from urllib.parse import urlsplit

from wegent_sdk import kubeconfig
from wegent_sdk.api import Api
from wegent_sdk.credentials import Credentials, Login, Token
from wegent_sdk.errors import ConfigurationError
from wegent_sdk.http import Http
from wegent_sdk.targets import Kubernetes, Rest
from wegent_sdk.watches import WatchOperations
from wegent_sdk.wire import Server, Wire

TIMEOUT_S: Final = 30.0
MakeHttp = Callable[[Mapping[str, Any]], Http]


def over_rest(
    http: MakeHttp,
    url: str,
    token: str | Login | None,
    verify: bool | str | PathLike[str],  # noqa: FBT001 - as httpx has it
    timeout_s: float,
    namespace: str | None,
) -> WatchOperations:
    """Return the operations of the REST API.

    Raises:
        ConfigurationError: the address, the token or the file can't be used.
    """
    server = Server(checked_url(url), _trust(verify), timeout_s, user_agent())
    credentials: Credentials = Token(token) if isinstance(token, str) else token
    api = Api(Wire(server, http(server.options())), credentials, renews=True)
    return WatchOperations(api, Rest(namespace))


def over_kubernetes(
    http: MakeHttp,
    path: str | PathLike[str] | None,
    context: str | None,
    namespace: str | None,
    timeout_s: float,
) -> WatchOperations:
    """Return the operations of the Kubernetes API.

    Raises:
        ConfigurationError: the kubeconfig can't be used.
    """
    found = kubeconfig.load(path, context)
    server = Server(found.url, found.tls, timeout_s, user_agent(), found.server_name)
    api = Api(Wire(server, http(server.options())), found.credentials, renews=False)
    return WatchOperations(api, Kubernetes(namespace or found.namespace))


def checked_url(url: str) -> str:
    """Return the base address without its final slashes.

    Raises:
        ConfigurationError: it is no address of a server.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigurationError(
            f"{url!r} is not an address of Wegent; it must begin with https:// or http://, such as"
            " https://wegent.example.com"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            "the address of Wegent must have no user, no password, no query and no fragment"
        )
    return url.strip().rstrip("/")


def user_agent() -> str:
    """Return the name of this SDK with its version."""
    try:
        return f"wegent-sdk/{version('wegent')}"
    except PackageNotFoundError:  # a checkout that isn't installed
        return "wegent-sdk"


def _trust(verify: bool | str | PathLike[str]) -> ssl.SSLContext | bool:  # noqa: FBT001
    if isinstance(verify, bool):
        return verify
    try:
        return ssl.create_default_context(cafile=fspath(verify))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{fspath(verify)} is not a file with certificates of authorities"
        ) from error
