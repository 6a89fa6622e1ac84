"""The API that a call is for, and the credentials: by options, the environment, the configuration.

A stored login is sent only to the address that it was made for: ``WEGENT_URL`` with another address
needs a ``WEGENT_TOKEN`` of its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from wegent_cli.config import Config, Context
from wegent_cli.errors import CliError, ExitCode, usage
from wegent_sdk.addresses import is_loopback

DEFAULT_KUBECONFIG: Final = "default"
"""In place of a path: the kubeconfig that kubectl uses."""
ENVIRONMENT: Final = "environment"
"""Name of the context that the environment alone describes."""


def target(config: Config, named: str | None, environment: Mapping[str, str]) -> Context:
    """Return the context of a call.

    The order: ``--context``; ``WEGENT_URL`` and ``WEGENT_TOKEN``; ``WEGENT_CONTEXT``; the current
    context; a kubeconfig.

    Args:
        config: the configuration.
        named: value of ``--context``.
        environment: the environment's variables.

    Raises:
        CliError: nothing names an API, or the named context does not exist.
    """
    if named:
        return config.get(named)
    url, token = environment.get("WEGENT_URL", ""), environment.get("WEGENT_TOKEN", "")
    name = environment.get("WEGENT_CONTEXT", "") or config.current
    if url:
        url = checked_url(url, insecure=environment.get("WEGENT_INSECURE_HTTP") == "1")
        known = [it for it in config.contexts if it.url == url and not token]
        found = next((it for it in known if it.name == name), known[0] if known else None)
        ca_file = environment.get("WEGENT_CA_FILE", "")
        if found is not None:
            return replace(found, ca_file=ca_file or found.ca_file)
        return Context(ENVIRONMENT, url=url, token=token, fixed_token=True, ca_file=ca_file)
    if name:
        context = config.get(name)
        if not token:
            return context
        return replace(context, token=token, fixed_token=True, expires_at="")
    if has_kubeconfig(environment):
        return Context("kubeconfig", kubeconfig=DEFAULT_KUBECONFIG)
    raise CliError(
        "there is no login", "log in with `wegent login URL`, or set KUBECONFIG", ExitCode.LOGIN
    )


def has_kubeconfig(environment: Mapping[str, str]) -> bool:
    """Return True if kubectl has a kubeconfig on this machine."""
    if environment.get("KUBECONFIG"):
        return True
    return (Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config").is_file()


def checked_url(url: str, *, insecure: bool = False) -> str:
    """Return the base URL of an API in one form.

    An address without a scheme gets ``https://``. ``http://`` is for this machine alone, because a
    password would be readable on the way.

    Raises:
        CliError: it is not such a URL.
    """
    text = url.strip()
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise usage(f"{url} is not a URL: {error}", _EXAMPLE) from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise usage(f"{url} is not the address of an API", _EXAMPLE)
    if parts.username or parts.password:
        raise usage("the address must not hold a name or a password", _EXAMPLE)
    if parts.scheme == "http" and not insecure and not is_loopback(host):
        raise usage(
            f"{url} has no TLS: others on the way could read the password",
            "use https://, or --insecure-http if you trust the network",
        )
    path = parts.path.rstrip("/").removesuffix("/docs").removesuffix("/api/v1")
    return f"{parts.scheme}://{parts.netloc}{path}"


_EXAMPLE: Final = "for example: https://wegent.example.com or http://localhost:8000"


def context_name(url: str) -> str:
    """Return the name of the context for a URL: its host, and the port if it has one."""
    parts = urlsplit(url)
    return f"{parts.hostname}-{parts.port}" if parts.port else str(parts.hostname)
