"""``?watch=true``: the changes of a collection as Server-Sent Events.

An event's id is the resourceVersion from which a client may resume. The initial events, one for
each existing object in no order of versions, have no id. A client that is cut off among them must
start again, or it would miss the rest for ever.

A watch of the API server outlives the token and the rights with which it was opened. So each
upstream watch is short, and the proxy opens the next one where the last one ended. The first one
has no such position until all initial events are sent, which takes a slow client a while. It lasts
until then, and shows no more than a list at its beginning would show.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import BadRequest, Cause, Problem, UpstreamStatus
from wegent_api.http.preconditions import is_version
from wegent_api.http.sse import EventStream, Frames, frame
from wegent_api.http.state import FromState
from wegent_api.settings import Settings
from wegent_api.upstream.client import UserApi
from wegent_api.upstream.concurrency import ConcurrencyLimiter
from wegent_api.upstream.identity import subject
from wegent_api.upstream.metadata import event_of, metadata_of, version_of
from wegent_api.upstream.watches import Watches
from wegent_kube.content_types import JSON
from wegent_kube.encoding import encode_json

LAST_EVENT_ID: Final = "Last-Event-ID"
BOOKMARKS: Final = {"allowWatchBookmarks": "true"}
FROM_WHAT_IS_THERE: Final = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
"""Query for the initial events, which end with a bookmark (KEP-3157)."""
BEGINNING_S: Final = 300
"""Seconds in which a client must have taken the initial events: 100 MiB at a few Mbit/s."""


def starting_point(request: Request, parameter: str | None) -> str | None:
    """Return the version to resume from: the last seen one, else the parameter, else None.

    Raises:
        BadRequest: the value is not a version.
    """
    seen = ",".join(request.headers.getlist(LAST_EVENT_ID))
    where, value = (LAST_EVENT_ID, seen) if seen else ("resourceVersion", parameter)
    if not value or value == "0":  # any version in Kubernetes: begin with the initial events
        return None
    if not is_version(value):
        message = "must be the resourceVersion of a list, an object or an event"
        raise BadRequest.of([Cause("FieldValueInvalid", where, message)])
    return value


class Watcher:
    """Opens watches.

    Args:
        user_api: the API server, which identifies a caller.
        watches: of the API server, opened as the caller.
        limiter: limits the clients' watches.
        draining: set when the proxy is to stop. All watches then end.
        settings: interval of upstream watches, and heartbeat.
    """

    def __init__(
        self,
        user_api: UserApi,
        watches: Watches,
        limiter: ConcurrencyLimiter,
        draining: asyncio.Event,
        settings: Settings,
    ) -> None:
        self._user_api = user_api
        self._watches = watches
        self._limiter = limiter
        self._draining = draining
        self._settings = settings

    async def watch(
        self, caller: Caller, path: str, query: Mapping[str, str], since: str | None
    ) -> EventStream:
        """Open a watch and return the event stream.

        Raises:
            UpstreamStatus: the API server refused the watch.
            TooManyRequests: the caller has too many watches.
            Unavailable: the API server can't be reached, or there are too many watches in total.
        """
        renew_s = self._settings.watch_renew_s
        watching = _Watching(self._watches, caller, path, query, since, lasts_s=renew_s)
        await watching.begin(self._limiter, await subject(self._user_api, caller))
        return EventStream(
            watching.frames(),
            watching.opened,
            self._draining,
            heartbeat_s=self._settings.watch_heartbeat_s,
        )


WatcherDep = Annotated[Watcher, Depends(FromState("watcher"))]
"""Parameter type of a route that watches objects."""


class _Watching:
    """One client's watch, across as many upstream watches as it needs."""

    def __init__(
        self,
        watches: Watches,
        caller: Caller,
        path: str,
        query: Mapping[str, str],
        since: str | None,
        *,
        lasts_s: int,
    ) -> None:
        self.opened = AsyncExitStack()
        self._upstream = AsyncExitStack()
        self._watches = watches
        self._lasts_s = lasts_s
        self._caller = caller
        self._path = path
        self._query = query
        self._version = since
        self._beginning = False
        self._lines: AsyncIterator[bytes] | None = None
        self._end: Problem | None = None

    async def begin(self, limiter: ConcurrencyLimiter, user: str) -> None:
        """Take one of ``user``'s slots and open the first upstream watch.

        Raises:
            Problem: for the same reasons as `Watcher.watch`. A version that is too old becomes an
                event.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(limiter.one(user))
            stack.push_async_callback(self._upstream.aclose)
            await self._begin()
            self.opened = stack.pop_all()

    async def _begin(self) -> None:
        try:
            if self._version is not None:
                await self._open({"resourceVersion": self._version})
                return
            try:
                await self._open(FROM_WHAT_IS_THERE, lasts_s=BEGINNING_S)
                self._beginning = True
            except UpstreamStatus as refused:
                if "sendInitialEvents" not in refused.message:
                    raise
                await self._open({})  # Kubernetes before 1.34 may not support it
        except UpstreamStatus as refused:
            if not refused.is_resource_expired:
                raise
            self._end = refused

    async def frames(self) -> Frames:
        """Yield the events until the watch ends."""
        while self._end is None and self._lines is not None:
            lines, self._lines = self._lines, None
            try:
                async for line in lines:
                    kind, body = event_of(line)
                    if kind == "ERROR":
                        yield _error(body)
                        return
                    yield self._event(kind, body)
                    if self._beginning and self._version is not None:
                        break
                if self._version is None:  # it ended within the initial events
                    return
                self._beginning = False
                await self._upstream.aclose()
                await self._open({"resourceVersion": self._version})
            except Problem as problem:
                self._end = problem
        if self._end is not None:
            yield _error(encode_json(self._end.status))

    def _event(self, kind: str, body: bytes) -> bytes:
        if self._version is None and kind == "ADDED":
            # This is an initial event. A server that doesn't mark their end goes on with a change,
            # a deletion or a bookmark.
            return frame(kind, body)
        self._version = version_of(metadata_of(body))
        return frame(kind, body, id_=self._version)

    async def _open(self, more: Mapping[str, str], *, lasts_s: int | None = None) -> None:
        self._lines = await self._upstream.enter_async_context(
            self._watches.open(
                self._caller,
                self._path,
                {**self._query, **BOOKMARKS, **more},
                lasts_s=lasts_s or self._lasts_s,
                accept=JSON,
            )
        )


def _error(status: bytes) -> bytes:
    """Return the last event. A client that gets "too old" must start again."""
    said: Any = json.loads(status)
    expired = UpstreamStatus(said, said.get("code") or 500, {}).is_resource_expired
    return frame("ERROR", status.strip(), id_="" if expired else None)
