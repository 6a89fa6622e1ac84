"""The visibility of each resource: listed, refused, or without a CRD.

While a resource isn't visible, an object that is missing in the cache may exist. The operator
must conclude nothing from its absence: neither `RefNotFound`, nor that an Account is gone and
must lose its access. A deleted CRD is the exception: all objects of its kind are deleted with
it. A 404 alone doesn't prove that. A version that isn't served causes a 404 too, and so does
another server at the API server's address.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from wegent_crds.references import ObjectKey
from wegent_crds.registry import TOMBSTONE
from wegent_kube import ApiError
from wegent_kube.resources import NAMESPACES, Resource
from wegent_operator.runtime.metrics import Metrics
from wegent_operator.state.cache import Cache
from wegent_operator.state.objects import ObjectState

ABSENT_AFTER_S: Final = 10.0
"""Seconds without a CRD after which a resource counts as absent. One of several API servers
may be a moment behind the others."""


@dataclass(slots=True)
class _State:
    answered_at: float
    """Time of the API server's last answer about the resource; a refusal counts too."""
    listed: bool = False
    """True once the resource was listed, or found to be absent."""
    owed: bool = False
    """True while a list is due: a watch began at a version, and the cache may be older."""
    refused: str = ""
    """Reason for which the list or watch is refused; empty if it is not refused."""
    unlisted: str = ""
    """Reason for which a list that is due could not be read to its end."""
    missing_since: float | None = None
    """Time since which all answers say that the resource does not exist; None otherwise."""
    absent: bool = False


class Visibility:
    """The visibility of each watched resource.

    Args:
        resources: plurals of the watched resources.
        metrics: metrics of refused lists and watches.
        clock: monotonic clock, in seconds.
    """

    def __init__(
        self,
        resources: Iterable[str],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._states = {name: _State(clock()) for name in resources}
        self._all_tried = asyncio.Event()
        self.on_visible: Callable[[str], None] = lambda _: None
        """Called with a resource that has become visible, again or for the first time."""
        self.on_absent: Callable[[str], None] = lambda _: None
        """Called with a resource whose CRD is gone."""
        for name in self._states:
            metrics.watch_refused.labels(name).set(0)

    async def all_tried(self) -> None:
        """Wait until each resource has been listed or refused once."""
        await self._all_tried.wait()

    def opened(self, name: str) -> None:
        """Record that the API server answered a watch request."""
        state = self._states[name]
        state.answered_at = self._clock()
        self._metrics.watch_starts.labels(name).inc()
        if state.refused:
            state.refused = ""
            self._metrics.watch_refused.labels(name).set(0)
            self._changed(name, state, was_hidden=True)

    def relisting(self, name: str) -> None:
        """Record that a watch begins from a new version. The cache may be older than that."""
        state = self._states[name]
        if state.missing_since is not None:
            # CRDs are reinstalled together. The others are unknown until they are tried again.
            for other in self._states.values():
                other.absent, other.missing_since = False, None
        state.answered_at = self._clock()
        state.owed = True

    def unlisted(self, name: str, error: Exception) -> None:
        """Record that a list could not be read to its end. The list is tried again."""
        self._states[name].unlisted = _reason(error)

    def listed(self, name: str) -> None:
        """Record that the cache contains the result of a complete list."""
        state = self._states[name]
        was_hidden = _is_hidden(state)
        state.listed = True
        state.owed = False
        state.unlisted = ""
        self._changed(name, state, was_hidden=was_hidden)

    def refused(
        self, name: str, error: Exception, *, silent: bool = False, gone: bool = False
    ) -> None:
        """Record that a list or watch has failed.

        Args:
            name: plural of the resource.
            error: cause of the failure; only its code is shown.
            silent: True if the API server did not answer at all.
            gone: True if the API server said that the CRD does not exist.
        """
        state = self._states[name]
        was_hidden = _is_hidden(state)
        code = str(error.code) if isinstance(error, ApiError) else "unreachable"
        self._metrics.watch_failures.labels(name, code).inc()
        self._metrics.watch_refused.labels(name).set(1)
        state.refused = _reason(error, gone=gone)
        if not silent:
            state.answered_at = self._clock()
        if not gone:
            state.missing_since = None
            state.absent = False
        elif state.missing_since is None:
            state.missing_since = self._clock()
        elif not state.absent and self._clock() - state.missing_since >= ABSENT_AFTER_S:
            state.absent = state.listed = True
            state.owed = False
            state.unlisted = ""
            self.on_absent(name)
        self._changed(name, state, was_hidden=was_hidden)

    def is_hidden(self, name: str) -> bool:
        """Return whether a resource may have objects that the cache doesn't contain."""
        state = self._states.get(name)
        return state is not None and _is_hidden(state)

    def any_hidden(self) -> bool:
        """Return whether any resource isn't visible."""
        return any(map(_is_hidden, self._states.values()))

    def ever_listed(self, name: str) -> bool:
        """Return whether a resource was listed at least once, or is absent."""
        return self._states[name].listed

    def first_unlisted(self, resources: Iterable[Resource]) -> str | None:
        """Return the plural of the first of the resources that was never listed, or None."""
        names = (resource.plural for resource in resources)
        return next((name for name in names if not self.ever_listed(name)), None)

    def is_missing(self, name: str) -> bool:
        """Return whether the API server says that the resource does not exist."""
        return self._states[name].missing_since is not None

    def refusal(self, name: str) -> str:
        """Return the reason for which a resource is refused; empty if it is not refused."""
        return self._states[name].refused

    def problems(self) -> list[str]:
        """Return one line for each resource that isn't visible."""
        lines = []
        for name, state in sorted(self._states.items()):
            if why := state.refused or state.unlisted:
                lines.append(f"{name}: {why}")
            elif not state.listed:
                lines.append(f"{name}: not listed yet")
        return lines

    def silent_since(self, limit_s: float) -> list[str]:
        """Return the resources without an answer of the API server for ``limit_s`` seconds."""
        oldest = self._clock() - limit_s
        return sorted(name for name, state in self._states.items() if state.answered_at < oldest)

    def _changed(self, name: str, state: _State, *, was_hidden: bool) -> None:
        if all(it.listed or it.refused for it in self._states.values()):
            self._all_tried.set()
        if was_hidden and not _is_hidden(state):
            self.on_visible(name)


def _is_hidden(state: _State) -> bool:
    if state.absent:
        return False
    return not state.listed or state.owed or bool(state.refused)


def _reason(error: Exception, *, gone: bool = False) -> str:
    if not isinstance(error, ApiError):
        return "the API server did not answer"
    if gone:
        return "404: the CustomResourceDefinition is missing"
    if error.is_not_found:
        return "404: the API server does not serve this version"
    if error.is_forbidden:
        return "403: the operator's ServiceAccount may not list or watch this resource"
    if error.is_unauthorized:
        return "401: the API server does not accept the operator's token"
    return str(error.code)


def hidden_tombstone(state: ObjectState, view: Cache, visibility: Visibility) -> str | None:
    """Return ``tombstones`` if an object's Tombstone may exist, hidden from the cache; else None.

    A restored object isn't complete while its Tombstone exists.
    """
    if state.restored_from is None:
        return None
    place = ObjectKey(TOMBSTONE.plural, state.key.namespace, state.restored_from)
    hidden = view.get(place) is None and visibility.is_hidden(TOMBSTONE.plural)
    return TOMBSTONE.plural if hidden else None


def hidden_referent(state: ObjectState, view: Cache, visibility: Visibility) -> str | None:
    """Return the resource that must become visible before an object gets a verdict, or None.

    An object that is referenced, directly or indirectly, may be missing in the cache and
    exist nevertheless, as long as its resource isn't visible. The references of a referent of the
    same kind don't matter to the verdict, and may form a cycle.
    """
    if not visibility.any_hidden():
        return None
    return _hidden(state, view, visibility)


def _hidden(state: ObjectState, view: Cache, visibility: Visibility) -> str | None:
    home = state.key.namespace
    for reference in state.references:
        target = reference.target
        if target.plural == NAMESPACES.plural:
            if not view.has_namespace(target.name) and visibility.is_hidden(target.plural):
                return target.plural
            continue
        if (
            target.namespace != home
            and not view.has_namespace(home)
            and visibility.is_hidden(NAMESPACES.plural)
        ):
            return NAMESPACES.plural
        referent = view.get(target)
        if referent is None:
            if visibility.is_hidden(target.plural):
                return target.plural
        elif (
            target.plural != state.key.plural
            and (hidden := _hidden(referent, view, visibility)) is not None
        ):
            return hidden
    return None
