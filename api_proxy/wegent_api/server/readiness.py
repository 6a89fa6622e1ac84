"""Checks that the API server answers the proxy, at most once a second."""

import asyncio
import time
from typing import Annotated, Final

from fastapi import Depends

from wegent_api.http.state import FromState
from wegent_kube import KubeClient, KubeError

FRESH_S: Final = 1.0
"""Seconds for which a result is reused, because anybody may call ``/readyz``."""
TIMEOUT_S: Final = 3.0


class Readiness:
    """Requests ``/version``, which every authenticated client may read."""

    def __init__(self, own_api: KubeClient) -> None:
        self._own_api = own_api
        self._asked_at = float("-inf")
        self._ready = False
        self._lock = asyncio.Lock()

    async def ready(self) -> bool:
        """Return whether the API server accepted the proxy's credentials within a second."""
        async with self._lock:
            if time.monotonic() - self._asked_at > FRESH_S:
                self._ready = await self._ask()
                self._asked_at = time.monotonic()
        return self._ready

    async def _ask(self) -> bool:
        try:
            await self._own_api.request("GET", "/version", timeout_s=TIMEOUT_S)
        except KubeError:
            return False
        return True


ReadinessDep = Annotated[Readiness, Depends(FromState("readiness"))]
"""Parameter type of a route that reports whether the proxy is ready."""

DrainingDep = Annotated[asyncio.Event, Depends(FromState("draining"))]
"""Parameter type of a route that reports whether the proxy is about to stop."""
