"""Watches that go on after a cut, without a lost change and without a repeated one.

The REST API sends Server-Sent Events, the Kubernetes API lines of JSON. Both give changes with
versions, from which the next request continues. When a version is too old, the list is read
again, and its difference from the last known state is what the caller gets.
"""

import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import Final

from wegent_crds.registry import Kind
from wegent_sdk.api import pause_before
from wegent_sdk.changes import Known, LineChanges, SseChanges, WatchEvent, version_of
from wegent_sdk.errors import (
    ConnectionFailed,
    Expired,
    TooManyRequests,
    Unavailable,
    WegentError,
)
from wegent_sdk.raw import Body, RawOperations, row_of
from wegent_sdk.targets import selecting
from wegent_sdk.wire import Request

SILENCE_S: Final = 60.0
"""Seconds without a byte after which a stream counts as lost. The REST API sends a comment after
15 seconds."""
RENEWED_S: Final = 240
"""Seconds after which a watch of the Kubernetes API, which sends no comments, begins again."""
LEAST_S: Final = 1.0
"""A stream that ends sooner, without an event, has failed."""
PATIENCE_S: Final = 300.0
"""Seconds of failures in a row after which an iterator gives up."""
LONGEST_PAUSE_S: Final = 15.0
OnCut = Callable[[WegentError, float], None]
"""Called with the failure and the seconds until the next attempt."""


@dataclass(slots=True)
class Patience:
    """Decides for how long failures of a stream are retried.

    Attributes:
        limit_s: seconds of failures in a row.
        on_cut: told of each failure.
    """

    limit_s: float = PATIENCE_S
    on_cut: OnCut | None = None
    _failures: int = 0
    _since: float = 0.0

    def reset(self) -> None:
        """Record that an event has come."""
        self._failures = 0

    def settle(self, began: float) -> None:
        """Record that bytes have come from a stream that began at a time of the monotonic clock."""
        if monotonic() - began > LEAST_S:
            self._failures = 0

    def wait_after(self, error: WegentError) -> float:
        """Return the seconds to wait before the next attempt.

        Raises:
            WegentError: ``error`` itself, if another attempt makes no sense.
        """
        now = monotonic()
        self._since = self._since if self._failures else now
        self._failures += 1
        if not may_pass(error) or now - self._since >= self.limit_s:
            raise error
        asked = getattr(error, "retry_after_s", None) or 0.0
        wait = max(asked, pause_before(self._failures, longest_s=LONGEST_PAUSE_S))
        wait = min(wait, max(0.1, self.limit_s))
        if self.on_cut is not None:
            self.on_cut(error, wait)
        return wait


def may_pass(error: WegentError) -> bool:
    """Return whether a stream may go on after a failure."""
    if isinstance(error, ConnectionFailed):
        return error.may_pass
    return isinstance(error, TooManyRequests | Unavailable)


class WatchOperations(RawOperations):
    """Watches of objects as dictionaries."""

    async def watch(
        self,
        kind: Kind | str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        patience_s: float = PATIENCE_S,
        on_cut: OnCut | None = None,
    ) -> AsyncGenerator[WatchEvent[Body], None]:
        """Yield the existing objects as ADDED, and then each change. It ends only with an error.

        Args:
            kind: the kind.
            namespace: the namespace; ``*`` for all, which needs the right to list the cluster.
            label_selector: as kubectl's ``--selector``.
            field_selector: as kubectl's ``--field-selector``.
            patience_s: seconds for which failures in a row are retried.
            on_cut: called with each failure, and the seconds until the next attempt.

        Raises:
            WegentError: the right has ended, or the server failed for ``patience_s``.
        """
        selectors = selecting(label_selector, field_selector)
        patience = Patience(patience_s, on_cut)
        async with aclosing(self.ticking(kind, namespace, selectors, patience)) as events:
            async for event in events:
                if event is not None:
                    yield event

    async def ticking(
        self,
        kind: Kind | str,
        namespace: str | None,
        selectors: Mapping[str, str],
        patience: Patience,
        deadline: float = math.inf,
    ) -> AsyncGenerator[WatchEvent[Body] | None, None]:
        """Yield changes as `watch`, and None whenever bytes have come. It ends at a deadline.

        Args:
            kind: the kind.
            namespace: the namespace.
            selectors: parameters of the list.
            patience: decides on failures.
            deadline: a time of the monotonic clock.

        Raises:
            WegentError: the right has ended, or the server failed for too long.
        """
        row, known = row_of(kind), Known()
        while monotonic() < deadline:
            try:
                if not known.version:
                    known.begin()
                    if not self.target.is_rest:
                        async for change in self._listed(row, namespace, selectors, known):
                            yield change
                began = monotonic()
                gap = self._changes(row, namespace, selectors, known, deadline)
                async with aclosing(gap) as changes:
                    async for found in changes:
                        if found is not None:
                            patience.reset()
                        patience.settle(began)
                        yield found
            except Expired:
                known.version = ""
            except WegentError as error:
                if monotonic() >= deadline:
                    return
                await self.api.wire.http.sleep(patience.wait_after(error))

    async def _listed(
        self, row: Kind, namespace: str | None, selectors: Mapping[str, str], known: Known
    ) -> AsyncGenerator[WatchEvent[Body], None]:
        """Yield the difference between the existing objects and the known ones."""
        version = ""
        async with aclosing(self.pages(row, namespace, selectors)) as pages:
            async for page in pages:
                version = version_of(page)
                for item in page["items"]:
                    for change in known.listed(item):
                        yield change
        for change in known.end():
            yield change
        known.version = version

    async def _changes(
        self,
        row: Kind,
        namespace: str | None,
        selectors: Mapping[str, str],
        known: Known,
        deadline: float,
    ) -> AsyncGenerator[WatchEvent[Body] | None, None]:
        """Yield the changes of one request, and None after each piece, until it ends.

        Raises:
            Expired: the version is too old.
            WegentError: the request failed, or its stream was cut.
        """
        rest, began = self.target.is_rest, monotonic()
        params = {**self.target.params(namespace), **selectors, "watch": "true"}
        if known.version:
            params["resourceVersion"] = known.version
        if not rest:
            params |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(RENEWED_S)}
        request = Request("GET", self.target.path(row, namespace), params)
        silence_s = min(SILENCE_S if rest else RENEWED_S + SILENCE_S, max(0.1, deadline - began))
        decode = SseChanges(self.api.url) if rest else LineChanges(self.api.url)
        async with self.api.open(request, silence_s=silence_s) as stream:
            while piece := await self.api.read(stream):
                for type_, body, version in decode.feed(piece):
                    if type_ != "BOOKMARK":
                        self.checked(row, body)
                    for change in known.take(type_, body):
                        yield change
                    known.version = version or known.version
                yield None
                if monotonic() >= deadline:
                    return
        if rest or monotonic() - began < LEAST_S:
            raise ConnectionFailed(f"{self.api.url} ended the stream", url=self.api.url)


class Operations:
    """Base of operations that stand on those for dictionaries.

    Args:
        raw: requests for dictionaries.
    """

    def __init__(self, raw: WatchOperations) -> None:
        self._raw = raw
