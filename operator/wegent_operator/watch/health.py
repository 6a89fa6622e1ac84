"""The health of the watches, and the HTTP server that reports it.

Each watch request has a time limit. A working watch is renewed again and again, and a refused
watch is tried again and again. A watch for which neither happens in time is dead. A restart
helps against a dead watch, for any cause; it doesn't help against a refusal.
"""

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from wegent_operator.runtime.metrics import Metrics
from wegent_operator.runtime.visibility import Visibility


class WatchMonitor:
    """Finds the failures that a restart of the program would fix."""

    def __init__(self, visibility: Visibility, limit_s: float) -> None:
        self._visibility = visibility
        self._limit_s = limit_s
        self._ended: set[str] = set()

    def ended(self, part: str) -> None:
        """Record that a part of the program has ended that must never end."""
        self._ended.add(part)

    def stopped(self) -> list[str]:
        """Return the resources without an answer in time; empty means healthy.

        Parts that have ended are listed too, because only a restart brings them back.
        """
        return sorted({*self._visibility.silent_since(self._limit_s), *self._ended})


class HealthServer:
    """Serves /healthz, /readyz and /metrics."""

    def __init__(
        self,
        monitor: WatchMonitor,
        metrics: Metrics,
        *,
        problems: Callable[[], list[str]],
        counts_by_reason: Callable[[], Mapping[tuple[str, str], int]],
    ) -> None:
        self._monitor = monitor
        self._metrics = metrics
        self._problems = problems
        self._counts_by_reason = counts_by_reason
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port on which the server listens, once it has started."""

    async def start(self, host: str, port: int) -> None:
        """Start the HTTP server."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._serve_metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop the HTTP server."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        stopped = self._monitor.stopped()
        if stopped:
            return web.Response(status=503, text=f"not watching: {', '.join(stopped)}\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        problems = self._problems()
        if problems:
            return web.Response(status=503, text="".join(f"{line}\n" for line in problems))
        return web.Response(text="ok\n")

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        self._metrics.count_objects(self._counts_by_reason())
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )
