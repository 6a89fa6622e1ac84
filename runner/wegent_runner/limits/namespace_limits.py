"""The limits of namespaces: the runner's settings, and annotations of a Namespace.

Users of Wegent have no right to change Namespaces, so only administrators can change a limit. If an
annotation can't be read, calls are refused, and not made without a limit.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from wegent_crds.well_known import REQUESTS_PER_MINUTE, TOKENS_PER_DAY
from wegent_kube import KubeClient, KubeError, get_or_none
from wegent_kube.resources import NAMESPACES
from wegent_runner.claims.outcome import GiveBack
from wegent_runner.settings import MAX_REQUESTS_PER_MINUTE, MAX_TOKENS_PER_DAY, Settings

NONE: Final = "none"
KEPT_S: Final = 60.0
"""Seconds after which a Namespace is read again."""
MAX_KEPT: Final = 10_000
SHOWN_CHARACTERS: Final = 64


class LimitReached(Exception):  # noqa: N818 - names the event
    """A call may not be made, and waiting for it would take too long: the Task fails.

    Attributes:
        reason: A short CamelCase reason. The message begins with it.
    """

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(f"{reason}: {told}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NamespaceLimits:
    """The limits of one namespace; None for no limit."""

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None


def defaults_of(settings: Settings) -> NamespaceLimits:
    """Return the limits of a namespace without annotations."""
    return NamespaceLimits(
        settings.namespace_requests_per_minute or None, settings.namespace_tokens_per_day or None
    )


class LimitReader:
    """Reads the limits of namespaces, and keeps them for a minute.

    Args:
        client: the API server, with the runner's own rights.
        defaults: the limits of a namespace without annotations.
        clock: the monotonic clock.
    """

    def __init__(
        self,
        client: KubeClient,
        defaults: NamespaceLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._defaults = defaults
        self._clock = clock
        self._kept: dict[str, tuple[float, Mapping[str, str]]] = {}

    async def get(self, namespace: str) -> NamespaceLimits:
        """Return the limits of a namespace.

        If the API server gives no answer, the annotations that were read last hold.

        Raises:
            LimitReached: an annotation can't be read.
            GiveBack: the Namespace has never been read, and can't be read now.
        """
        return limits_of(namespace, await self._annotations(namespace), self._defaults)

    async def _annotations(self, namespace: str) -> Mapping[str, str]:
        kept = self._kept.get(namespace)
        if kept is not None and self._clock() - kept[0] <= KEPT_S:
            return kept[1]
        try:
            found = await get_or_none(self._client.request("GET", NAMESPACES.path(name=namespace)))
        except KubeError as error:
            if kept is not None:
                return kept[1]
            told = f"the limits of the namespace can't be read now: {error}"
            raise GiveBack("ApiServerUnavailable", told) from error
        annotations = (found or {}).get("metadata", {}).get("annotations") or {}
        limits = {name: annotations[name] for name in _LARGEST if name in annotations}
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[namespace] = (self._clock(), limits)
        return limits


def limits_of(
    namespace: str, annotations: Mapping[str, str], defaults: NamespaceLimits
) -> NamespaceLimits:
    """Return the limits of a namespace, given its annotations.

    Raises:
        LimitReached: an annotation can't be read.
    """
    return NamespaceLimits(
        _limit(namespace, annotations, REQUESTS_PER_MINUTE, defaults.requests_per_minute),
        _limit(namespace, annotations, TOKENS_PER_DAY, defaults.tokens_per_day),
    )


_LARGEST: Final[Mapping[str, int]] = {
    REQUESTS_PER_MINUTE: MAX_REQUESTS_PER_MINUTE,
    TOKENS_PER_DAY: MAX_TOKENS_PER_DAY,
}


def _limit(
    namespace: str, annotations: Mapping[str, str], name: str, default: int | None
) -> int | None:
    value = annotations.get(name)
    if value is None:
        return default
    if value == NONE:
        return None
    largest = _LARGEST[name]
    if value.isascii() and value.isdigit() and len(value) <= len(str(largest)):
        limit = int(value)
        if 1 <= limit <= largest:
            return limit
    raise LimitReached(
        "NamespaceLimitInvalid",
        f"Namespace {namespace}: the annotation {name} must be a whole number from 1 to {largest},"
        f" or {NONE}, and is {value[:SHOWN_CHARACTERS]!r}; ask an administrator to correct it",
    )
