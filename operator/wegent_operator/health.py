"""Whether the watching still goes on, and the HTTP server that says so.

Kopf has no public sign of a watch that has stopped, but it takes our HTTP
session, and aiohttp tells of each request on it. Every watch is asked for with
a time limit, so one that works is renewed again and again; one that isn't is
dead, whatever the reason.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from wegent_operator.metrics import Metrics


class WatchMonitor:
    """When each resource's watch was last answered by the API server."""

    def __init__(
        self,
        resources: Iterable[str],
        limit_s: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._metrics = metrics
        self._answered_at = dict.fromkeys(resources, clock())
        self._ended: set[str] = set()

    def answered(self, resource: str) -> None:
        """Note that a watch of ``resource`` was answered."""
        if resource in self._answered_at:
            self._answered_at[resource] = self._clock()
            self._metrics.watch_starts.labels(resource).inc()

    def ended(self, part: str) -> None:
        """Note that a part of the program that must not end has ended."""
        self._ended.add(part)

    def stopped(self) -> list[str]:
        """Return the resources whose watch was not renewed in time; empty means healthy.

        Parts that have ended are named too: nothing brings them back but a restart.
        """
        oldest = self._clock() - self._limit_s
        return sorted({name for name, at in self._answered_at.items() if at < oldest} | self._ended)

    def trace_config(self, on_list: Callable[[str], None]) -> aiohttp.TraceConfig:
        """Return what makes a session report its watches here, and its lists to ``on_list``."""

        async def on_request_end(
            _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams
        ) -> None:
            if params.response.status != 200:
                return
            if params.url.query.get("watch") == "true":
                self.answered(params.url.name)
            else:
                on_list(params.url.name)

        config = aiohttp.TraceConfig()
        config.on_request_end.append(on_request_end)
        return config


class HealthServer:
    """Serves /healthz, /readyz and /metrics."""

    def __init__(
        self,
        monitor: WatchMonitor,
        metrics: Metrics,
        *,
        is_ready: Callable[[], bool],
        census: Callable[[], Mapping[tuple[str, str], int]],
    ) -> None:
        self._monitor = monitor
        self._metrics = metrics
        self._is_ready = is_ready
        self._census = census
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port that is served, once started."""

    async def start(self, host: str, port: int) -> None:
        """Begin to serve."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._serve_metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Serve no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        stopped = self._monitor.stopped()
        if stopped:
            return web.Response(status=503, text=f"not watching: {', '.join(stopped)}\n")
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._is_ready():
            return web.Response(text="ok\n")
        return web.Response(status=503, text="not every kind is listed yet\n")

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        self._metrics.count_objects(self._census())
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )
