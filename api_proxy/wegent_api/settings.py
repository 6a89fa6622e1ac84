"""The configuration: each setting comes from an environment variable ``WEGENT_API_<NAME>``."""

import ipaddress
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from wegent_api.names import LABEL_SCHEMA, dns_label

MAX_PASSWORD_CHARS: Final = 128
"""Long enough for every passphrase and password manager, and a limit for the hash's input."""


def _networks(value: str) -> str:
    """Return a comma-separated list of addresses and networks.

    Raises:
        ValueError: the list has anything else. With ``*``, each client could claim any address.
    """
    for item in filter(None, map(str.strip, value.split(","))):
        try:
            ipaddress.ip_network(item)
        except ValueError:
            raise ValueError(
                f"{item!r} must be an address or network, such as 10.0.0.0/8"
            ) from None
    return value


class Settings(BaseSettings):
    """The proxy's configuration; see ``docs/api.md`` for the same as a table."""

    model_config = SettingsConfigDict(
        env_prefix="WEGENT_API_", frozen=True, use_attribute_docstrings=True
    )

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 picks a free one."""
    kubeconfig: Path | None = None
    """Kubeconfig with the API server's address and the proxy's credentials. Unset: ``KUBECONFIG``,
    else those of the Pod."""
    kubernetes_url: Annotated[str, Field(pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$")] = ""
    """Address of the API server in users' kubeconfigs. Unset: the address that the proxy uses."""
    accounts_namespace: Annotated[str, AfterValidator(dns_label)] = "wegent-accounts"
    """Namespace of the Accounts, their ServiceAccounts and their password Secrets."""
    own_namespace: Annotated[str, AfterValidator(dns_label)] = "wegent-system"
    """Namespace of the proxy's ServiceAccount and of the runners' Leases."""
    own_service_account: Annotated[str, AfterValidator(dns_label)] = "wegent-api"
    """Name of the proxy's ServiceAccount, for which it requests tokens for the runners."""
    streams: Annotated[int, Field(ge=1, le=100_000)] = 5000
    """Streams of runs at once. One of a Task that no runner has begun needs an upstream connection.
    """
    streams_per_user: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Streams of runs at once of one user."""
    openai_ttl_s: Annotated[int, Field(ge=0, le=31_536_000)] = 604_800
    """Seconds for which a Task that OpenAI's API made is kept after its end. With ``store: false``
    it is an hour."""
    default_namespace: Annotated[str, AfterValidator(dns_label), LABEL_SCHEMA] = "default"
    """Namespace of requests that name none, and of users' kubeconfigs."""
    registration_open: bool = True
    """True if every client may register a user. Otherwise only admins create Accounts."""
    first_admin: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,50}$")] = ""
    """Name of the first admin. Registration is closed until that Account exists. Unset:
    registration does not wait."""
    password_min_chars: Annotated[int, Field(ge=8, le=MAX_PASSWORD_CHARS)] = 12
    """Minimum length of new passwords, in characters."""
    token_lifetime_s: Annotated[int, Field(ge=600, le=86_400)] = 1800
    """Lifetime of a token in seconds. The API server's minimum is 600."""
    login_max_s: Annotated[int, Field(ge=600, le=2_592_000)] = 86_400
    """Seconds after the password was given for which a login can be renewed without it."""
    login_wait_s: Annotated[float, Field(ge=0, le=60)] = 10.0
    """Seconds that a login waits for a new Account's ServiceAccount before it answers 503."""
    logins_per_user_per_minute: Annotated[int, Field(ge=1)] = 10
    """Limit of failed logins for one user name, in each replica of the proxy."""
    logins_per_address_per_minute: Annotated[int, Field(ge=1)] = 60
    """Limit of failed logins from one client address (IPv6: one /64), in each replica of the proxy.
    Also the limit of invalid bodies on routes without a token."""
    registrations_per_address_per_minute: Annotated[int, Field(ge=1)] = 60
    """Limit of registrations from one client address, in each replica of the proxy."""
    registrations_per_minute: Annotated[int, Field(ge=1)] = 120
    """Limit of registrations from all addresses together, in each replica of the proxy."""
    hashes_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Maximum of concurrent password hashes. Each takes 64 MiB and up to four cores."""
    hashes_waiting: Annotated[int, Field(ge=0)] = 64
    """Maximum of passwords that wait to be hashed. More are answered 503."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1_572_864
    """Maximum size of a request body in bytes. The default, 1.5 MiB, is etcd's limit."""
    connections: Annotated[int, Field(ge=1)] = 4096
    """Maximum of client connections. Beyond it, the longest idle connection is closed."""
    head_timeout_s: Annotated[float, Field(gt=0)] = 20.0
    """Seconds that a client has for its request's line and headers, from the connection's start."""
    upstream_connections: Annotated[int, Field(ge=1)] = 100
    """Maximum of connections to the API server on behalf of callers."""
    long_answers_per_user: Annotated[int, Field(ge=1)] = 10
    """Maximum of concurrent answers over 1 MiB for one user. More are answered 429."""
    watches: Annotated[int, Field(ge=1)] = 1000
    """Maximum of concurrent watches, with one upstream connection each. More are answered 503."""
    watches_per_user: Annotated[int, Field(ge=1)] = 50
    """Maximum of concurrent watches of one user, in each replica of the proxy. More are answered
    429."""
    watch_heartbeat_s: Annotated[float, Field(gt=0)] = 15.0
    """Seconds without an event after which a watching client is sent a comment."""
    watch_renew_s: Annotated[int, Field(ge=1, le=60)] = 30
    """Seconds after which the proxy opens an upstream watch again, which checks the caller's token
    and rights."""
    watch_stall_s: Annotated[float, Field(gt=0)] = 30.0
    """Seconds after which a client that reads none of its answer is disconnected, in watches
    too."""
    operator_wait_s: Annotated[float, Field(ge=0, le=30)] = 5.0
    """Seconds that a deletion or a restore waits for the operator before it answers 202."""
    upstream_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    """Seconds without a byte from the API server before the answer is 503."""
    forwarded_allow_ips: Annotated[str, AfterValidator(_networks)] = ""
    """Proxies (comma-separated addresses or networks) whose `X-Forwarded-For` is trusted."""
    drain_delay_s: Annotated[float, Field(ge=0, le=300)] = 0.0
    """Seconds after SIGTERM in which the proxy still serves, while ``/readyz`` reports the stop."""
    drain_timeout_s: Annotated[int, Field(ge=1)] = 30
    """Seconds that requests in flight have to finish after the drain delay."""
    sweep_interval_s: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds between searches for password Secrets that no Account refers to."""
    orphan_age_s: Annotated[float, Field(ge=0)] = 3600.0
    """Minimum age in seconds of a password Secret without an Account, after which it is deleted. A
    registration in progress takes far less."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Minimum severity of log records."""
