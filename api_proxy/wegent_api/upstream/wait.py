"""Waits briefly until the operator has acted on a write.

A watch of the one object, from the written version on, takes one request and reports the result at
once. The result stays unknown for a caller who may not watch, and while there are too many watches.
"""

import asyncio
import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends

from wegent_api.http.bearer import Caller
from wegent_api.http.errors import Problem
from wegent_api.http.state import FromState
from wegent_api.upstream.metadata import event_of
from wegent_api.upstream.watches import Watches
from wegent_kube.content_types import JSON
from wegent_kube.resources import Resource

GONE: Final = "DELETED"
SEEN: Final = frozenset({"ADDED", "MODIFIED", GONE})

Outcome = TypeVar("Outcome")


class EventWaiter:
    """Waits for events of one object.

    Args:
        watches: of the API server, separate from the long-lived ones.
        within_s: longest time to wait, in seconds.
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
        """Return the first outcome of ``decide`` that is not None, or None after the timeout.

        Args:
            caller: the user whose rights the watch uses.
            place: resource, namespace and name of the object.
            version: the resourceVersion after which events count.
            decide: takes an event's type and object, and returns None to continue.
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
            pass  # the write is done, and its outcome stays unknown
        return None


EventWaiterDep = Annotated[EventWaiter, Depends(FromState("event_waiter"))]
"""Parameter type of a route that waits for the operator."""
