"""Connections by a kubeconfig, without the REST API.

The official client reads the file, with its plugins, and is imported for that alone: the import
costs a second.
"""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, Final

from yaml import YAMLError

from wegent_crds.reading import YAML_VALUE_FAULTS
from wegent_sdk.credentials import TokenFunction
from wegent_sdk.errors import ConfigurationError

DEFAULT: Final = "~/.kube/config"


@dataclass(frozen=True, slots=True)
class Connection:
    """The API server of a context.

    Attributes:
        url: its address.
        tls: the trust in it, and the user's certificate.
        server_name: name in its certificate, if it isn't that of the URL.
        credentials: the user's token.
        namespace: namespace of the context.
    """

    url: str
    tls: ssl.SSLContext
    server_name: str | None
    credentials: TokenFunction
    namespace: str


def load(path: str | PathLike[str] | None, context: str | None) -> Connection:
    """Return the connection of a context.

    Args:
        path: the file; ``$KUBECONFIG``, else ``~/.kube/config``, if left out.
        context: name of the context; the current one if left out.

    Raises:
        ConfigurationError: the file or the context can't be used, or the package ``kubernetes`` is
            not installed.
    """
    try:
        from kubernetes import client, config  # noqa: PLC0415 - costs a second
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "a kubeconfig needs the Python package kubernetes; install wegent[kubeconfig]"
        ) from error
    # The official client reads the variable when it is imported.
    file = fspath(path or os.environ.get("KUBECONFIG") or DEFAULT)
    settings = client.Configuration()
    try:
        contexts, current = config.list_kube_config_contexts(file)
        chosen = next(
            (it for it in contexts if it["name"] == context), None if context else current
        )
        if chosen is None:
            names = ", ".join(it["name"] for it in contexts)
            raise ConfigurationError(
                f"the kubeconfig has no context {context!r}; it has {names or 'none'}"
            )
        config.load_kube_config(
            config_file=file, context=chosen["name"], client_configuration=settings
        )
        tls = _tls(settings)
    except YAMLError as error:  # its text may quote a token
        raise ConfigurationError(f"the kubeconfig {file} is not valid YAML") from error
    except (config.ConfigException, OSError) as error:
        raise ConfigurationError(f"the kubeconfig {file} can't be used: {error}") from error
    except YAML_VALUE_FAULTS as error:  # as above
        told = f"the kubeconfig {file} can't be used: {type(error).__name__}"
        raise ConfigurationError(told) from error
    return Connection(
        settings.host.rstrip("/"),
        tls,
        settings.tls_server_name or None,
        TokenFunction(_token_of(settings)),
        (chosen.get("context") or {}).get("namespace") or "default",
    )


def _tls(settings: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def _token_of(settings: Any) -> Callable[[], str | None]:
    def read() -> str | None:
        try:
            header = settings.get_api_key_with_prefix("BearerToken")
            header = header or settings.get_api_key_with_prefix("authorization")
        except Exception as error:
            raise ConfigurationError(
                f"the kubeconfig gives no token: its plugin failed ({type(error).__name__})"
            ) from error
        return header.removeprefix("Bearer ").strip() or None if header else None

    return read
