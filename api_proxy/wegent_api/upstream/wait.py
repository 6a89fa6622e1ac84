"""Wait, for a moment, until the operator has done what a write asks of it.

By a watch of the one object from the version on that was written: one request, and
an answer as soon as there is one. Who may not watch, and who comes when too many
do, is told that it isn't known yet.
"""

import asyncio
import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends

from wegent_api.http.bearer import Caller
from wegent_api.http.error_responses import JSON
from wegent_api.http.errors import Problem
from wegent_api.http.state import FromState
from wegent_api.upstream.metadata import event_of
from wegent_api.upstream.watches import Watches
from wegent_kube.resources import Resource

GONE: Final = "DELETED"
SEEN: Final = frozenset({"ADDED", "MODIFIED", GONE})

Outcome = TypeVar("Outcome")


class EventWaiter:
    """Waits for events of one object.

    Args:
        watches: of the API server, apart from those that last.
        within_s: how long to wait at most, in seconds.
    """

    def __init__(self, watches: Watches, *, within_s: float) -> None:
        self._watches = watches
        self._within_s = within_s

    async def wait_for_event(
        self,
        caller: Caller,
        place: tuple[Resource, str, str],
        version: str,
        decide: Callable[[str, dict[str, Any]], Outcome | None],
    ) -> Outcome | None:
        """Return the first outcome of ``decide`` that is not None; None if the time is over.

        Args:
            caller: with whose rights the object is watched.
            place: of the object: resource, namespace and name.
            version: after which events count.
            decide: takes an event's type and object, and returns None to wait on.
        """
        resource, namespace, name = place
        query = {"fieldSelector": f"metadata.name={name}", "resourceVersion": version}
        lasts_s = math.ceil(self._within_s) + 1
        try:
            async with (
                asyncio.timeout(self._within_s),
                self._watches.open(
                    caller, resource.path(namespace), query, lasts_s=lasts_s, accept=JSON
                ) as lines,
            ):
                async for line in lines:
                    kind, body = event_of(line)
                    if kind not in SEEN:
                        break
                    if (outcome := decide(kind, json.loads(body))) is not None:
                        return outcome
        except (TimeoutError, Problem):
            pass  # the write is done; only its end is not seen
        return None


EventWaiterDep = Annotated[EventWaiter, Depends(FromState("event_waiter"))]
"""Parameter type of a route that waits for the operator."""
