"""One of the watches that follow each other for as long as a program runs."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from wegent_kube.backoff import Backoff
from wegent_kube.client import REQUEST_TIMEOUT_S, KubeClient

STEADY_S: Final = 1.0
"""Seconds. A watch that ends earlier counts as failed: a proxy before the API server probably cuts
it, and would also cut an immediate next one."""

EventHandler = Callable[[str, Mapping[str, Any]], None]
"""Handles one event, given its type (ADDED, MODIFIED or DELETED) and its object."""


async def watch_from(
    client: KubeClient,
    path: str,
    version: str,
    handler: EventHandler,
    backoff: Backoff,
    *,
    params: Mapping[str, str],
    lasts_s: int,
    quiet_s: float = REQUEST_TIMEOUT_S,
    opened: Callable[[], None] = lambda: None,
) -> str:
    """Handle the changes since ``version`` until the watch ends; return the last version.

    A watch that ends early counts as a failure of ``backoff``, and its pause follows. A longer one
    resets it. The other arguments are those of ``KubeClient.watch``.

    Raises:
        KubeError: the watch failed; the caller makes the pause.
    """
    began = time.monotonic()
    events = client.watch(
        path,
        params={**params, "resourceVersion": version, "allowWatchBookmarks": "true"},
        lasts_s=lasts_s,
        quiet_s=quiet_s,
        opened=opened,
    )
    try:
        async for event in events:
            body = event["object"]
            version = body["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                handler(event["type"], body)
    finally:
        if steady := time.monotonic() - began >= min(STEADY_S, lasts_s / 2):
            backoff.reset()
    if not steady:
        await backoff.wait()
    return version
