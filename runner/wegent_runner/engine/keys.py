"""API keys: the Secret consents to the hosts that may receive it.

Every user who may edit a Model may name any Secret of its namespace and any URL. So a key is a
Secret of a type of its own, and its annotation names the hosts. The runner sends the key to those
hosts alone. Keys are kept for a minute, and are never logged, stored or put into an error.
"""

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from wegent_crds.api_keys import HOSTS_ANNOTATION, SECRET_TYPE
from wegent_kube import ApiError, KubeClient
from wegent_kube.resources import SECRETS
from wegent_runner.plan.plan import SecretKey

KEPT_S: Final = 60.0
MAX_KEPT: Final = 1000


class KeyNotUsable(Exception):  # noqa: N818 - the reason of a condition
    """An API key can't be used. The message names the Secret, the fault and the remedy.

    Attributes:
        passing: True if the fault may end by itself.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and the hosts that may receive it."""

    value: str = field(repr=False)
    hosts: tuple[str, ...]
    """``host`` or ``host:port`` for https, with the prefix ``http://`` for http."""

    def permits(self, url: str) -> bool:
        """Return True if the key may be sent to the host of ``url``."""
        parts = httpx2.URL(url)  # as the SDKs read it
        if parts.userinfo or "\\" in url:
            return False
        place = place_of(parts)
        return (f"http://{place}" if parts.scheme == "http" else place) in self.hosts


class Keys:
    """Reads keys from Secrets and keeps them for a minute."""

    def __init__(self, client: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[SecretKey, tuple[float, ApiKey]] = {}

    async def get(self, place: SecretKey, url: str) -> str:
        """Return the key for requests to ``url``.

        Raises:
            KeyNotUsable: the Secret is missing or isn't an API key, or doesn't name the host.
            KubeError: the Secret couldn't be read.
        """
        read_at, key = self._kept.get(place, (0.0, None))
        if key is None or self._clock() - read_at > KEPT_S:
            key = await self._read(place)
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[place] = (self._clock(), key)
        check_host(key, place, url)
        return key.value

    def forget(self, place: SecretKey) -> None:
        """Drop a key, because a provider refused it: the Secret may have a newer one."""
        self._kept.pop(place, None)

    async def _read(self, place: SecretKey) -> ApiKey:
        try:
            secret = await self._client.request("GET", SECRETS.path(place.namespace, place.name))
        except ApiError as error:
            if error.is_not_found:
                raise missing(place) from error
            if error.is_forbidden:
                # The operator gives the right shortly after a Model begins to refer to the Secret.
                raise KeyNotUsable(
                    f"Secret {place.name}: the runner may not read it yet; if this persists, check"
                    " the condition KeysReadable of the object, and that Wegent's operator is"
                    " running",
                    passing=True,
                ) from error
            raise
        return api_key(secret, place)


def place_of(url: httpx2.URL) -> str:
    """Return the host of a URL, with its port unless that is the scheme's own."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return host if url.port is None else f"{host}:{url.port}"


def missing(place: SecretKey) -> KeyNotUsable:
    """Return the fault of a Secret that isn't there."""
    return KeyNotUsable(f"Secret {place.name} does not exist; create it, or change the reference")


def check_host(key: ApiKey, place: SecretKey, url: str) -> None:
    """Check that the key may be sent to the host of ``url``.

    Raises:
        KeyNotUsable: its Secret doesn't name the host.
    """
    if key.permits(url):
        return
    parts = httpx2.URL(url)
    scheme = "http://" if parts.scheme == "http" else ""
    raise KeyNotUsable(
        f"Secret {place.name}: the annotation {HOSTS_ANNOTATION} doesn't name"
        f" {scheme}{place_of(parts)}; if the key may be sent there, delete the Secret, and create"
        " it again with this host"
    )


def api_key(secret: Mapping[str, Any], place: SecretKey) -> ApiKey:
    """Return the key in a Secret.

    Raises:
        KeyNotUsable: the Secret isn't an API key, or lacks the key or its hosts.
    """
    if secret.get("type") != SECRET_TYPE:
        raise KeyNotUsable(
            f"Secret {place.name}: type must be {SECRET_TYPE}; delete the Secret, and create it"
            " with this type"
        )
    hosts = (secret["metadata"].get("annotations") or {}).get(HOSTS_ANNOTATION, "")
    names = tuple(name.strip().lower() for name in hosts.split(",") if name.strip())
    if not names:
        raise KeyNotUsable(
            f"Secret {place.name}: the annotation {HOSTS_ANNOTATION} must name the hosts that may"
            " receive the key"
        )
    try:
        value = base64.b64decode((secret.get("data") or {})[place.key], validate=True).decode()
    except KeyError:
        raise KeyNotUsable(
            f"Secret {place.name} has no key {place.key}; add it, or change the reference"
        ) from None
    except (binascii.Error, UnicodeDecodeError):
        raise KeyNotUsable(
            f"Secret {place.name}: {place.key} is not text; store the API key in it"
        ) from None
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise KeyNotUsable(
            f"Secret {place.name}: {place.key} is not printable ASCII text; store the API key in it"
        )
    return ApiKey(value, names)
